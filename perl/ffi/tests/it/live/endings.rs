//! What ends on one side has ended on the other, also for a request that had read before.

use dancer_session_tower::Flushed;

use super::*;

/// A visitor who is logged in, and the id of the session.
async fn logged_in(both: &Both) -> (Visitor, String) {
    let visitor = Visitor::default();
    let form = [("name", "anna")];
    visitor.post(both.perl.address(), "/login", &form).await;
    let id = visitor.cookie(COOKIE).unwrap();
    (visitor, id)
}

/// Nobody is logged in with this id, and nothing of its session is left.
async fn has_ended(both: &Both, id: &str) {
    for address in both.addresses() {
        let late = Visitor::default();
        late.set_cookie(COOKIE, id);
        assert_eq!(late.get(address, "/whoami").await, "nobody");
    }
    let found = both.engine.retrieve(id).await.unwrap();
    assert!(found.is_none_or(|session| session.is_ended() && session.keys().is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_out_on_either_side_ends_the_session_on_both() {
    let both = Both::start().await;
    for address in both.addresses() {
        let (visitor, id) = logged_in(&both).await;
        for address in both.addresses() {
            assert_eq!(visitor.get(address, "/whoami").await, "anna");
        }
        visitor.post(address, "/logout", &[]).await;
        assert_eq!(visitor.cookie(COOKIE), None, "the cookie is taken away");
        has_ended(&both, &id).await;
    }
    no_complaints(&both.perl);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_a_slow_request_in_perl_does_not_undo_a_log_out_in_rust() {
    let both = Both::start().await;
    let (visitor, id) = logged_in(&both).await;
    let slow = visitor.clone();
    let gate = both.perl.gate("slow");
    let (address, path) = (both.perl.address(), gate.before("/held_count"));
    let held = tokio::spawn(async move { slow.ask(address, "GET", &path, &[]).await });
    gate.reached().await;
    visitor.post(both.rust, "/logout", &[]).await;
    gate.open();
    let answer = held.await.unwrap();
    assert_eq!(
        (answer.status, answer.cookies.len()),
        (200, 0),
        "{}",
        answer.text
    );
    assert_eq!(visitor.cookie(COOKIE), None);
    let log = both.perl.log();
    assert_eq!(log.matches("the session has ended").count(), 1, "{log}");
    has_ended(&both, &id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_a_slow_request_in_rust_does_not_undo_a_log_out_in_perl() {
    let both = Both::start().await;
    let (visitor, id) = logged_in(&both).await;
    let (slow, address) = (visitor.clone(), both.rust);
    let held = tokio::spawn(async move { slow.ask(address, "GET", "/held_set/late", &[]).await });
    both.held.wait().await;
    // And one that is no request at all.
    let in_hand = both.engine.retrieve(&id).await.unwrap().unwrap();
    in_hand.set("late", true).unwrap();
    visitor.post(both.perl.address(), "/logout", &[]).await;
    both.held.wait().await;
    let answer = held.await.unwrap();
    assert_eq!(
        (answer.status, answer.cookies.len()),
        (200, 0),
        "{}",
        answer.text
    );
    assert_eq!(in_hand.flush().await.unwrap(), Flushed::Ended);
    assert_eq!(visitor.cookie(COOKIE), None);
    has_ended(&both, &id).await;
    no_complaints(&both.perl);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r08_a_late_request_under_the_old_id_sees_and_stores_nothing_on_either_side() {
    let both = Both::start().await;
    for address in both.addresses() {
        let (visitor, old) = logged_in(&both).await;
        visitor.post(address, "/renew", &[]).await;
        let new = visitor.cookie(COOKIE).unwrap();
        assert_ne!(new, old);
        for address in both.addresses() {
            let late = Visitor::default();
            late.set_cookie(COOKIE, &old);
            let answer = late
                .ask(address, "POST", "/set/late", &[("value", "x")])
                .await;
            assert_eq!(
                (answer.status, answer.cookies.len()),
                (200, 0),
                "{}",
                answer.text
            );
            assert_eq!(late.get(address, "/whoami").await, "nobody");
            assert_eq!(visitor.get(address, "/whoami").await, "anna");
        }
        has_ended(&both, &old).await;
        let renewed = both.engine.retrieve(&new).await.unwrap().unwrap();
        assert_eq!(renewed.keys(), ["user"]);
    }
}
