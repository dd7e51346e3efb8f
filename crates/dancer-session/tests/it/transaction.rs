//! Long payloads are replaced in a transaction: who was faster loses nothing, what ended stays ended, and
//! where transactions are of no use, the script does it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dancer_session::{Flushed, Session, SessionEngine, Settings};
use redis::Commands as _;
use testbench::{RedisServer, Say, Substitute};

use crate::bench::{self, Kind, get, id};

struct Bench {
    substitute: Substitute,
    engine: SessionEngine,
    /// Another process.
    other: SessionEngine,
    server: RedisServer,
}

impl Bench {
    async fn new(timeout: Duration) -> Self {
        let server = RedisServer::start();
        let substitute = Substitute::of(&server).await;
        let settings = Settings {
            server: Some(substitute.url()),
            timeout,
            ..Settings::default()
        };
        let beside = Settings {
            sock: Some(server.sock().to_owned()),
            ..settings.clone()
        };
        let engine = SessionEngine::init(settings).await.unwrap();
        let other = SessionEngine::init(beside).await.unwrap();
        Self {
            substitute,
            engine,
            other,
            server,
        }
    }

    /// A long session, with a change that is not stored yet.
    async fn changed(&self) -> Session {
        let session = self.engine.create().await.unwrap();
        session.set("long", "x".repeat(20_000)).unwrap();
        session.set("n", 0).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        session
            .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
            .unwrap();
        let _ = self.substitute.asked();
        session
    }

    async fn stored(&self, session: &Session) -> Session {
        self.other.retrieve(&id(session)).await.unwrap().unwrap()
    }

    /// From now on nobody may do that.
    fn forbid(&self, right: &str) {
        let acl = redis::cmd("ACL")
            .arg(&["SETUSER", "default", right])
            .to_owned();
        let () = acl.query(&mut self.raw()).unwrap();
    }

    fn raw(&self) -> redis::Connection {
        let path = self.server.sock().display();
        let client = redis::Client::open(format!("unix://{path}")).unwrap();
        client.get_connection().unwrap()
    }

    /// What another process makes of the session, as it would be stored; it is as before afterwards.
    async fn made_by_other(&self, session: &Session, change: impl FnOnce(&Session)) -> Vec<u8> {
        let mut raw = self.raw();
        let key = self.server.scan().await.remove(0);
        let before: Vec<u8> = raw.get(&key).unwrap();
        let other = self.stored(session).await;
        change(&other);
        let _ = other.flush().await.unwrap();
        let after: Vec<u8> = raw.get(&key).unwrap();
        let () = raw.set_ex(&key, before, 900).unwrap();
        after
    }

    /// Has another process store this after the engine has read again, and before it stores.
    async fn be_faster(&self, payload: Option<Vec<u8>>) -> Arc<AtomicUsize> {
        let key = self.server.scan().await.remove(0);
        let path = format!("unix://{}", self.server.sock().display());
        let raced = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&raced);
        self.substitute.rule(move |command: &[String]| {
            if command[0] == "EXEC" && count.fetch_add(1, Ordering::SeqCst) == 0 {
                let client = redis::Client::open(path.as_str()).unwrap();
                let mut raw = client.get_connection().unwrap();
                let () = match &payload {
                    Some(payload) => raw.set_ex(&key, payload, 900).unwrap(),
                    None => raw.del(&key).unwrap(),
                };
            }
            Say::Pass
        });
        raced
    }
}

const LONG_ENOUGH: Duration = Duration::from_secs(20);
const CHANGE: [&str; 5] = ["WATCH", "GET", "MULTI", "SET", "EXEC"];

#[tokio::test]
async fn rule_4_7_a_long_session_is_changed_in_two_round_trips_without_a_script() {
    let expected = ["watch", "get", "multi", "set", "exec"].map(|name| (name.to_owned(), 1));
    for kind in [Kind::Redis, Kind::DancerInRedis, Kind::WithoutThreads] {
        let bench = bench::Bench::new(kind).await;
        let session = bench.session(&[]).await;
        session.set("long", "x".repeat(20_000)).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        let before = bench.server().commands().await;
        session.set("n", 1).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        let asked = bench.server().commands().await.since(&before);
        assert_eq!(*asked.as_map(), expected.clone().into(), "{kind:?}");
        assert_eq!(get(&bench.again(&session).await, "n"), Some(1));
    }
}

/// All use one connection, one after the other, and both with a time to live and without.
#[tokio::test]
async fn r14_what_is_set_in_a_transaction_ends_too() {
    let bench = Bench::new(LONG_ENOUGH).await;
    let session = bench.changed().await;
    let [with, without] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let counts = [Arc::clone(&with), Arc::clone(&without)];
    bench.substitute.rule(move |command: &[String]| {
        if command[0] == "SET" {
            let keeps = command.iter().any(|word| word == "KEEPTTL");
            counts[usize::from(keeps)].fetch_add(1, Ordering::SeqCst);
        }
        Say::Pass
    });
    for pause in [0, 0, 0, 0, 60, 60] {
        let again = bench.engine.retrieve(&id(&session)).await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let _ = bench.substitute.asked();
        again.set("n", pause).unwrap();
        assert_eq!(again.flush().await.unwrap(), Flushed::Stored);
        assert_eq!(bench.substitute.asked(), CHANGE);
        let key = bench.server.scan().await.remove(0);
        let left = bench.server.pttl(key).await;
        assert!((800_000..=900_000).contains(&left), "{left}");
    }
    assert_eq!(bench.substitute.connections(), 2);
    assert!(with.load(Ordering::SeqCst) >= 2, "after 60 ms");
    assert!(without.load(Ordering::SeqCst) >= 1, "at once");
}

/// The first words of what was asked; a script may have to be sent whole first.
fn words_without_eval(bench: &Bench) -> Vec<String> {
    let mut words = bench.substitute.asked();
    words.retain(|word| word != "EVAL");
    words
}

#[tokio::test]
async fn r12_what_was_there_before_the_transaction_is_kept() {
    let bench = Bench::new(LONG_ENOUGH).await;
    let session = bench.changed().await;
    let other = bench.stored(&session).await;
    other.set("theirs", 2).unwrap();
    assert_eq!(other.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    // What the server says over another connection than the shared one is not believed: the script asks.
    let first = ["WATCH", "GET", "MULTI", "EVALSHA", "DISCARD"];
    assert_eq!(
        words_without_eval(&bench),
        [&first[..], &CHANGE[..]].concat()
    );
    let both = bench.stored(&session).await;
    assert_eq!(get(&both, "n"), Some(1));
    assert_eq!(get(&both, "theirs"), Some(2));
}

#[tokio::test]
async fn r12_what_comes_into_the_transaction_is_kept() {
    let bench = Bench::new(LONG_ENOUGH).await;
    let session = bench.changed().await;
    let theirs = bench.made_by_other(&session, |other| {
        other
            .update("n", |n: Option<u64>| n.unwrap_or(0) + 10)
            .unwrap();
    });
    let theirs = theirs.await;
    let raced = bench.be_faster(Some(theirs)).await;
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert!(raced.load(Ordering::SeqCst) >= 1, "there was a race");
    assert_eq!(get(&bench.stored(&session).await, "n"), Some(11));
}

/// A read that extends the session is a change, too, to who watches it; there may be many.
#[tokio::test]
async fn a_read_that_comes_into_the_transaction_costs_a_try_and_no_script() {
    let bench = Bench::new(LONG_ENOUGH).await;
    let session = bench.changed().await;
    let key = bench.server.scan().await.remove(0);
    let path = format!("unix://{}", bench.server.sock().display());
    let touched = AtomicUsize::new(0);
    bench.substitute.rule(move |command: &[String]| {
        if command[0] == "EXEC" && touched.fetch_add(1, Ordering::SeqCst) == 0 {
            let client = redis::Client::open(path.as_str()).unwrap();
            let mut raw = client.get_connection().unwrap();
            let () = raw.pexpire(&key, 900_000).unwrap();
        }
        Say::Pass
    });
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(bench.substitute.asked(), [CHANGE, CHANGE].concat());
}

#[tokio::test]
async fn r10_a_log_out_that_comes_into_the_transaction_stands() {
    for known in [true, false] {
        let bench = Bench::new(LONG_ENOUGH).await;
        let session = bench.changed().await;
        let ended = bench.made_by_other(&session, Session::destroy).await;
        let raced = bench.be_faster(known.then_some(ended)).await;
        assert_eq!(session.flush().await.unwrap(), Flushed::Ended);
        assert_eq!(raced.load(Ordering::SeqCst), 1, "there was a race");
        let there = bench.other.retrieve(&id(&session)).await.unwrap();
        assert!(there.is_none_or(|there| there.is_ended()));
    }
}

#[tokio::test]
async fn r10_what_is_gone_is_not_stored_again_in_a_transaction() {
    let bench = Bench::new(LONG_ENOUGH).await;
    let session = bench.changed().await;
    let () = redis::cmd("FLUSHALL").query(&mut bench.raw()).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Ended);
    assert_eq!(bench.server.scan().await.len(), 0);
}

#[tokio::test]
async fn r36_a_transaction_without_a_reply_is_found_out() {
    let bench = Bench::new(LONG_ENOUGH).await;
    let session = bench.changed().await;
    let lost = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lost);
    bench.substitute.rule(move |command: &[String]| {
        match command[0] == "EXEC" && count.fetch_add(1, Ordering::SeqCst) == 0 {
            true => Say::Lost(vec!["EXEC".into()]),
            false => Say::Pass,
        }
    });
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert!(lost.load(Ordering::SeqCst) >= 1, "an answer was lost");
    assert_eq!(get(&bench.stored(&session).await, "n"), Some(1));
}

/// Nothing that was to be part of a transaction is sent to a server that opens none, and none is asked
/// for it twice.
#[tokio::test]
async fn r31_without_the_right_to_transactions_the_script_does_it() {
    for (missing, first) in [
        ("-watch", &["WATCH", "GET", "MULTI", "EVALSHA"][..]),
        ("-multi", &["WATCH", "GET", "MULTI", "EVALSHA"]),
        (
            "-exec",
            &["WATCH", "GET", "MULTI", "SET", "EXEC", "EVALSHA"],
        ),
    ] {
        let bench = Bench::new(LONG_ENOUGH).await;
        let session = bench.changed().await;
        bench.forbid(missing);
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        assert_eq!(words_without_eval(&bench), first, "{missing}");
        session.set("n", 2).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        assert_eq!(bench.substitute.asked(), ["EVALSHA"], "{missing}");
        assert_eq!(get(&bench.stored(&session).await, "n"), Some(2));
    }
}

/// Of that right, the engine learns when it begins another transaction.
#[tokio::test]
async fn r31_without_the_right_to_discard_the_script_does_it() {
    let bench = Bench::new(LONG_ENOUGH).await;
    let session = bench.changed().await;
    bench.forbid("-discard");
    let other = bench.stored(&session).await;
    other.set("theirs", 2).unwrap();
    assert_eq!(other.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let first = ["WATCH", "GET", "MULTI", "EVALSHA", "DISCARD"];
    let second = ["WATCH", "GET", "MULTI", "EVALSHA"];
    let words = words_without_eval(&bench);
    assert_eq!(words, [&first[..], &second[..]].concat());
    session.set("n", 2).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(bench.substitute.asked(), ["EVALSHA"]);
}

/// Eight at a time have a connection, each its own; who comes then does not wait for long. They are kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_sessions_share_eight_further_connections() {
    let bench = Bench::new(LONG_ENOUGH).await;
    let mut sessions = Vec::new();
    for _ in 0..10 {
        sessions.push(bench.changed().await);
    }
    let hold = || {
        bench.substitute.rule(|command| match command[0].as_str() {
            "EXEC" => Say::After(Duration::from_secs(3)),
            _ => Say::Pass,
        });
    };
    for round in 1..3 {
        bench.substitute.rule(|_| Say::Pass);
        for session in &sessions {
            session.set("n", round).unwrap();
        }
        let _ = bench.substitute.asked();
        hold();
        let mut words: Vec<String> = Vec::new();
        let mut flushes = Vec::new();
        for session in sessions.clone() {
            flushes.push(tokio::spawn(async move { session.flush().await }));
            // One after the other: while one connects, others do without.
            let begun = ["EXEC", "EVALSHA"];
            while words
                .iter()
                .filter(|word| begun.contains(&&***word))
                .count()
                < flushes.len()
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
                words.extend(bench.substitute.asked());
            }
        }
        for flush in flushes {
            assert_eq!(flush.await.unwrap().unwrap(), Flushed::Stored);
        }
        let count = |word: &str| words.iter().filter(|there| *there == word).count();
        assert_eq!(count("EXEC"), 8, "{words:?}");
        assert_eq!(count("EVALSHA"), 2, "{words:?}");
        assert_eq!(bench.substitute.connections(), 1 + 8, "round {round}");
    }
    for session in &sessions {
        assert_eq!(get(&bench.stored(session).await, "n"), Some(2));
    }
}

/// Whoever goes away in the middle leaves no connection behind that somebody else could stumble over.
#[tokio::test]
async fn r12_a_flush_that_is_dropped_disturbs_no_other() {
    for word in ["WATCH", "MULTI", "SET", "EXEC"] {
        let bench = Bench::new(LONG_ENOUGH).await;
        let (session, another) = (bench.changed().await, bench.changed().await);
        let _ = bench.substitute.asked();
        bench
            .substitute
            .rule(move |command| match command[0] == word {
                true => Say::After(Duration::from_millis(100)),
                false => Say::Pass,
            });
        let dropped = tokio::spawn(async move { session.flush().await });
        while !bench.substitute.asked().iter().any(|asked| asked == word) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        dropped.abort();
        assert!(dropped.await.is_err_and(|end| end.is_cancelled()), "{word}");
        bench.substitute.rule(|_| Say::Pass);
        for _ in 0..3 {
            another
                .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
                .unwrap();
            assert_eq!(another.flush().await.unwrap(), Flushed::Stored);
        }
        assert_eq!(get(&bench.stored(&another).await, "n"), Some(4), "{word}");
    }
}

/// An answer that nobody knows is not met again at each further try.
#[tokio::test]
async fn r36_a_server_that_does_not_know_exec_gets_the_script() {
    let bench = Bench::new(LONG_ENOUGH).await;
    let session = bench.changed().await;
    bench.substitute.rule(|command| match command[0] == "EXEC" {
        true => Say::Line("-ERR unknown command 'EXEC'".into()),
        false => Say::Pass,
    });
    session.set("m", 1).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(get(&bench.stored(&session).await, "n"), Some(1));
    let words = bench.substitute.asked();
    assert_eq!(words.iter().filter(|word| *word == "EXEC").count(), 1);
}

#[tokio::test]
async fn r36_a_transaction_that_says_nothing_is_reported_as_unknown() {
    let bench = Bench::new(Duration::from_secs(3)).await;
    let session = bench.changed().await;
    bench.substitute.rule(|command| match command[0] == "EXEC" {
        true => Say::Nothing,
        false => Say::Pass,
    });
    let error = session.flush().await.unwrap_err();
    assert!(error.is_unknown(), "{error}");
}

/// The connection is dead, or nothing is heard on it: the shared one serves, within the deadline.
#[tokio::test]
async fn r34_without_a_connection_for_a_transaction_the_script_does_it() {
    for says in [Say::HangUp, Say::Nothing] {
        for word in ["WATCH", "MULTI"] {
            let bench = Bench::new(Duration::from_secs(4)).await;
            let session = bench.changed().await;
            let said = says.clone();
            bench
                .substitute
                .rule(move |command: &[String]| match command[0] == word {
                    true => said.clone(),
                    false => Say::Pass,
                });
            assert_eq!(session.flush().await.unwrap(), Flushed::Stored, "{says:?}");
            assert_eq!(get(&bench.stored(&session).await, "n"), Some(1));
        }
    }
}

/// No further connection is to be had: one attempt in a second, and the script stores.
#[tokio::test]
async fn r32_a_connection_that_can_not_be_had_is_not_asked_for_each_time() {
    let bench = Bench::new(LONG_ENOUGH).await;
    let session = bench.engine.create().await.unwrap();
    let most = ["CONFIG", "SET", "maxclients"];
    let most = redis::cmd(most[0]).arg(&most[1..]).arg(1).to_owned();
    let () = most.query(&mut bench.raw()).unwrap();
    session.set("long", "x".repeat(20_000)).unwrap();
    let before = bench.substitute.connections();
    for n in 0..5 {
        session.set("n", n).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    }
    // On a machine that stands still for a second, two.
    let tried = bench.substitute.connections() - before;
    assert!((1..=2).contains(&tried), "{tried}");
}

/// The server that is full says so, and what it refuses is not half stored.
#[tokio::test]
async fn a_full_server_refuses_a_long_session_as_it_does_a_short_one() {
    let bench = Bench::new(LONG_ENOUGH).await;
    let session = bench.changed().await;
    let full = redis::cmd("CONFIG")
        .arg("SET")
        .arg("maxmemory")
        .arg(1)
        .to_owned();
    let () = full.query(&mut bench.raw()).unwrap();
    let refused = session.flush().await.unwrap_err();
    assert!(refused.to_string().contains("OOM"), "{refused}");
    let room = redis::cmd("CONFIG")
        .arg("SET")
        .arg("maxmemory")
        .arg(0)
        .to_owned();
    let () = room.query(&mut bench.raw()).unwrap();
    assert_eq!(get(&bench.stored(&session).await, "n"), Some(0));
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(get(&bench.stored(&session).await, "n"), Some(1));
}

/// Fifty at once from two processes, and none is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_parallel_changes_of_a_long_session_lose_nothing() {
    let bench = Bench::new(LONG_ENOUGH).await;
    let session = bench.changed().await;
    let mut changes = Vec::new();
    for engine in [&bench.engine, &bench.other].repeat(25) {
        let (engine, id) = (engine.clone(), id(&session));
        changes.push(tokio::spawn(async move {
            let session = engine.retrieve(&id).await.unwrap().unwrap();
            session
                .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
                .unwrap();
            assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        }));
    }
    for change in changes {
        change.await.unwrap();
    }
    assert_eq!(get(&bench.stored(&session).await, "n"), Some(50));
}
