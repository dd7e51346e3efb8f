//! F19: requests whose client has gone are dropped at any await point.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use dancer_session::{Session, SessionEngine, Settings};
use testbench::{Proxy, RedisServer};

use super::checker::Remains;
use super::load::Plan;
use super::scene::{Scene, seeds};
use crate::bench::{get, id};

/// Runs `work`, but drops it when it has been polled so often and is not done: `None`.
pub(super) async fn after_polls<F: Future>(polls: u64, work: F) -> Option<F::Output> {
    let mut left = polls;
    let mut work = pin!(work);
    std::future::poll_fn(|context| poll_some(&mut left, work.as_mut(), context)).await
}

fn poll_some<F: Future>(
    left: &mut u64,
    work: Pin<&mut F>,
    context: &mut Context<'_>,
) -> Poll<Option<F::Output>> {
    if *left == 0 {
        return Poll::Ready(None);
    }
    *left -= 1;
    let polled = work.poll(context).map(Some);
    match (polled.is_pending(), *left) {
        (true, 0) => Poll::Ready(None),
        _ => polled,
    }
}

/// A fifth of all acts, under load and on a line where every step waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f19_a_fifth_of_the_requests_is_dropped_and_nothing_is_lost() {
    for seed in seeds() {
        let plan = Plan {
            dropped: 20,
            ..Plan::default()
        };
        let scene = Scene::with("F19 dropped", seed, &[], plan).await;
        let report = scene.run(
            async |scene| scene.proxy.jitter(Duration::from_millis(10)),
            async |scene| scene.proxy.jitter(Duration::ZERO),
        );
        report.await.nothing_lost();
    }
}

/// What a request does before it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flush {
    Create,
    Change,
    Renew,
    Destroy,
}

/// Each flush is dropped after one poll, after two, and so on until it is done before that. Once
/// begun, it is carried out to its end; not begun, it is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f19_a_flush_dropped_at_each_await_point_is_whole_or_not_begun() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server).await;
    let settings = Settings {
        server: Some(proxy.url()),
        timeout: Duration::from_secs(20),
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let mut points = 0;
    for flush in [Flush::Create, Flush::Change, Flush::Renew, Flush::Destroy] {
        // Every byte of the reply may be a poll of its own.
        proxy.chop(true);
        for polls in 0.. {
            let () = redis::cmd("FLUSHDB")
                .query_async(&mut server.connection().await)
                .await
                .unwrap();
            let session = prepared(&engine, flush).await;
            let old = session.id();
            let done = after_polls(polls, session.flush()).await.is_some();
            // The next flush waits until the one before is through. It finds nothing to do, unless
            // that was never begun.
            if polls > 0 {
                let _ = session.flush().await.unwrap();
            }
            let remains = Remains::of(&server).await;
            assert_eq!(remains.immortal, 0, "N6");
            let keys = remains.payloads.len();
            let expected = match flush {
                Flush::Create => usize::from(polls > 0),
                Flush::Renew if polls > 0 => 2,
                Flush::Change | Flush::Renew | Flush::Destroy => 1,
            };
            assert_eq!(keys, expected, "{flush:?} dropped after {polls} polls");
            if let (Some(old), true) = (old, polls > 0) {
                let found = engine.retrieve(old.as_str()).await.unwrap().unwrap();
                let ended = matches!(flush, Flush::Renew | Flush::Destroy);
                assert_eq!(found.is_ended(), ended, "{flush:?} after {polls} polls");
            }
            if polls > 0 && flush != Flush::Destroy {
                let found = engine.retrieve(&id(&session)).await.unwrap().unwrap();
                assert_eq!(get(&found, "n"), Some(1));
            }
            if polls == 0 {
                session.discard();
            }
            points += 1;
            if done {
                break;
            }
        }
        proxy.chop(false);
    }
    eprintln!("F19: four flushes dropped at {points} await points");
    assert!(points >= 12, "every flush waits at least once");
}

async fn prepared(engine: &SessionEngine, flush: Flush) -> Session {
    let session = engine.anonymous();
    session.set("n", 0).unwrap();
    if flush != Flush::Create {
        let _ = session.flush().await.unwrap();
    }
    let inc = |n: Option<u64>| n.unwrap_or(0) + 1;
    match flush {
        Flush::Create | Flush::Change => session.update("n", inc).unwrap(),
        Flush::Renew => {
            session.update("n", inc).unwrap();
            session.renew();
        }
        Flush::Destroy => session.destroy(),
    }
    session
}
