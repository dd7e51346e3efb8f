//! A flush that belongs to the same use of a session as its retrieve leaves the end of the key to that: the
//! script is called without a time to live, which is less work for the server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dancer_session::{Flushed, Session, SessionEngine, Settings};
use testbench::{RedisServer, Say, Substitute};

use crate::bench::{Kind, SECOND, get, id};

/// An engine, and the times to live that its flushes have sent.
struct Bench {
    engine: SessionEngine,
    /// The same sessions, past the substitute.
    beside: SessionEngine,
    substitute: Substitute,
    sent: Arc<Mutex<Vec<Option<String>>>>,
    _server: RedisServer,
}

impl Bench {
    async fn with(settings: Settings) -> Self {
        let server = RedisServer::start();
        let substitute = Substitute::of(&server).await;
        let sent = Arc::default();
        let bench = Self {
            engine: SessionEngine::init(Settings {
                server: Some(substitute.url()),
                timeout: 10 * SECOND,
                ..settings.clone()
            })
            .await
            .unwrap(),
            beside: SessionEngine::init(Settings {
                sock: Some(server.sock().to_owned()),
                ..settings
            })
            .await
            .unwrap(),
            substitute,
            sent,
            _server: server,
        };
        bench.refuse("nothing");
        bench
    }

    /// Has the server refuse a command; the others it carries out.
    fn refuse(&self, name: &'static str) {
        let sent = Arc::clone(&self.sent);
        self.substitute.rule(move |command| {
            if command[0] == "EVALSHA" {
                // The hash, the number of keys, the key, what was read, what is new.
                sent.lock().unwrap().push(command.get(6).cloned());
            }
            match command[0] == name {
                true => Say::Line("-NOPERM not you".into()),
                false => Say::Pass,
            }
        });
    }

    async fn session(&self) -> Session {
        let session = self.beside.create().await.unwrap();
        self.engine.retrieve(&id(&session)).await.unwrap().unwrap()
    }

    /// The times to live that a flush of this session sends, of each of its tries.
    async fn flush(&self, session: &Session) -> Vec<Option<String>> {
        // Also one that had to be told what the script is.
        self.sent.lock().unwrap().clear();
        session
            .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
            .unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        self.sent.lock().unwrap().clone()
    }
}

/// Flushes of one use, on a machine that may be slow: as many as it takes to see one that was fast enough.
async fn soon(bench: &Bench, session: impl AsyncFn() -> Session) {
    for _ in 0..20 {
        if bench.flush(&session().await).await == [None] {
            return;
        }
    }
    panic!("no flush of twenty was sent without a time to live");
}

#[tokio::test]
async fn r15_no_time_goes_along_when_a_use_has_just_extended() {
    let bench = Bench::with(Settings::default()).await;
    soon(&bench, async || bench.session().await).await;
    // Nor after the session was made, or flushed.
    soon(&bench, async || bench.engine.create().await.unwrap()).await;
    let session = bench.session().await;
    tokio::time::sleep(Duration::from_millis(51)).await;
    assert_eq!(bench.flush(&session).await, [Some("900000".into())]);
    soon(&bench, async || session.clone()).await;
}

#[tokio::test]
async fn r15_also_where_reads_extend_rarely() {
    let bench = Bench::with(Settings {
        touch_interval: 60 * SECOND,
        ..Settings::default()
    })
    .await;
    soon(&bench, async || bench.session().await).await;
    let session = bench.session().await;
    tokio::time::sleep(Duration::from_millis(51)).await;
    let session = bench.engine.retrieve(&id(&session)).await.unwrap().unwrap();
    // That read has extended nothing.
    assert_eq!(bench.flush(&session).await, [Some("900000".into())]);
}

/// A server that lets sessions be read, but not extended.
#[tokio::test]
async fn r15_a_flush_extends_what_its_retrieve_could_not() {
    let bench = Bench::with(Settings::default()).await;
    bench.refuse("GETEX");
    for _ in 0..3 {
        let session = bench.session().await;
        assert_eq!(bench.flush(&session).await, [Some("900000".into())]);
    }
}

/// How long the key has that another writer has left, nobody here knows.
#[tokio::test]
async fn r15_a_flush_extends_what_another_writer_has_stored() {
    let bench = Bench::with(Settings::default()).await;
    for _ in 0..3 {
        let session = bench.session().await;
        let other = bench.beside.retrieve(&id(&session)).await.unwrap().unwrap();
        other.set("theirs", 1).unwrap();
        assert_eq!(other.flush().await.unwrap(), Flushed::Stored);
        let sent = bench.flush(&session).await;
        assert_eq!(sent.len(), 2, "{sent:?}");
        assert_eq!(sent[1], Some("900000".into()));
        assert_eq!(get(&session, "theirs"), Some(1));
    }
}

/// What the key may have can become more, when the owner goes who limited it.
#[tokio::test]
async fn r16_whoever_has_no_owner_any_more_has_all_the_time_again() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let settings = Settings {
        expire: 20 * DAY,
        touch_interval: 60 * SECOND,
        ..Settings::default()
    };
    let bench = crate::bench::Bench::with(Kind::Memory, settings).await;
    let session = bench.session(&[("n", 1)]).await;
    session.set_owner("user:42").unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    bench.pass(15 * DAY).await;
    let _ = bench.again(&session).await;
    // It ends with its limit from now on, thirty days after the log-in.
    bench.pass(15 * DAY - 100 * SECOND).await;
    let session = bench.again(&session).await;
    assert_eq!(bench.only().await.left, Some(100 * SECOND));
    session.remove_owner();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(bench.only().await.left, Some(20 * DAY));

    let settings = Settings {
        expire: 90 * DAY,
        ..Settings::default()
    };
    // Right after it was made, and after a flush.
    for flushed in [false, true] {
        let bench = crate::bench::Bench::with(Kind::Memory, settings.clone()).await;
        let session = bench.engine.anonymous();
        session.set_owner("user:42").unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Created);
        if flushed {
            session.set("n", 1).unwrap();
            assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        }
        assert_eq!(bench.only().await.left, Some(30 * DAY));
        session.remove_owner();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        assert_eq!(bench.only().await.left, Some(90 * DAY));
    }
}

/// A key that somebody took the end from gets one at the next read, however near its limit is.
#[tokio::test]
async fn r14_near_the_absolute_limit_too_a_read_gives_an_end() {
    let settings = Settings {
        lifetime: Some(1000 * SECOND),
        touch_interval: 600 * SECOND,
        ..Settings::default()
    };
    let bench = crate::bench::Bench::with(Kind::Redis, settings).await;
    let session = bench.session(&[("n", 1)]).await;
    bench.pass(850 * SECOND).await;
    let persist = redis::cmd("PERSIST").arg(bench.only().await.key).to_owned();
    let mut connection = bench.server().connection().await;
    assert_eq!(
        persist.query_async::<u64>(&mut connection).await.unwrap(),
        1
    );
    let _ = bench.again(&session).await;
    let left = bench.only().await.left.expect("it has an end");
    assert!(left <= 150 * SECOND, "{left:?}");
}

/// Under an absolute limit that is near, a key has to end with that.
#[tokio::test]
async fn r16_near_the_absolute_limit_the_time_goes_along() {
    let bench = Bench::with(Settings {
        expire: 900 * SECOND,
        lifetime: Some(900 * SECOND),
        ..Settings::default()
    })
    .await;
    for _ in 0..3 {
        let session = bench.session().await;
        let sent = bench.flush(&session).await;
        let [Some(ttl)] = &sent[..] else {
            panic!("{sent:?}");
        };
        assert!(ttl.parse::<u64>().unwrap() < 900_000, "{ttl}");
    }
}
