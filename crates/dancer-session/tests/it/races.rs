//! Many at once: tasks of one process, and processes.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use dancer_session::{Flushed, SessionEngine, Settings};
use testbench::{RedisServer, Say, Substitute};
use tokio::sync::Barrier;

use crate::bench::{Bench, Kind, get, id};

async fn many_tasks(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[]).await;
    let barrier = Arc::new(Barrier::new(64));
    let tasks = (0..64).map(|_| {
        let (engine, id, barrier) = (bench.engine.clone(), id(&session), Arc::clone(&barrier));
        tokio::spawn(async move {
            for round in 0..100 {
                let session = engine.retrieve(&id).await.unwrap().unwrap();
                session
                    .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
                    .unwrap();
                if round % 10 == 0 {
                    // All have read the same session before the first of them flushes.
                    barrier.wait().await;
                }
                assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(get(&bench.again(&session).await, "n"), Some(6_400));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_64_tasks_lose_no_update_in_memory() {
    many_tasks(Kind::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_64_tasks_lose_no_update_in_redis() {
    many_tasks(Kind::Redis).await;
}

/// One process flushes in turn, so its flushes refuse each other not even once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_4_1_flushes_of_one_process_do_not_compete() {
    let bench = Bench::new(Kind::Redis).await;
    let session = bench.session(&[]).await;
    let mut hands = Vec::new();
    for _ in 0..50 {
        let hand = bench.again(&session).await;
        hand.update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
            .unwrap();
        hands.push(hand);
    }
    let before = bench.server().commands().await;
    let flushes = hands
        .into_iter()
        .map(|hand| tokio::spawn(async move { hand.flush().await }));
    for flush in flushes.collect::<Vec<_>>() {
        assert_eq!(flush.await.unwrap().unwrap(), Flushed::Stored);
    }
    assert_eq!(get(&bench.again(&session).await, "n"), Some(50));
    let scripts = bench
        .server()
        .commands()
        .await
        .since(&before)
        .calls("evalsha");
    // One script each, and one more wherever the queue had run empty in between.
    assert!(
        scripts < 75,
        "{scripts} scripts for 50 flushes that stood in one queue"
    );
}

/// Whoever stands in line behind a log-in, with the old id, reaches nothing of the session that it made:
/// neither an entry, nor its end, nor another id for it.
#[tokio::test]
async fn r08_who_stands_in_line_behind_a_log_in_stays_outside() {
    let server = RedisServer::start();
    let substitute = Substitute::of(&server).await;
    let settings = Settings {
        server: Some(substitute.url()),
        timeout: Duration::from_secs(20),
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let session = engine.create().await.unwrap();
    session.set("visits", 1).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let hand = async || engine.retrieve(&id(&session)).await.unwrap().unwrap();
    let [login, visit, click, leave] = [hand().await, hand().await, hand().await, hand().await];
    login.log_in().unwrap();
    login.set("user", "anna").unwrap();
    visit.set("planted", 1).unwrap();
    click.log_in().unwrap();
    click.set("user", "berta").unwrap();
    leave.destroy();

    // The first script is the log-in's. While it is under way the others take their places.
    let _ = substitute.asked();
    substitute.rule(|command| match command[0].starts_with("EVAL") {
        true => Say::After(Duration::from_millis(200)),
        false => Say::Pass,
    });
    let (logged_in, visited, clicked, left) =
        tokio::join!(login.flush(), visit.flush(), click.flush(), leave.flush());
    assert_eq!(logged_in.unwrap(), Flushed::Renewed);
    assert_eq!(visited.unwrap(), Flushed::Ended);
    assert_eq!(clicked.unwrap(), Flushed::Created);
    assert_eq!(left.unwrap(), Flushed::Ended);

    let anna = engine.retrieve(&id(&login)).await.unwrap().unwrap();
    assert!(!anna.is_ended(), "nobody has ended it");
    assert_eq!(anna.get("user").unwrap(), Some("anna".to_owned()));
    assert!(!anna.contains("planted"));
    assert_eq!(get(&anna, "visits"), Some(1));
    let berta = engine.retrieve(&id(&click)).await.unwrap().unwrap();
    assert_eq!(berta.get("user").unwrap(), Some("berta".to_owned()));
    assert!(!berta.contains("visits"), "a session of its own");
}

const PROCESSES: u64 = 4;
const UPDATES: u64 = 500;
const SOCK: &str = "DANCER_SESSION_TEST_SOCK";
const ID: &str = "DANCER_SESSION_TEST_ID";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_processes_lose_no_update() {
    let bench = Bench::new(Kind::Redis).await;
    let session = bench.session(&[]).await;
    let children = (0..PROCESSES).map(|_| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "races::one_of_several_processes", "--ignored"])
            .env(SOCK, bench.server().sock())
            .env(ID, id(&session))
            .spawn()
            .unwrap()
    });
    for mut child in children.collect::<Vec<_>>() {
        assert!(child.wait().unwrap().success());
    }
    let again = bench.again(&session).await;
    assert_eq!(get(&again, "n"), Some(PROCESSES * UPDATES));
    assert_eq!(
        again.len() as u64,
        1 + PROCESSES,
        "and each process's own entry is there"
    );
}

#[tokio::test]
#[ignore = "started by r12_processes_lose_no_update, four times at once"]
async fn one_of_several_processes() {
    let settings = Settings {
        sock: Some(std::env::var_os(SOCK).unwrap().into()),
        timeout: std::time::Duration::from_secs(20),
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let id = std::env::var(ID).unwrap();
    for _ in 0..UPDATES {
        let session = engine.retrieve(&id).await.unwrap().unwrap();
        session
            .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
            .unwrap();
        session.set(&std::process::id().to_string(), true).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    }
}

/// Renew and destroy of one session, begun together by two engines: one of them is first, and the
/// other is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_renew_against_destroy_ends_one_way_or_the_other() {
    let server = RedisServer::start();
    let settings = Settings {
        sock: Some(server.sock().to_owned()),
        ..Settings::default()
    };
    let engines = [
        SessionEngine::init(settings.clone()).await.unwrap(),
        SessionEngine::init(settings).await.unwrap(),
    ];
    let (mut renewed_first, mut destroyed_first) = (0, 0);
    for round in 0..300 {
        let session = engines[0].create().await.unwrap();
        session.set("a", 1).unwrap();
        let _ = session.flush().await.unwrap();
        let old = id(&session);
        let renews = engines[0].retrieve(&old).await.unwrap().unwrap();
        let destroys = engines[1].retrieve(&old).await.unwrap().unwrap();
        renews.renew();
        destroys.destroy();
        let (a, b) = if round % 2 == 0 {
            tokio::join!(renews.flush(), destroys.flush())
        } else {
            let (b, a) = tokio::join!(destroys.flush(), renews.flush());
            (a, b)
        };
        assert!(engines[1].retrieve(&old).await.unwrap().unwrap().is_ended());
        match (a.unwrap(), b.unwrap()) {
            (Flushed::Renewed, Flushed::Ended) => {
                renewed_first += 1;
                let new = engines[1].retrieve(&id(&renews)).await.unwrap().unwrap();
                assert_eq!(get(&new, "a"), Some(1));
                assert!(
                    !destroys.is_destroyed(),
                    "it destroyed nothing, and says so"
                );
            }
            (Flushed::Ended, Flushed::Destroyed) => destroyed_first += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(
        renewed_first > 0 && destroyed_first > 0,
        "{renewed_first} and {destroyed_first}"
    );
}
