//! What the tasks of one request do to the handle that they share, in a thousand orders each:
//! `cargo test -p dancer-session-tower --features shuttle --lib shuttled`.
//!
//! As in the engine's own file of this name, which has what they do to the session. Tasks change here
//! where the handle is looked at, and before and after each step of the store.

use std::future::{Future, poll_fn};
use std::task::Poll;

use dancer_session::{Session, SessionEngine, Settings};
use http::{Request, Response, header};
use shuttle::future::{block_on, spawn};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use tower::{Layer, ServiceExt, service_fn};

use self::hesitant::Hesitant;
use crate::{Error, SessionHandle, SessionLayer};

#[path = "../tests/it/hesitant.rs"]
mod hesitant;

const ORDERS: usize = 1000;

/// A session is stored, with 1 as `n`; a request comes with its cookie, and shares its handle between
/// two tasks; when both have come to their end it does `then`, and the layer flushes. `check` finds
/// what is left.
fn in_every_order<A, B, C, D>(
    a: fn(SessionHandle) -> A,
    b: fn(SessionHandle) -> B,
    then: fn(SessionHandle) -> C,
    check: fn(Left) -> D,
) where
    A: Future<Output = ()> + Send + 'static,
    B: Future<Output = ()> + Send + 'static,
    C: Future<Output = ()> + 'static,
    D: Future<Output = ()> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    // For timers, which nothing here waits for.
    let _inside = runtime.enter();
    let run = move || {
        block_on(async move {
            let store = Hesitant::new();
            let builder = SessionEngine::builder(Settings::default());
            let engine = builder.with_store(store.clone()).unwrap();
            let session = engine.create().await.unwrap();
            session.set("n", 1).unwrap();
            let _ = session.flush().await.unwrap();
            let id = session.id().unwrap().as_str().to_owned();
            let before = store.steps();
            let service = service_fn(async |request: Request<()>| {
                let handle = request.extensions().get::<SessionHandle>().unwrap();
                let tasks = (spawn(a(handle.clone())), spawn(b(handle.clone())));
                tasks.0.await.unwrap();
                tasks.1.await.unwrap();
                then(handle.clone()).await;
                Ok::<_, Error>(Response::new(handle.taken().cloned()))
            });
            let request = Request::get("/").header(header::COOKIE, format!("__Host-id={id}"));
            let service = SessionLayer::new(engine.clone()).layer(service);
            let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
            let taken = response.into_body().unwrap();
            let steps = store.steps() - before;
            let stored = engine.retrieve(&id).await.unwrap().unwrap();
            check(Left {
                taken,
                stored,
                steps,
            })
            .await;
        });
    };
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 20;
    let often = RandomScheduler::new(ORDERS / 2);
    shuttle::Runner::new(often, config.clone()).run(run);
    let seldom = PctScheduler::new(3, ORDERS / 2);
    shuttle::Runner::new(seldom, config).run(run);
}

struct Left {
    /// What the request had in hand.
    taken: Session,
    stored: Session,
    /// How many steps of the store the request took.
    steps: usize,
}

impl Left {
    fn n(&self) -> u64 {
        let (taken, stored) = (self.taken.get("n").unwrap(), self.stored.get("n").unwrap());
        assert_eq!(taken, stored, "the hand shows what is stored");
        stored.unwrap()
    }
}

async fn nothing(_: SessionHandle) {}

async fn count(handle: SessionHandle) {
    let session = handle.session().await.unwrap();
    let add = |n: Option<u64>| n.unwrap_or(0) + 1;
    session.update("n", add).unwrap();
}

/// Asks, and is gone before the answer is there.
async fn ask_and_go(handle: SessionHandle) {
    let mut asking = Box::pin(handle.session());
    let once = poll_fn(|context| Poll::Ready(asking.as_mut().poll(context).is_ready()));
    once.await;
}

#[test]
fn tasks_that_ask_at_the_same_time_get_one_session_that_is_read_once() {
    in_every_order(count, count, nothing, |left| async move {
        assert_eq!(left.n(), 3);
        assert_eq!(left.steps, 2, "one read, one flush");
    });
}

#[test]
fn who_asks_behind_one_that_has_gone_gets_the_session() {
    in_every_order(ask_and_go, count, nothing, |left| async move {
        assert_eq!(left.n(), 2);
        // The one that has gone may have read it, too.
        assert!((2..=3).contains(&left.steps), "{}", left.steps);
    });
}

#[test]
fn once_the_head_has_left_nobody_has_a_session_that_could_get_another_id() {
    let take = |handle: SessionHandle| async move { drop(handle.session().await.unwrap()) };
    let leave = |handle: SessionHandle| async move { handle.head_leaves() };
    let renew = |handle: SessionHandle| async move {
        let session = handle.taken().unwrap();
        session.renew();
        assert!(session.flush().await.unwrap_err().is_refused());
        session.discard();
    };
    in_every_order(take, leave, renew, |left| async move {
        assert_eq!(left.n(), 1);
        assert!(!left.stored.is_ended());
    });
}
