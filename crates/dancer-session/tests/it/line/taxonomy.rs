//! Every error of the server's, at every step (R35): what is reported, and what was done about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dancer_session::{Error, Session, SessionEngine, Settings};
use testbench::{RedisServer, Say, Substitute};

use super::init;
use crate::bench::id;

/// What is done about a fault that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// The same command, over the same connection.
    Again,
    /// The same command, over others.
    Elsewhere,
    /// `EVAL`, once.
    Whole,
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    NotApplied,
    Misconfigured,
    Unreadable,
    Unknown,
}

use Class::{Misconfigured, NotApplied, Unknown, Unreadable};
use Done::{Again, Elsewhere, Nothing, Whole};

/// An error, how the engine reports it, what it does, and whether reading goes on.
#[rustfmt::skip]
const ERRORS: &[(&str, Class, Done, bool)] = &[
    ("READONLY You can't write against a read only replica.", NotApplied, Elsewhere, true),
    ("MASTERDOWN Link with MASTER is down", NotApplied, Elsewhere, false),
    ("MOVED 866 127.0.0.1:1", NotApplied, Elsewhere, false),
    ("ASK 866 127.0.0.1:1", NotApplied, Elsewhere, false),
    ("TRYAGAIN Multiple keys request during rehashing of slot", NotApplied, Again, false),
    ("CLUSTERDOWN The cluster is down", NotApplied, Again, false),
    ("LOADING Redis is loading the dataset in memory", NotApplied, Again, false),
    ("BUSY Redis is busy running a script", NotApplied, Again, false),
    ("NOREPLICAS Not enough good replicas to write.", NotApplied, Nothing, true),
    ("MISCONF Redis is configured to save RDB snapshots", NotApplied, Nothing, true),
    ("OOM command not allowed when used memory > 'maxmemory'.", NotApplied, Nothing, true),
    ("NOAUTH Authentication required.", Misconfigured, Elsewhere, false),
    ("WRONGPASS invalid username-password pair", Misconfigured, Elsewhere, false),
    ("NOPERM this user has no permissions", Misconfigured, Nothing, true),
    ("WRONGTYPE Operation against a key", Unreadable, Nothing, false),
    ("EXECABORT Transaction discarded", NotApplied, Nothing, false),
    ("CROSSSLOT Keys in request don't hash to the same slot", NotApplied, Nothing, false),
    ("ERR upstream failure", Unknown, Again, false),
    ("PROXYERR no backend", Unknown, Again, false),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Create,
    Retrieve,
    Flush,
    Renew,
    Destroy,
}

const STEPS: [Step; 5] = [
    Step::Create,
    Step::Retrieve,
    Step::Flush,
    Step::Renew,
    Step::Destroy,
];

impl Step {
    /// The command it begins with.
    fn word(self) -> &'static str {
        match self {
            Self::Create => "SET",
            Self::Retrieve => "GETEX",
            Self::Flush | Self::Renew | Self::Destroy => "EVALSHA",
        }
    }

    async fn take(self, engine: &SessionEngine, session: &Session) -> Result<(), Error> {
        match self {
            Self::Create => engine.create().await.map(drop),
            Self::Retrieve => engine.retrieve(&id(session)).await.map(|found| {
                assert!(found.is_some(), "a fault is never a missing session");
            }),
            Self::Flush => {
                let add = |n: Option<u64>| n.unwrap_or(0) + 1;
                session.update("n", add).unwrap();
                session.flush().await.map(drop)
            }
            Self::Renew => {
                session.renew();
                session.flush().await.map(drop)
            }
            Self::Destroy => {
                session.destroy();
                session.flush().await.map(drop)
            }
        }
    }
}

/// A server, what stands in its place, an engine on that, and one on the server itself.
struct Bench {
    substitute: Substitute,
    engine: SessionEngine,
    direct: SessionEngine,
    _server: RedisServer,
}

impl Bench {
    async fn new(timeout: Duration) -> Self {
        let server = RedisServer::start();
        let substitute = Substitute::of(&server).await;
        let behind = Settings {
            server: Some(substitute.url()),
            timeout: Duration::from_secs(20),
            ..Settings::default()
        };
        let beside = Settings {
            sock: Some(server.sock().to_owned()),
            ..behind.clone()
        };
        let short = Settings { timeout, ..behind };
        let bench = Self {
            engine: init(short).await.unwrap(),
            direct: init(beside).await.unwrap(),
            substitute,
            _server: server,
        };
        // The server learns its scripts.
        let session = bench.direct.create().await.unwrap();
        for step in [Step::Flush, Step::Renew] {
            step.take(&bench.direct, &session).await.unwrap();
        }
        bench
    }

    /// A session in the hand of the engine under test.
    async fn session(&self) -> Session {
        let session = self.direct.create().await.unwrap();
        let found = self.engine.retrieve(&id(&session)).await;
        found.unwrap().unwrap()
    }

    /// Has the first `times` of these commands answered by `say`.
    fn answer(&self, word: &'static str, times: usize, say: Say) {
        let left = AtomicUsize::new(times);
        let less = |left: usize| left.checked_sub(1);
        self.substitute.rule(move |command| {
            let hit = command[0].starts_with(word)
                && left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
                    .is_ok();
            if hit { say.clone() } else { Say::Pass }
        });
        let _ = self.substitute.asked();
    }
}

fn class(error: &Error) -> Class {
    match error {
        error if error.is_unreadable() => Unreadable,
        error if error.is_misconfigured() => Misconfigured,
        error if error.is_unknown() => Unknown,
        error => {
            assert!(error.is_unavailable(), "{error}");
            NotApplied
        }
    }
}

const SHORT: Duration = Duration::from_millis(250);

/// An error that stays: what is reported, how often it was tried, over how many connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r35_an_error_that_stays_is_reported_as_what_it_is() {
    let bench = Bench::new(SHORT).await;
    let mut cut = 0;
    for &(error, reported, done, reading_goes_on) in ERRORS {
        for step in STEPS {
            let what = format!("{error} at {step:?}");
            let session = bench.session().await;
            // Connections are not replaced more often.
            if done == Elsewhere {
                tokio::time::sleep(Duration::from_millis(110)).await;
            }
            bench.answer(step.word(), usize::MAX, Say::Line(format!("-{error}")));
            let connections = bench.substitute.connections();
            let outcome = step.take(&bench.engine, &session).await;
            let connections = bench.substitute.connections() - connections;
            let asked = bench.substitute.asked();
            let tries = asked.iter().filter(|word| **word == step.word()).count();
            session.discard();
            bench.answer("none", 0, Say::Pass);

            if step == Step::Retrieve && reading_goes_on {
                assert!(outcome.is_ok(), "{what}: {outcome:?}");
                assert!(asked.contains(&"GET".to_owned()), "{what}: {asked:?}");
                assert!((1..=2).contains(&tries), "{what}: {asked:?}");
                continue;
            }
            if step == Step::Destroy && error.starts_with("OOM") {
                // Ending makes room.
                assert!(outcome.is_ok(), "{what}: {outcome:?}");
                assert_eq!(asked[..4], ["EVALSHA", "GET", "PTTL", "PEXPIRE"], "{what}");
                continue;
            }
            let failed = outcome.expect_err(&what);
            if matches!(done, Again | Elsewhere) && failed.to_string().contains("no reply in time")
            {
                // A loaded machine was too slow for the last try, and that is what was reported.
                cut += 1;
                continue;
            }
            let outcome = class(&failed);
            // A read that failed has certainly changed nothing.
            let expected = match (reported, step) {
                (Unknown, Step::Retrieve) => NotApplied,
                (reported, _) => reported,
            };
            assert_eq!(outcome, expected, "{what}");
            let bound = 20;
            match (done, step) {
                (Nothing, _) | (Again, Step::Retrieve)
                    if reported == Unknown || done == Nothing =>
                {
                    assert_eq!((tries, connections), (1, 0), "{what}: {asked:?}");
                }
                (Again, _) => {
                    assert!((2..bound).contains(&tries), "{what}: {asked:?}");
                    assert_eq!(connections, 0, "{what}");
                }
                (Elsewhere, _) => {
                    assert!((2..bound).contains(&tries), "{what}: {asked:?}");
                    // At most ten a second.
                    assert!((1..=5).contains(&connections), "{what}: {connections}");
                }
                (Whole | Nothing, _) => unreachable!("not in the table"),
            }
        }
    }
    assert!(cut < 20, "{cut} of some sixty were cut by the deadline");
}

/// An error that is gone at the second try costs the caller nothing, if it was worth one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r35_an_error_that_passes_costs_no_error() {
    let bench = Bench::new(Duration::from_secs(20)).await;
    let noscript = ("NOSCRIPT No matching script.", NotApplied, Whole, false);
    for &(error, _, done, _) in ERRORS.iter().chain([&noscript]) {
        for step in STEPS {
            if done == Nothing || (done == Whole && step.word() != "EVALSHA") {
                continue;
            }
            // Whether reading again is worth it nobody knows.
            if step == Step::Retrieve && (error.starts_with("ERR") || error.starts_with("PROXY")) {
                continue;
            }
            let what = format!("{error} at {step:?}");
            let session = bench.session().await;
            // Connections are not replaced more often.
            if done == Elsewhere {
                tokio::time::sleep(Duration::from_millis(110)).await;
            }
            bench.answer(step.word(), 1, Say::Line(format!("-{error}")));
            let connections = bench.substitute.connections();
            let outcome = step.take(&bench.engine, &session).await;
            assert!(outcome.is_ok(), "{what}: {outcome:?}");
            let connections = bench.substitute.connections() - connections;
            assert_eq!(connections, usize::from(done == Elsewhere), "{what}");
            let again = match done {
                Whole => "EVAL",
                _ => step.word(),
            };
            let asked = bench.substitute.asked();
            assert_eq!(asked, [step.word(), again], "{what}");
            if step == Step::Flush {
                let stored = bench.direct.retrieve(&id(&session)).await.unwrap().unwrap();
                assert_eq!(stored.get::<u64>("n").unwrap(), Some(1), "{what}: once");
            }
        }
    }
}

/// A connection that breaks, and a server that says nothing, at every step.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r35_what_the_network_does_to_a_command_is_unknown_or_not_applied() {
    for say in [Say::HangUp, Say::Nothing, Say::Line("$4\r\nwhat".into())] {
        for step in STEPS {
            // One each: what an outage has left behind is another test.
            let bench = Bench::new(SHORT).await;
            let what = format!("{say:?} at {step:?}");
            let session = bench.session().await;
            bench.answer(step.word(), usize::MAX, say.clone());
            let outcome = step.take(&bench.engine, &session).await;
            let asked = bench.substitute.asked().len();
            session.discard();
            let error = match (outcome, &say, step) {
                // A payload, to all that these steps know: nobody's.
                (Err(error), Say::Line(_), Step::Retrieve | Step::Flush | Step::Renew) => {
                    assert!(error.is_unreadable(), "{what}: {error}");
                    continue;
                }
                // Each time it is told that something else is there, until the deadline; if that
                // comes before the reply to the last try, nobody knows what became of the last one.
                (Err(error), Say::Line(_), Step::Destroy) => {
                    let late = error.to_string().ends_with("no reply in time");
                    let expected = if late { Unknown } else { NotApplied };
                    assert_eq!(class(&error), expected, "{what}: {error}");
                    continue;
                }
                (Ok(()), ..) => panic!("{what}"),
                (Err(error), ..) => error,
            };
            let expected = match step {
                Step::Retrieve => NotApplied,
                _ => Unknown,
            };
            assert_eq!(class(&error), expected, "{what}: {error}");
            assert!((1..30).contains(&asked), "{what}: {asked}");
        }
    }
}

/// Errors that a new connection meets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r35_a_connection_that_is_refused_has_applied_nothing() {
    let table = [
        ("LOADING Redis is loading the dataset in memory", NotApplied),
        ("MASTERDOWN Link with MASTER is down", NotApplied),
        ("ERR max number of clients reached", NotApplied),
        ("NOAUTH Authentication required.", Misconfigured),
        ("NOPERM this user has no permissions", Misconfigured),
    ];
    for (error, expected) in table {
        let bench = Bench::new(Duration::from_millis(400)).await;
        let session = bench.session().await;
        let id = id(&session);
        bench.answer("", usize::MAX, Say::HangUp);
        assert!(bench.engine.retrieve(&id).await.is_err());
        bench.answer("PING", usize::MAX, Say::Line(format!("-{error}")));
        let before = bench.substitute.connections();
        // The circuit may have to find out first what has changed.
        let mut last = None;
        for _ in 0..40 {
            let error = bench.engine.retrieve(&id).await.unwrap_err();
            let right = class(&error) == expected;
            last = Some(error);
            if right && expected == Misconfigured {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        let last = last.unwrap();
        assert_eq!(class(&last), expected, "{error}: {last}");
        let attempts = bench.substitute.connections() - before;
        assert!(attempts < 40, "{error}: {attempts} attempts");
        bench.answer("none", 0, Say::Pass);
        let mut again = bench.engine.retrieve(&id).await;
        for _ in 0..100 {
            if again.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
            again = bench.engine.retrieve(&id).await;
        }
        assert!(again.unwrap().is_some(), "{error}: it recovers");
    }
}

/// Permissions that are gone: told once, not with every request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f18_a_configuration_error_is_told_once_a_minute() {
    let bench = Bench::new(Duration::from_secs(20)).await;
    let session = bench.session().await;
    bench.answer("EVALSHA", usize::MAX, Say::Line("-NOPERM not you".into()));
    bench.answer("GETEX", usize::MAX, Say::Line("-NOPERM not you".into()));
    let events = crate::told::Events::default();
    let told = Arc::clone(&events.0);
    let guard = events.listen();
    for _ in 0..50 {
        let found = bench.engine.retrieve(&id(&session)).await;
        assert!(found.unwrap().is_some());
    }
    drop(guard);
    let told = told.lock().unwrap().clone();
    let of = |event: &str| told.iter().filter(|line| line.contains(event)).count();
    assert_eq!(of("misconfigured"), 1, "{told:?}");
    assert_eq!(of("life_not_extended"), 1, "{told:?}");
}
