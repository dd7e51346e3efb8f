//! Destroy: final, within a request and across requests.

use dancer_session::{Flushed, Settings};

use crate::bench::{Bench, Kind, SECOND, get, id};

for_every_store! {
    r10_a_flush_does_not_undo_a_destroy
    r10_a_renew_does_not_undo_a_destroy
    r10_a_flush_does_not_revive_what_expired
    r11_a_touch_carries_no_data_and_creates_nothing
    rule_4_3_after_destroy_a_set_starts_a_new_session
    rule_4_13_discard_keeps_the_destroy
    destroying_what_is_gone_is_done
}

async fn r10_a_flush_does_not_undo_a_destroy(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("a", 1)]).await;
    let slow = bench.again(&session).await;
    let logout = bench.again(&session).await;
    slow.set("a", 2).unwrap();
    slow.update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
        .unwrap();
    logout.destroy();
    assert_eq!(logout.flush().await.unwrap(), Flushed::Destroyed);
    let stored = bench.all().await;
    assert_eq!(slow.flush().await.unwrap(), Flushed::Ended);
    assert!(slow.is_ended() && slow.is_empty());
    // Not under the old id, not under a new one, not by a second flush either.
    slow.set("a", 3).unwrap();
    assert_eq!(slow.flush().await.unwrap(), Flushed::Ended);
    let after = bench.all().await;
    assert_eq!(after.len(), 1);
    assert_eq!(after[0].payload, stored[0].payload);
}

async fn r10_a_renew_does_not_undo_a_destroy(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("a", 1)]).await;
    let slow = bench.again(&session).await;
    let logs_in = bench.again(&session).await;
    session.destroy();
    assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
    // Without data there is nothing a log-in could go on with.
    slow.renew();
    assert_eq!(slow.flush().await.unwrap(), Flushed::Ended);
    assert_eq!(bench.all().await.len(), 1);
    // With data it goes on, but nothing of the destroyed session does.
    logs_in.set("user", 7).unwrap();
    logs_in.renew();
    assert_eq!(logs_in.flush().await.unwrap(), Flushed::Created);
    assert_eq!(bench.again(&logs_in).await.keys(), ["user"]);
}

async fn r10_a_flush_does_not_revive_what_expired(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("a", 1)]).await;
    session.set("a", 2).unwrap();
    bench.pass(bench.engine.settings().expire + SECOND).await;
    assert_eq!(session.flush().await.unwrap(), Flushed::Ended);
    assert_eq!(bench.all().await, []);
}

async fn r11_a_touch_carries_no_data_and_creates_nothing(kind: Kind) {
    // With an interval, touches are commands of their own that nobody waits for.
    let settings = Settings {
        touch_interval: SECOND,
        ..Settings::default()
    };
    let bench = Bench::with(kind, settings).await;
    // In one thread, what is not waited for is on its way before anything else is.
    let rounds = if kind == Kind::WithoutThreads {
        1_000
    } else {
        10_000
    };
    for begun in (100..=rounds).step_by(100) {
        let mut sessions = Vec::new();
        for _ in 0..100 {
            sessions.push(bench.session(&[("a", 1)]).await);
        }
        bench.pass(2 * SECOND).await;
        let races = sessions.into_iter().map(|session| {
            let engine = bench.engine.clone();
            tokio::spawn(async move {
                let reader = tokio::spawn({
                    let (engine, id) = (engine.clone(), id(&session));
                    async move { engine.retrieve(&id).await.unwrap() }
                });
                session.destroy();
                assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
                drop(reader.await.unwrap());
            })
        });
        for race in races.collect::<Vec<_>>() {
            race.await.unwrap();
        }
        // What was revived stays, so it is enough to look now and then.
        if begun % (rounds / 4) != 0 {
            continue;
        }
        for stored in bench.all().await {
            assert!(
                !stored.payload.contains("\"a\""),
                "revived: {}",
                stored.payload
            );
            assert!(stored.left.is_some());
        }
    }
}

async fn rule_4_3_after_destroy_a_set_starts_a_new_session(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("a", 1)]).await;
    let old = id(&session);
    session.set("lost", 1).unwrap();
    session.destroy();
    assert!(session.is_empty() && session.id().is_none());
    session.set("b", 2).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Created);
    assert_ne!(id(&session), old);
    assert!(!session.is_destroyed(), "there is a new one");
    assert_eq!(bench.again(&session).await.keys(), ["b"]);
    assert!(bench.find_id(&old).await.unwrap().is_ended());
}

async fn rule_4_13_discard_keeps_the_destroy(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("a", 1)]).await;
    let old = id(&session);
    session.set("a", 2).unwrap();
    session.renew();
    session.discard();
    assert_eq!(session.flush().await.unwrap(), Flushed::Unchanged);
    assert_eq!(get(&session, "a"), Some(1));
    session.destroy();
    session.set("b", 2).unwrap();
    session.discard();
    assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
    assert!(bench.find_id(&old).await.unwrap().is_ended());
}

async fn destroying_what_is_gone_is_done(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("a", 1)]).await;
    bench.pass(bench.engine.settings().expire + SECOND).await;
    session.destroy();
    assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
    assert_eq!(
        bench.all().await,
        [],
        "a stub for nothing would be a key for nothing"
    );
}
