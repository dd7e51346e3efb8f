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

/// It is an error, or it was known before anything was sent, and a new connection was made for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_meets_a_dead_connection_is_sent_once() {
    for kind in [Kind::Redis, Kind::WithoutThreads] {
        let bench = closed(kind).await;
        let incr = words(&["INCR", "counter"]);
        let incremented = bench.engine.send(&incr, WITHIN).await;
        let there = bench.engine.send(&words(&["GET", "counter"]), WITHIN).await;
        let expected = match incremented {
            Ok(count) => {
                assert_eq!(count, Value::Int(1));
                Value::BulkString(b"1".to_vec())
            }
            Err(_) => Value::Nil,
        };
        assert_eq!(there.unwrap(), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_of_any_depth_and_length_come_as_they_are() {
    for kind in [Kind::Redis, Kind::WithoutThreads] {
        let bench = Bench::of_everything(kind).await;
        let nested = words(&["EVAL", "return {{{{{{{{{{{{7}}}}}}}}}}}}", "0"]);
        let mut value = bench.engine.send(&nested, WITHIN).await.unwrap();
        let mut depth = 0;
        while let Value::Array(mut items) = value {
            value = items.pop().unwrap();
            depth += 1;
        }
        assert_eq!((depth, value), (12, Value::Int(7)));
        let script = "local t = {} for n = 1, 100000 do t[n] = n end return t";
        let long = words(&["EVAL", script, "0"]);
        let long = bench.engine.send(&long, WITHIN);
        let Value::Array(items) = long.await.unwrap() else {
            panic!("no list")
        };
        assert_eq!(items.len(), 100_000);
        assert_eq!(items.last(), Some(&Value::Int(100_000)));
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
