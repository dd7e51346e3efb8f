//! Owners: their sessions listed, ended one by one and all at once, and how many there may be.

use std::time::Duration;

use dancer_session::{Flushed, OnMaxSessions, Owner, Session, SessionEngine, Settings};

use crate::bench::{Bench, Kind, SECOND, get, id};

for_every_store! {
    r29_a_list_shows_the_sessions_of_one_owner
    r29_one_session_ends_by_its_handle
    r29_a_handle_is_listed_once_also_after_two_log_ins_in_one_session
    r29_the_others_end_and_this_one_stays
    r29_all_end_and_leave_no_line_in_the_index
    r29_a_renew_keeps_the_owner_and_moves_its_line
    r29_a_session_changes_hands
    r29_an_owner_alone_is_worth_a_session
    r29_the_index_forgets_what_can_live_no_longer
    r29_a_line_whose_session_is_absent_stays
    r29_a_flush_of_others_keeps_the_owner
    r16_an_owned_session_has_an_absolute_limit
    the_oldest_makes_room
    a_log_in_too_many_is_refused_and_leaves_nothing
    a_log_in_again_in_one_session_is_not_one_more
    what_is_no_name_is_refused
}

const ANNA: &str = "user:42";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A session that has just logged in.
async fn logged_in(engine: &SessionEngine, owner: &str, description: &str) -> Session {
    let session = engine.anonymous();
    session.log_in().unwrap();
    session
        .set_owner(Owner::from(owner).described(description))
        .unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Created);
    session
}

/// What the list of an owner says, the oldest first.
async fn described(engine: &SessionEngine, owner: &str) -> Vec<String> {
    let sessions = engine.sessions_of(owner).await.unwrap();
    sessions
        .into_iter()
        .map(|session| session.description)
        .collect()
}

async fn is_alive(bench: &Bench, session: &Session) -> bool {
    let found = bench.find(session).await;
    found.is_some_and(|found| !found.is_ended())
}

async fn r29_a_list_shows_the_sessions_of_one_owner(kind: Kind) {
    let bench = Bench::new(kind).await;
    let engine = &bench.engine;
    let phone = logged_in(engine, ANNA, "phone").await;
    bench.pass(SECOND).await;
    logged_in(engine, "user:4", "another's").await;
    // A visitor before, whose session began earlier than the log-in.
    let desk = bench.session(&[("basket", 3)]).await;
    bench.pass(SECOND * 5).await;
    desk.log_in().unwrap();
    desk.set_owner(Owner::from(ANNA).described("desk \u{2014} \"Köln\""))
        .unwrap();
    assert_eq!(desk.owner().as_deref(), Some(ANNA));
    assert_eq!(desk.flush().await.unwrap(), Flushed::Renewed);

    let list = engine.sessions_of(ANNA).await.unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(list[0].description, "phone");
    assert_eq!(list[0].created, list[0].since);
    assert_eq!(Some(list[0].handle), phone.handle());
    assert_eq!(list[1].description, "desk \u{2014} \"Köln\"");
    let waited = list[1].since.duration_since(list[1].created).unwrap();
    assert_eq!(waited, SECOND * 5);
    assert_eq!(get(&bench.again(&desk).await, "basket"), Some(3));
    // Neither handle nor index gives anybody the session.
    for listed in &list {
        let handle = listed.handle.to_string();
        assert_eq!(
            handle.parse::<dancer_session::OwnedHandle>().unwrap(),
            listed.handle
        );
        assert!(engine.retrieve(&handle).await.unwrap().is_none());
    }
    assert!(engine.sessions_of("nobody").await.unwrap().is_empty());
}

/// The second click on "Log in", some time after the first one: both know the session by one handle.
async fn r29_a_handle_is_listed_once_also_after_two_log_ins_in_one_session(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = logged_in(&bench.engine, ANNA, "phone").await;
    let (first, second) = (bench.again(&session).await, bench.again(&session).await);
    bench.pass(SECOND).await;
    first.log_in().unwrap();
    first.set_owner(ANNA).unwrap();
    assert_eq!(first.flush().await.unwrap(), Flushed::Renewed);
    bench.pass(SECOND).await;
    // Another log-in stands between the two, in the order of time.
    logged_in(&bench.engine, ANNA, "desk").await;
    bench.pass(SECOND).await;
    second.log_in().unwrap();
    second.set_owner(ANNA).unwrap();
    assert_eq!(second.flush().await.unwrap(), Flushed::Created);
    assert_eq!(bench.engine.sessions_of(ANNA).await.unwrap().len(), 2);
    let handle = second.handle().unwrap();
    assert!(bench.engine.destroy_one(ANNA, handle).await.unwrap());
    assert!(!is_alive(&bench, &first).await && !is_alive(&bench, &second).await);
    assert_eq!(described(&bench.engine, ANNA).await, ["desk"]);
}

async fn r29_one_session_ends_by_its_handle(kind: Kind) {
    let bench = Bench::new(kind).await;
    let phone = logged_in(&bench.engine, ANNA, "phone").await;
    let desk = logged_in(&bench.engine, ANNA, "desk").await;
    let handle = phone.handle().unwrap();
    // Another owner's list has no such handle.
    assert!(!bench.engine.destroy_one("user:4", handle).await.unwrap());
    // As a page brings it back.
    let handle = handle.to_string().parse().unwrap();
    assert!(bench.engine.destroy_one(ANNA, handle).await.unwrap());
    assert!(!is_alive(&bench, &phone).await && is_alive(&bench, &desk).await);
    assert!(!bench.engine.destroy_one(ANNA, handle).await.unwrap());
    phone.set("late", 1).unwrap();
    assert_eq!(phone.flush().await.unwrap(), Flushed::Ended);
    assert_eq!(described(&bench.engine, ANNA).await, ["desk"]);
}

async fn r29_the_others_end_and_this_one_stays(kind: Kind) {
    let bench = Bench::new(kind).await;
    let first = logged_in(&bench.engine, ANNA, "first").await;
    let this = logged_in(&bench.engine, ANNA, "this").await;
    let last = logged_in(&bench.engine, ANNA, "last").await;
    let this = bench.again(&this).await;
    assert_eq!(bench.engine.destroy_others(&this).await.unwrap(), 2);
    assert!(is_alive(&bench, &this).await);
    assert!(!is_alive(&bench, &first).await && !is_alive(&bench, &last).await);
    let visitor = bench.session(&[]).await;
    let error = bench.engine.destroy_others(&visitor).await.unwrap_err();
    assert!(error.is_refused(), "{error}");
}

async fn r29_all_end_and_leave_no_line_in_the_index(kind: Kind) {
    let bench = Bench::new(kind).await;
    let mut sessions = Vec::new();
    for n in 0..3 {
        sessions.push(logged_in(&bench.engine, ANNA, &n.to_string()).await);
    }
    let ids: Vec<_> = sessions.iter().map(id).collect();
    let other = logged_in(&bench.engine, "user:4", "another's").await;
    // One has logged out by itself.
    sessions[0].destroy();
    assert_eq!(sessions[0].flush().await.unwrap(), Flushed::Destroyed);
    assert_eq!(bench.engine.destroy_all(ANNA).await.unwrap(), 2);
    for id in &ids {
        assert!(bench.find_id(id).await.is_none_or(|found| found.is_ended()));
    }
    assert!(is_alive(&bench, &other).await);
    let indexes = bench.indexes().await;
    assert_eq!(indexes.len(), 1, "{indexes:?}");
    assert_eq!(indexes[0].1.len(), 1);
    assert_eq!(bench.engine.destroy_all(ANNA).await.unwrap(), 0);
}

async fn r29_a_renew_keeps_the_owner_and_moves_its_line(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = logged_in(&bench.engine, ANNA, "phone").await;
    let (handle, line) = (session.handle(), bench.indexes().await.remove(0).1);
    session.renew();
    assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
    assert_eq!(
        (session.owner().as_deref(), session.handle()),
        (Some(ANNA), handle)
    );
    let (_, moved, left) = bench.indexes().await.remove(0);
    assert_eq!((line.len(), moved.len()), (1, 1));
    assert_ne!(line, moved);
    assert!(left.is_some(), "an index without an expiry");
    assert!(
        bench
            .engine
            .destroy_one(ANNA, handle.unwrap())
            .await
            .unwrap()
    );
    assert!(!is_alive(&bench, &session).await);
}

async fn r29_a_session_changes_hands(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = logged_in(&bench.engine, ANNA, "shared").await;
    session.set_owner("user:4").unwrap();
    session.renew();
    assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
    assert!(described(&bench.engine, ANNA).await.is_empty());
    assert_eq!(described(&bench.engine, "user:4").await, [""]);
    assert_eq!(bench.engine.destroy_all(ANNA).await.unwrap(), 0);
    assert!(is_alive(&bench, &session).await);
    // Nobody's again, and still a session.
    let session = bench.again(&session).await;
    session.remove_owner();
    assert_eq!(
        (session.owner(), session.flush().await.unwrap()),
        (None, Flushed::Stored)
    );
    assert_eq!(bench.engine.destroy_all("user:4").await.unwrap(), 0);
    assert!(is_alive(&bench, &session).await);
    assert!(bench.indexes().await.is_empty());
}

async fn r29_an_owner_alone_is_worth_a_session(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.engine.anonymous();
    session.set_owner(ANNA).unwrap();
    session.discard();
    assert_eq!(session.flush().await.unwrap(), Flushed::Unchanged);
    assert!(bench.all().await.is_empty() && bench.indexes().await.is_empty());
    session.set_owner(ANNA).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Created);
    assert_eq!(bench.again(&session).await.owner().as_deref(), Some(ANNA));
    // As a change to a stored one.
    let visitor = bench.session(&[]).await;
    visitor.set_owner("user:4").unwrap();
    assert_eq!(visitor.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(
        bench.again(&visitor).await.owner().as_deref(),
        Some("user:4")
    );
}

async fn r29_the_index_forgets_what_can_live_no_longer(kind: Kind) {
    let settings = Settings {
        expire: DAY,
        ..Settings::default()
    };
    let bench = Bench::with(kind, settings).await;
    logged_in(&bench.engine, ANNA, "old").await;
    bench.pass(DAY * 29).await;
    logged_in(&bench.engine, ANNA, "new").await;
    assert_eq!(bench.indexes().await[0].1.len(), 2);
    bench.pass(DAY + SECOND * 61).await;
    // Its own time has passed; that of the index goes on with the newer one. Redis tells the time of
    // single lines by a clock that no test turns.
    logged_in(&bench.engine, ANNA, "newest").await;
    assert_eq!(
        bench.indexes().await[0].1.len(),
        if kind.is_redis() { 3 } else { 2 }
    );
    bench.pass(DAY * 31).await;
    assert!(bench.indexes().await.is_empty());
    assert!(bench.engine.sessions_of(ANNA).await.unwrap().is_empty());
}

async fn r29_a_line_whose_session_is_absent_stays(kind: Kind) {
    let bench = Bench::new(kind).await;
    logged_in(&bench.engine, ANNA, "idle").await;
    bench.pass(bench.engine.settings().expire + SECOND).await;
    // For all that anybody knows here, its log-in may be under way.
    assert!(bench.engine.sessions_of(ANNA).await.unwrap().is_empty());
    assert_eq!(bench.engine.destroy_all(ANNA).await.unwrap(), 0);
    logged_in(&bench.engine, ANNA, "next").await;
    assert_eq!(bench.indexes().await[0].1.len(), 2);
    assert_eq!(described(&bench.engine, ANNA).await, ["next"]);
}

async fn r29_a_flush_of_others_keeps_the_owner(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("n", 1)]).await;
    let slow = bench.again(&session).await;
    session
        .set_owner(Owner::from(ANNA).described("phone"))
        .unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    // It has read the session when that was nobody's.
    slow.set("n", 2).unwrap();
    assert_eq!(slow.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(slow.owner().as_deref(), Some(ANNA));
    assert_eq!(described(&bench.engine, ANNA).await, ["phone"]);
    let again = bench.again(&session).await;
    assert_eq!(
        (get(&again, "n"), again.owner().as_deref()),
        (Some(2), Some(ANNA))
    );
}

async fn r16_an_owned_session_has_an_absolute_limit(kind: Kind) {
    let settings = Settings {
        expire: DAY,
        ..Settings::default()
    };
    let bench = Bench::with(kind, settings).await;
    let session = logged_in(&bench.engine, ANNA, "busy").await;
    let visitor = bench.session(&[("n", 1)]).await;
    for _ in 0..40 {
        bench.pass(DAY * 3 / 4).await;
        assert!(is_alive(&bench, &visitor).await);
        let _ = bench.find(&session).await;
    }
    // 30 days have gone by.
    assert!(!is_alive(&bench, &session).await);
    assert!(bench.engine.sessions_of(ANNA).await.unwrap().is_empty());
    // The visitor logs in, however long ago the visit began.
    let visitor = bench.again(&visitor).await;
    visitor.set_owner(ANNA).unwrap();
    assert_eq!(visitor.flush().await.unwrap(), Flushed::Stored);
    assert!(is_alive(&bench, &visitor).await);
}

fn at_most(most: usize, on_max_sessions: OnMaxSessions) -> Settings {
    Settings {
        max_sessions: Some(most),
        on_max_sessions,
        ..Settings::default()
    }
}

async fn the_oldest_makes_room(kind: Kind) {
    let bench = Bench::with(kind, at_most(2, OnMaxSessions::EndOldest)).await;
    let mut sessions = Vec::new();
    for n in 0..4 {
        sessions.push(logged_in(&bench.engine, ANNA, &n.to_string()).await);
        bench.pass(SECOND).await;
    }
    assert_eq!(described(&bench.engine, ANNA).await, ["2", "3"]);
    let alive = [false, false, true, true];
    for (session, alive) in sessions.iter().zip(alive) {
        assert_eq!(is_alive(&bench, session).await, alive);
    }
    // Another owner has room of its own, and an idle session takes none.
    logged_in(&bench.engine, "user:4", "another's").await;
    bench.pass(bench.engine.settings().expire + SECOND).await;
    logged_in(&bench.engine, ANNA, "4").await;
    let five = logged_in(&bench.engine, ANNA, "5").await;
    assert_eq!(described(&bench.engine, ANNA).await.len(), 2);
    assert!(is_alive(&bench, &five).await);
}

async fn a_log_in_too_many_is_refused_and_leaves_nothing(kind: Kind) {
    let bench = Bench::with(kind, at_most(1, OnMaxSessions::Refuse)).await;
    let first = logged_in(&bench.engine, ANNA, "first").await;
    let visitor = bench.session(&[("basket", 3)]).await;
    let before = id(&visitor);
    visitor.log_in().unwrap();
    visitor.set("user", 42).unwrap();
    visitor.set_owner(ANNA).unwrap();
    assert_eq!(visitor.flush().await.unwrap(), Flushed::TooMany);
    // It is the session that it was before, in the hand and in the store.
    assert_eq!(
        (id(&visitor), visitor.owner(), visitor.keys()),
        (before, None, vec!["basket".into()])
    );
    assert_eq!(bench.again(&visitor).await.keys(), ["basket"]);
    let nobody = bench.engine.anonymous();
    nobody.set_owner(ANNA).unwrap();
    assert_eq!(nobody.flush().await.unwrap(), Flushed::TooMany);
    assert!(nobody.id().is_none());
    assert_eq!(bench.indexes().await[0].1.len(), 1);
    assert_eq!(bench.all().await.len(), 2);
    // When the first has ended there is room.
    first.destroy();
    assert_eq!(first.flush().await.unwrap(), Flushed::Destroyed);
    visitor.set_owner(ANNA).unwrap();
    assert_eq!(visitor.flush().await.unwrap(), Flushed::Stored);
}

async fn a_log_in_again_in_one_session_is_not_one_more(kind: Kind) {
    let bench = Bench::with(kind, at_most(1, OnMaxSessions::Refuse)).await;
    let session = logged_in(&bench.engine, ANNA, "first").await;
    session.renew();
    assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
    let session = bench.again(&session).await;
    session.log_in().unwrap();
    session
        .set_owner(Owner::from(ANNA).described("again"))
        .unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
    assert_eq!(described(&bench.engine, ANNA).await, ["again"]);
    assert_eq!(bench.indexes().await[0].1.len(), 1);
}

async fn what_is_no_name_is_refused(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.engine.anonymous();
    for name in ["", &"a".repeat(256)] {
        assert!(session.set_owner(name).unwrap_err().is_refused());
    }
    let described = Owner::from("a".repeat(255)).described("b".repeat(256));
    assert!(session.set_owner(described).unwrap_err().is_refused());
    // Whatever else it is made of.
    let strange = "a:b\n*\0 \u{2603}";
    session.set_owner(strange).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Created);
    assert_eq!(bench.engine.destroy_all(strange).await.unwrap(), 1);
}
