//! What happens while a flush is under way, and what a closure of the application may do. The
//! flush is slowed down by the network, so the other thing certainly happens during it.

use std::sync::Arc;
use std::time::Duration;

use dancer_session::{Error, Flushed, Session, SessionEngine, Settings};
use testbench::{Proxy, RedisServer};
use tokio::task::JoinHandle;

use crate::bench::{get, id};

struct Slow {
    server: RedisServer,
    proxy: Proxy,
    engine: SessionEngine,
}

/// How long a reply takes that a flush waits for.
const LATE: Duration = Duration::from_millis(100);

impl Slow {
    async fn new() -> Self {
        let server = RedisServer::start();
        let proxy = Proxy::to(&server).await;
        let settings = Settings {
            server: Some(proxy.url()),
            timeout: Duration::from_secs(20),
            ..Settings::default()
        };
        let engine = SessionEngine::init(settings).await.unwrap();
        Self {
            server,
            proxy,
            engine,
        }
    }

    async fn session(&self) -> Session {
        let session = self.engine.create().await.unwrap();
        session.set("user", 1).unwrap();
        let _ = session.flush().await.unwrap();
        session
    }

    /// Begins a flush, and returns while the server has it and the reply has not come.
    async fn begin(&self, session: &Session) -> JoinHandle<Result<Flushed, Error>> {
        self.proxy.delay(LATE);
        let before = self.server.commands().await.total();
        let session = session.clone();
        let flush = tokio::spawn(async move { session.flush().await });
        while self.server.commands().await.total() == before {}
        assert!(!flush.is_finished(), "the flush was to be slow");
        flush
    }

    fn fast(&self) {
        self.proxy.delay(Duration::ZERO);
    }

    async fn find(&self, session: &Session) -> Session {
        self.engine.retrieve(&id(session)).await.unwrap().unwrap()
    }

    /// No payload in the server holds the entry that every session here has.
    async fn nothing_lives(&self) {
        let mut connection = self.server.connection().await;
        for key in self.server.scan().await {
            let get = redis::cmd("GET").arg(&key).to_owned();
            let payload: String = get.query_async(&mut connection).await.unwrap();
            assert!(!payload.contains("\"user\""), "it lives on: {payload}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destroy_during_a_flush_gets_what_was_flushed() {
    let slow = Slow::new().await;
    for renew in [false, true] {
        let session = slow.session().await;
        session.set("a", 2).unwrap();
        if renew {
            session.renew();
        }
        let flush = slow.begin(&session).await;
        session.destroy();
        let _ = flush.await.unwrap().unwrap();
        slow.fast();
        assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
        assert!(session.is_destroyed() && !session.is_ended());
        slow.nothing_lives().await;
    }
}

/// What the flush met in the store is there for the request, together with what it changes since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_flush_the_hand_has_both_what_was_stored_and_what_waits() {
    let slow = Slow::new().await;
    let session = slow.session().await;
    let other = slow.find(&session).await;
    other.set("theirs", 1).unwrap();
    let _ = other.flush().await.unwrap();
    session.set("a", 1).unwrap();
    let flush = slow.begin(&session).await;
    session.set("b", 2).unwrap();
    let _ = flush.await.unwrap().unwrap();
    slow.fast();
    assert_eq!(
        (get(&session, "theirs"), get(&session, "b")),
        (Some(1), Some(2))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destroy_of_a_visitor_gets_the_session_that_was_just_made() {
    let slow = Slow::new().await;
    let session = slow.engine.anonymous();
    session.set("user", 1).unwrap();
    let flush = slow.begin(&session).await;
    session.destroy();
    let _ = flush.await.unwrap().unwrap();
    slow.fast();
    assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
    assert!(session.id().is_none() && session.is_destroyed());
    slow.nothing_lives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_destroy_gets_what_was_flushed_meanwhile() {
    let slow = Slow::new().await;
    let session = slow.session().await;
    session.set("more", 1).unwrap();
    session.renew();
    let flush = slow.begin(&session).await;
    session.destroy();
    session.abandon();
    drop(session);
    let _ = flush.await.unwrap().unwrap();
    tokio::time::sleep(3 * LATE).await;
    slow.nothing_lives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_made_during_a_flush_wait_for_the_next() {
    let slow = Slow::new().await;
    let session = slow.session().await;
    session.set("a", 1).unwrap();
    let flush = slow.begin(&session).await;
    session.set("b", 2).unwrap();
    session
        .update("a", |a: Option<u64>| a.unwrap_or(0) + 10)
        .unwrap();
    assert_eq!(flush.await.unwrap().unwrap(), Flushed::Stored);
    slow.fast();
    let stored = slow.find(&session).await;
    assert_eq!((get(&stored, "a"), get(&stored, "b")), (Some(1), None));
    assert_eq!(
        (get(&session, "a"), get(&session, "b")),
        (Some(11), Some(2))
    );
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let stored = slow.find(&session).await;
    assert_eq!((get(&stored, "a"), get(&stored, "b")), (Some(11), Some(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discard_during_a_flush_keeps_what_comes_after_it() {
    let slow = Slow::new().await;
    let session = slow.session().await;
    session.set("a", 1).unwrap();
    let flush = slow.begin(&session).await;
    session.set("dropped", 1).unwrap();
    session.discard();
    session.set("kept", 1).unwrap();
    assert_eq!(flush.await.unwrap().unwrap(), Flushed::Stored);
    slow.fast();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(slow.find(&session).await.keys(), ["user", "a", "kept"]);
}

/// Two requests have read; the second one's closure meets another value than it expects.
#[tokio::test]
async fn a_closure_that_panics_when_it_is_run_again_loses_nothing() {
    let engine = SessionEngine::in_memory(Settings::default()).unwrap();
    let session = engine.create().await.unwrap();
    let other = engine.retrieve(&id(&session)).await.unwrap().unwrap();
    session.set("important", 1).unwrap();
    let once = Arc::new(std::sync::atomic::AtomicBool::new(true));
    session
        .update("n", move |n: Option<u64>| {
            let first = n.is_none() || !once.swap(false, std::sync::atomic::Ordering::SeqCst);
            assert!(first, "on purpose");
            7
        })
        .unwrap();
    other.set("n", 5).unwrap();
    let _ = other.flush().await.unwrap();
    let clone = session.clone();
    assert!(
        tokio::spawn(async move { clone.flush().await })
            .await
            .unwrap_err()
            .is_panic()
    );
    assert_eq!(
        session.flush().await.unwrap(),
        Flushed::Stored,
        "all of it is still pending"
    );
    let stored = engine.retrieve(&id(&session)).await.unwrap().unwrap();
    assert_eq!(
        (get(&stored, "important"), get(&stored, "n")),
        (Some(1), Some(7))
    );
}

/// Runs an update in a thread of its own, which may hang.
fn update(session: &Session, f: fn(&Session, u64) -> u64) -> Result<(), Error> {
    let (done, wait) = std::sync::mpsc::channel();
    let (session, clone) = (session.clone(), session.clone());
    std::thread::spawn(move || {
        let f = move |total: Option<u64>| f(&clone, total.unwrap_or(0));
        done.send(session.update("total", f)).unwrap();
    });
    let within = Duration::from_secs(20);
    wait.recv_timeout(within)
        .expect("it does not wait for itself")
}

#[tokio::test]
async fn a_closure_may_read_its_own_session_and_not_change_it() {
    let engine = SessionEngine::in_memory(Settings::default()).unwrap();
    let session = engine.create().await.unwrap();
    session.set("price", 5).unwrap();
    update(&session, |session, total| {
        total + get(session, "price").unwrap()
    })
    .unwrap();
    assert_eq!(get(&session, "total"), Some(5));
    let error = update(&session, |session, total| {
        session.set("other", 6).unwrap();
        total
    });
    assert!(error.unwrap_err().is_refused());
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(get(&session, "total"), Some(5));
}

thread_local! {
    static OWN: std::cell::RefCell<Option<Session>> = const { std::cell::RefCell::new(None) };
}

/// A number whose decoding looks into its own session.
struct Curious;

impl<'de> serde::Deserialize<'de> for Curious {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let _: u64 = serde::Deserialize::deserialize(deserializer)?;
        OWN.with(|own| own.borrow().as_ref().map(Session::len));
        Ok(Self)
    }
}

#[tokio::test]
async fn a_value_may_look_into_its_session_while_it_is_decoded() {
    let engine = SessionEngine::in_memory(Settings::default()).unwrap();
    let session = engine.anonymous();
    session.set("n", 1).unwrap();
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        OWN.with(|own| *own.borrow_mut() = Some(session.clone()));
        done.send(session.get::<Curious>("n").is_ok()).unwrap();
    });
    let within = Duration::from_secs(20);
    assert!(
        wait.recv_timeout(within)
            .expect("it does not wait for itself")
    );
}

/// A closure that holds its own session is a circle; it ends with the request.
#[tokio::test]
async fn an_abandoned_session_is_freed_whatever_its_closures_hold() {
    let engine = SessionEngine::in_memory(Settings::default()).unwrap();
    let probe = Arc::new(());
    let session = engine.anonymous();
    let (clone, held) = (session.clone(), Arc::clone(&probe));
    let closure =
        move |n: Option<u64>| n.unwrap_or(0) + clone.len() as u64 + Arc::strong_count(&held) as u64;
    session.update("n", closure).unwrap();
    session.abandon();
    drop(session);
    assert_eq!(Arc::strong_count(&probe), 1);
}
