//! What a request may cost (rule 4.7), as the server counts it. Commands inside a script count too:
//! a flush is one `evalsha`, and in it one `get` and one `set`.

use std::time::Duration;

use dancer_session::{Flushed, Session, Settings};
use testbench::Commands;

use crate::bench::{Bench, Kind, id};

const TIMES: u64 = 1_000;

/// What the server did while `work` ran for each of a thousand sessions.
async fn spent<F: Future<Output = ()>>(bench: &Bench, work: impl Fn(Session) -> F) -> Commands {
    let mut sessions = Vec::new();
    for n in 0..TIMES {
        sessions.push(bench.session(&[("a", n)]).await);
    }
    // The server learns a script when it is first used.
    work(bench.session(&[("a", 0)]).await).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = bench.server().commands().await;
    for session in sessions {
        work(session).await;
    }
    // What nobody waits for has to arrive as well.
    tokio::time::sleep(Duration::from_millis(50)).await;
    bench.server().commands().await.since(&before)
}

async fn check<F: Future<Output = ()>>(
    settings: Settings,
    expected: &[(&str, u64)],
    work: impl Fn(dancer_session::SessionEngine, Session) -> F,
) {
    check_in(Kind::Redis, settings, expected, work).await;
}

async fn check_in<F: Future<Output = ()>>(
    kind: Kind,
    settings: Settings,
    expected: &[(&str, u64)],
    work: impl Fn(dancer_session::SessionEngine, Session) -> F,
) {
    let bench = Bench::with(kind, settings).await;
    let engine = bench.engine.clone();
    let spent = spent(&bench, |session| work(engine.clone(), session)).await;
    let expected = expected
        .iter()
        .map(|(name, each)| ((*name).to_owned(), each * TIMES));
    assert_eq!(spent.as_map(), &expected.collect());
}

#[tokio::test]
async fn rule_4_7_a_request_without_its_session_costs_nothing() {
    check(Settings::default(), &[], |engine, _| async move {
        let visitor = engine.anonymous();
        assert_eq!(visitor.flush().await.unwrap(), Flushed::Unchanged);
    })
    .await;
}

#[tokio::test]
async fn rule_4_7_a_read_costs_one() {
    check(
        Settings::default(),
        &[("getex", 1)],
        |engine, session| async move {
            let again = engine.retrieve(&id(&session)).await.unwrap().unwrap();
            assert!(again.contains("a"));
            assert_eq!(again.flush().await.unwrap(), Flushed::Unchanged);
        },
    )
    .await;
}

#[tokio::test]
async fn rule_4_7_a_read_and_a_change_cost_two() {
    let expected = [("getex", 1), ("evalsha", 1), ("get", 1), ("set", 1)];
    check(
        Settings::default(),
        &expected,
        |engine, session| async move {
            let again = engine.retrieve(&id(&session)).await.unwrap().unwrap();
            again.set("b", 1).unwrap();
            again
                .update("a", |a: Option<u64>| a.unwrap_or(0) + 1)
                .unwrap();
            again.remove("c");
            assert_eq!(again.flush().await.unwrap(), Flushed::Stored);
        },
    )
    .await;
}

#[tokio::test]
async fn rule_4_7_a_new_session_costs_one() {
    check(Settings::default(), &[("set", 1)], |engine, _| async move {
        let visitor = engine.anonymous();
        visitor.set("a", 1).unwrap();
        assert_eq!(visitor.flush().await.unwrap(), Flushed::Created);
    })
    .await;
}

#[tokio::test]
async fn rule_4_7_a_renew_with_changes_costs_one() {
    let expected = [("evalsha", 1), ("get", 1), ("set", 2)];
    check(Settings::default(), &expected, |_, session| async move {
        session.set("user", 1).unwrap();
        session.renew();
        assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
    })
    .await;
}

#[tokio::test]
async fn rule_4_7_a_destroy_costs_one() {
    let script = [("evalsha", 1), ("get", 1), ("set", 1)];
    check(Settings::default(), &script, |_, session| async move {
        session.destroy();
        assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
    })
    .await;
}

#[tokio::test]
async fn rule_4_7_with_an_interval_a_read_costs_one_round_trip_of_two_reads() {
    let settings = Settings {
        touch_interval: Duration::from_secs(60),
        ..Settings::default()
    };
    check(
        settings,
        &[("get", 1), ("pttl", 1)],
        |engine, session| async move {
            assert!(engine.retrieve(&id(&session)).await.unwrap().is_some());
        },
    )
    .await;
}

/// The deadline is set back by a command that nobody waits for.
#[tokio::test]
async fn rule_4_7_near_the_absolute_limit_a_read_costs_one_and_one_on_the_side() {
    let settings = Settings {
        lifetime: Some(Duration::from_secs(901)),
        ..Settings::default()
    };
    let bench = Bench::with(Kind::Redis, settings).await;
    let session = bench.session(&[("a", 1)]).await;
    bench.pass(Duration::from_secs(2)).await;
    let before = bench.server().commands().await;
    for _ in 0..TIMES {
        let _ = bench.again(&session).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let spent = bench.server().commands().await.since(&before);
    assert_eq!(
        spent,
        Commands::from([("getex", TIMES), ("pexpire", TIMES)])
    );
}

/// In the Dancer layout a read may not touch what it has not proved: one `GET`, and an expiry that
/// nobody waits for.
#[tokio::test]
async fn rule_4_7_the_dancer_layout_costs_a_touch_more() {
    let kind = Kind::DancerInRedis;
    let settings = Settings::default;
    let read = [("get", 1), ("pexpire", 1)];
    check_in(kind, settings(), &read, |engine, session| async move {
        let again = engine.retrieve(&id(&session)).await.unwrap().unwrap();
        assert!(again.contains("a"));
        assert_eq!(again.flush().await.unwrap(), Flushed::Unchanged);
    })
    .await;
    // The script has a `get` and a `set` of its own.
    let change = [("get", 2), ("pexpire", 1), ("evalsha", 1), ("set", 1)];
    check_in(kind, settings(), &change, |engine, session| async move {
        let again = engine.retrieve(&id(&session)).await.unwrap().unwrap();
        again.set("b", 1).unwrap();
        again.remove("a");
        assert_eq!(again.flush().await.unwrap(), Flushed::Stored);
    })
    .await;
    check_in(kind, settings(), &[("set", 1)], |engine, _| async move {
        let visitor = engine.anonymous();
        visitor.set("a", 1).unwrap();
        assert_eq!(visitor.flush().await.unwrap(), Flushed::Created);
    })
    .await;
    let destroy = [("evalsha", 1), ("get", 1), ("set", 1)];
    check_in(kind, settings(), &destroy, |_, session| async move {
        session.destroy();
        assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
    })
    .await;
    let renew = [("evalsha", 1), ("get", 1), ("set", 2)];
    check_in(kind, settings(), &renew, |_, session| async move {
        session.renew();
        assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
    })
    .await;
    // A malformed id nothing, an unknown one a look.
    check_in(kind, settings(), &[("get", 1)], |engine, _| async move {
        assert!(engine.retrieve("1").await.unwrap().is_none());
        let unknown = "9".repeat(40);
        assert!(engine.retrieve(&unknown).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn rule_4_7_a_log_in_with_an_owner_costs_one_more() {
    let expected = [
        // The script of the index, and in it these five; then the session.
        ("evalsha", 2),
        ("time", 1),
        ("zremrangebyscore", 1),
        ("zadd", 1),
        ("pttl", 1),
        ("zcard", 1),
        ("pexpire", 1),
        ("get", 1),
        ("set", 2),
    ];
    let owner = std::sync::atomic::AtomicU64::new(0);
    let owner = &owner;
    check(Settings::default(), &expected, |_, session| async move {
        let number = owner.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        session.log_in().unwrap();
        session.set_owner(number.to_string()).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
    })
    .await;
}

#[tokio::test]
async fn rule_4_7_an_owned_session_is_read_and_changed_like_any_other() {
    let expected = [
        // Once to get the owner, once to be changed.
        ("evalsha", 3),
        ("get", 2),
        ("set", 2),
        ("getex", 1),
        // The index, for the owner alone.
        ("time", 1),
        ("zremrangebyscore", 1),
        ("zadd", 1),
        ("pttl", 1),
        ("zcard", 1),
        ("pexpire", 1),
    ];
    let owner = std::sync::atomic::AtomicU64::new(0);
    let owner = &owner;
    check(
        Settings::default(),
        &expected,
        |engine, session| async move {
            let number = owner.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            session.set_owner(number.to_string()).unwrap();
            let _ = session.flush().await.unwrap();
            let again = engine.retrieve(&id(&session)).await.unwrap().unwrap();
            again.set("a", 1).unwrap();
            let _ = again.flush().await.unwrap();
        },
    )
    .await;
}

#[tokio::test]
async fn rule_4_7_a_list_costs_two_and_an_end_one_more_for_each() {
    let bench = Bench::new(Kind::Redis).await;
    for _ in 0..5 {
        let session = bench.engine.anonymous();
        session.set_owner("user:42").unwrap();
        let _ = session.flush().await.unwrap();
    }
    let before = bench.server().commands().await;
    assert_eq!(bench.engine.sessions_of("user:42").await.unwrap().len(), 5);
    let listed = bench.server().commands().await.since(&before);
    let expected = [("zrange", 1), ("mget", 1)];
    let expected = expected.map(|(name, times)| (name.to_owned(), times));
    assert_eq!(listed.as_map(), &expected.into_iter().collect());
    let before = bench.server().commands().await;
    assert_eq!(bench.engine.destroy_all("user:42").await.unwrap(), 5);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let ended = bench.server().commands().await.since(&before);
    // The first script of a kind goes whole, once.
    let scripts = ["evalsha", "eval"].map(|name| ended.as_map().get(name).copied().unwrap_or(0));
    assert_eq!(scripts[0], 5);
    assert!(scripts[1] <= 1);
    assert_eq!(ended.as_map()["zrem"], 5);
    assert_eq!((ended.as_map()["zrange"], ended.as_map()["mget"]), (1, 1));
}
