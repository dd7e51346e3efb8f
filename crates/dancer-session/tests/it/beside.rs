//! Commands of the application's, over a connection that the sessions don't use.

use std::time::{Duration, Instant};

use dancer_session::redis::{Cmd, Value, cmd};

use crate::bench::{Bench, Kind};

const WITHIN: Option<Duration> = Some(Duration::from_secs(20));

fn words(words: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command
}

/// A bench whose connection for such commands the server has closed.
async fn closed(kind: Kind) -> Bench {
    let bench = Bench::of_everything(kind).await;
    let id = bench.engine.send(&words(&["CLIENT", "ID"]), WITHIN).await;
    let Ok(Value::Int(id)) = id else {
        panic!("{id:?}")
    };
    let mut admin = bench.server().connection().await;
    let kill = words(&["CLIENT", "KILL", "ID", &id.to_string()]);
    let killed: u32 = kill.query_async(&mut admin).await.unwrap();
    assert_eq!(killed, 1);
    bench
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_meets_a_dead_connection_is_sent_once() {
    for kind in [Kind::Redis, Kind::WithoutThreads] {
        let bench = closed(kind).await;
        let incr = words(&["INCR", "counter"]);
        assert!(bench.engine.send(&incr, WITHIN).await.is_err());
        let there = bench.engine.send(&words(&["GET", "counter"]), WITHIN).await;
        assert_eq!(there.unwrap(), Value::Nil);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ping_makes_a_new_connection() {
    for kind in [Kind::Redis, Kind::WithoutThreads] {
        for ping in ["PING", "ping"] {
            let bench = closed(kind).await;
            let pong = bench.engine.send(&words(&[ping]), WITHIN).await;
            assert_eq!(pong.unwrap(), Value::SimpleString("PONG".into()));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_nobody_waits_behind_a_command_that_waits() {
    let bench = Bench::of_everything(Kind::Redis).await;
    let engine = bench.engine.clone();
    tokio::spawn(async move { engine.send(&words(&["BLPOP", "nothing", "5"]), None).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    let within = Duration::from_millis(500);
    assert!(bench.engine.send(&cmd("PING"), Some(within)).await.is_err());
    assert!(begun.elapsed() < 2 * within);
}
