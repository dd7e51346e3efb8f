//! Renew, and the stub it leaves.

use std::time::Duration;

use dancer_session::{Flushed, Settings};

use crate::bench::{Bench, Kind, SECOND, get, id};

for_every_store! {
    r06_renew_keeps_the_data_and_changes_the_id
    r06_renew_and_changes_go_together
    r08_under_a_stub_nothing_is_seen_and_nothing_stored
    r08_the_second_click_on_log_in_succeeds
    rule_4_4_a_stub_ends_when_it_says
    rule_4_4_with_no_grace_the_old_id_is_missing_at_once
    rule_4_4_destroy_leaves_a_stub_too
    rule_4_4_a_destroy_of_what_was_renewed_is_not_reported_as_done
}

for_the_native_layout! {
    rule_4_4_a_stub_does_not_lead_to_the_new_session
}

async fn renewed(bench: &Bench) -> (String, dancer_session::Session) {
    let session = bench.session(&[("a", 1)]).await;
    let old = id(&session);
    session.renew();
    assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
    (old, session)
}

async fn r06_renew_keeps_the_data_and_changes_the_id(kind: Kind) {
    let bench = Bench::new(kind).await;
    let (old, session) = renewed(&bench).await;
    assert_ne!(id(&session), old);
    assert_eq!(get(&session, "a"), Some(1));
    let again = bench.again(&session).await;
    assert_eq!(get(&again, "a"), Some(1));
    assert!(bench.find_id(&old).await.unwrap().is_ended());
    // It goes on under the new id as before.
    again.set("b", 2).unwrap();
    assert_eq!(again.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(bench.again(&session).await.len(), 2);
}

async fn r06_renew_and_changes_go_together(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("a", 1)]).await;
    let other = bench.again(&session).await;
    other.set("b", 2).unwrap();
    session.set("user", 7).unwrap();
    session.renew();
    assert_eq!(other.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
    assert_eq!(bench.again(&session).await.keys(), ["a", "b", "user"]);
}

async fn r08_under_a_stub_nothing_is_seen_and_nothing_stored(kind: Kind) {
    let bench = Bench::new(kind).await;
    let (old, _) = renewed(&bench).await;
    let before = bench.all().await.len();
    let late = bench.find_id(&old).await.unwrap();
    assert!(late.is_ended() && late.is_empty());
    assert_eq!(get(&late, "a"), None);
    assert_eq!(late.flush().await.unwrap(), Flushed::Unchanged);
    late.set("b", 2).unwrap();
    assert_eq!(late.flush().await.unwrap(), Flushed::Ended);
    late.destroy();
    assert_eq!(late.flush().await.unwrap(), Flushed::Ended);
    assert!(
        !late.is_destroyed(),
        "its client's cookie may be the new one by now"
    );
    late.set("b", 2).unwrap();
    assert_eq!(late.flush().await.unwrap(), Flushed::Ended);
    assert_eq!(id(&late), old);
    assert_eq!(bench.all().await.len(), before);
}

async fn r08_the_second_click_on_log_in_succeeds(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("before", 1)]).await;
    let clicks = [bench.again(&session).await, bench.again(&session).await];
    for click in &clicks {
        click.set("user", 7).unwrap();
        click.renew();
    }
    assert_eq!(clicks[0].flush().await.unwrap(), Flushed::Renewed);
    assert_eq!(clicks[1].flush().await.unwrap(), Flushed::Created);
    // A third one comes when the stub stands there already.
    let late = bench.find(&session).await.unwrap();
    late.set("user", 7).unwrap();
    late.renew();
    assert_eq!(late.flush().await.unwrap(), Flushed::Created);
    for click in [&clicks[1], &late] {
        let fresh = bench.again(click).await;
        assert_eq!(
            fresh.keys(),
            ["user"],
            "only this request's changes, nothing of the old session"
        );
        assert_ne!(id(click), id(&clicks[0]));
    }
}

async fn rule_4_4_a_stub_ends_when_it_says(kind: Kind) {
    let bench = Bench::new(kind).await;
    let (old, session) = renewed(&bench).await;
    // Each read extends the key before it is known that it reads a stub.
    for _ in 0..28 {
        bench.pass(SECOND).await;
        assert!(bench.find_id(&old).await.unwrap().is_ended());
    }
    bench.pass(3 * SECOND).await;
    assert!(
        bench.find_id(&old).await.is_none(),
        "it counts as missing, whatever its TTL"
    );
    let grace = bench.engine.settings().renew_grace + bench.engine.settings().timeout;
    bench.pass(grace).await;
    assert_eq!(bench.all().await.len(), 1, "and its key has gone");
    assert!(bench.find(&session).await.is_some());
}

async fn rule_4_4_with_no_grace_the_old_id_is_missing_at_once(kind: Kind) {
    let settings = Settings {
        renew_grace: Duration::ZERO,
        ..Settings::default()
    };
    let bench = Bench::with(kind, settings).await;
    let session = bench.session(&[("a", 1)]).await;
    let late = bench.again(&session).await;
    let old = id(&session);
    session.renew();
    assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
    assert!(bench.find_id(&old).await.is_none());
    late.set("a", 2).unwrap();
    assert_eq!(late.flush().await.unwrap(), Flushed::Ended);
    assert_eq!(get(&bench.again(&session).await, "a"), Some(1));
}

async fn rule_4_4_destroy_leaves_a_stub_too(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("a", 1)]).await;
    let old = id(&session);
    session.destroy();
    assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
    assert!(session.is_destroyed() && session.id().is_none());
    assert!(bench.find_id(&old).await.unwrap().is_ended());
    assert!(
        !bench.only().await.payload.contains("\"a\""),
        "the data has gone at once"
    );
    bench.pass(31 * SECOND).await;
    assert!(bench.find_id(&old).await.is_none());
}

async fn rule_4_4_a_stub_does_not_lead_to_the_new_session(kind: Kind) {
    let bench = Bench::new(kind).await;
    let (_, session) = renewed(&bench).await;
    let all = bench.all().await;
    let (new, old): (Vec<_>, Vec<_>) = all
        .iter()
        .partition(|stored| stored.payload.contains("\"a\""));
    assert_eq!((new.len(), old.len()), (1, 1));
    let name = new[0].key.strip_prefix("session:").unwrap();
    assert!(!old[0].payload.contains(&name[..6]) && !old[0].payload.contains(&id(&session)));
}

async fn rule_4_4_a_destroy_of_what_was_renewed_is_not_reported_as_done(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("a", 1)]).await;
    let logs_out = [bench.again(&session).await, bench.again(&session).await];
    let with_a_message = bench.again(&session).await;
    session.renew();
    assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
    for late in logs_out {
        late.destroy();
        assert_eq!(late.flush().await.unwrap(), Flushed::Ended);
        assert!(late.is_ended() && !late.is_destroyed());
        assert_eq!(late.flush().await.unwrap(), Flushed::Unchanged);
    }
    // Nor does a message for the next page make a session whose cookie would replace the newer one.
    with_a_message.destroy();
    with_a_message.flash("success", "logged out").unwrap();
    assert_eq!(with_a_message.flush().await.unwrap(), Flushed::Ended);
    assert_eq!(get(&bench.again(&session).await, "a"), Some(1));
}
