//! What becomes of a connection while its task has no turn, or nobody waits for it. (In the calling thread
//! there is no such task.)

use std::future::Future as _;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use dancer_session::{Flushed, SessionEngine, Settings};
use testbench::{RedisServer, Say, Substitute};
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};

use super::init;
use crate::bench::{get, id};

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

fn on(server: &RedisServer, timeout: Duration) -> Settings {
    Settings {
        sock: Some(server.sock().to_owned()),
        timeout,
        ..Settings::default()
    }
}

/// Nothing was sent over it, so nothing can have been lost with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r36_what_was_never_sent_over_a_closed_connection_is_no_riddle() {
    let server = RedisServer::start();
    let engine = init(on(&server, LONG)).await.unwrap();
    let session = engine.create().await.unwrap();
    let other = init(on(&server, LONG)).await.unwrap();
    let theirs = other.retrieve(&id(&session)).await.unwrap().unwrap();
    theirs.set("theirs", 1).unwrap();
    assert_eq!(theirs.flush().await.unwrap(), Flushed::Stored);

    let mut admin = server.connection().await;
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL").arg("TYPE").arg("normal");
    kill.query_async::<()>(&mut admin).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    // It meets the change of the other one, after a try that went nowhere.
    let add = |n: Option<u64>| n.unwrap_or(0) + 1;
    session.update("n", add).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(get(&session, "n"), Some(1));
    assert_eq!(get(&session, "theirs"), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_a_silent_connection_is_given_up_though_nobody_waits_to_the_end() {
    let server = RedisServer::start();
    let substitute = Substitute::of(&server).await;
    let settings = Settings {
        server: Some(substitute.url()),
        timeout: LONG,
        ..Settings::default()
    };
    let engine = init(settings).await.unwrap();
    let id = id(&engine.create().await.unwrap());
    let silent = AtomicBool::new(true);
    substitute.rule(move |command| {
        match command[0] == "GETEX" && silent.swap(false, Ordering::SeqCst) {
            true => Say::Nothing,
            false => Say::Pass,
        }
    });
    let before = substitute.connections();
    let impatient = timeout(Duration::from_millis(500), engine.retrieve(&id)).await;
    assert!(impatient.is_err(), "the caller went before the reply");
    let found = timeout(LONG / 4, engine.retrieve(&id)).await;
    let found = found.expect("over another connection").unwrap();
    assert!(found.is_some());
    assert_eq!(substitute.connections(), before + 1);
}

/// An engine that was made on one runtime and is used on another, while nobody drives the first.
#[test]
fn r32_deadlines_hold_while_the_runtime_of_the_connection_rests() {
    let server = RedisServer::start();
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let (resting, other) = (runtime(), runtime());
    let (engine, id) = resting.block_on(async {
        let engine = init(on(&server, SHORT)).await.unwrap();
        let session = engine.create().await.unwrap();
        (engine, id(&session))
    });
    other.block_on(async {
        let found = timeout(LONG, engine.retrieve(&id)).await;
        let error = found.expect("by the deadline").unwrap_err();
        assert!(error.is_unavailable(), "{error}");
        // And the next connection is one that is driven.
        let mut found = engine.retrieve(&id).await;
        for _ in 0..50 {
            if found.is_ok() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
            found = engine.retrieve(&id).await;
        }
        assert!(found.unwrap().is_some());
    });
}

/// Whoever sends wakes the connection's task, which may then have to wait for the same thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_deadlines_hold_behind_a_task_that_keeps_its_thread() {
    let server = RedisServer::start();
    let engine = init(on(&server, SHORT)).await.unwrap();
    let id = id(&engine.create().await.unwrap());
    let (blocks, blocked) = tokio::sync::oneshot::channel();
    let (theirs, their_id): (SessionEngine, String) = (engine.clone(), id.clone());
    let blocking = tokio::spawn(async move {
        {
            let mut retrieve = pin!(theirs.retrieve(&their_id));
            let mut context = Context::from_waker(Waker::noop());
            assert!(retrieve.as_mut().poll(&mut context).is_pending());
            blocks.send(()).unwrap();
            std::thread::sleep(Duration::from_secs(3));
        }
    });
    blocked.await.unwrap();
    let begun = Instant::now();
    drop(engine.retrieve(&id).await);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    blocking.await.unwrap();
}
