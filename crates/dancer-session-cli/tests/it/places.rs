//! Where sessions live, and what the end of the program means for them.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use testbench::RedisServer;

use crate::demo::{Demo, Visitor};

#[test]
fn sessions_in_redis_survive_the_program() {
    let redis = RedisServer::start_tcp();
    let mut visitor = Visitor::default();
    let demo = Demo::in_redis(&redis.url());
    let address = redis.address().expect("it listens on a port");
    assert_eq!(
        demo.place,
        format!("dancer-session: sessions live in Redis at {address}")
    );
    assert_eq!([visitor.count(&demo), visitor.count(&demo)], [1, 2]);
    let id = visitor.id().to_owned();
    assert_eq!(demo.interrupt(), Some(0));

    let demo = Demo::in_redis(&redis.url());
    assert_eq!(visitor.count(&demo), 3);
    assert_eq!(visitor.id(), id);
}

#[test]
fn sessions_in_memory_end_with_the_program_and_it_says_so() {
    let mut visitor = Visitor::default();
    let demo = Demo::in_memory();
    for said in [
        "end with it",
        "--config FILE",
        "REDIS_URL=redis://127.0.0.1:6379/",
    ] {
        assert!(demo.place.contains(said), "{}", demo.place);
    }
    assert_eq!([visitor.count(&demo), visitor.count(&demo)], [1, 2]);
    let id = visitor.id().to_owned();
    let page = visitor.html(&demo).body;
    for said in [
        "end with the program",
        "--config FILE",
        "REDIS_URL=redis://127.0.0.1:6379/",
    ] {
        assert!(page.contains(said), "{page}");
    }
    assert_eq!(demo.interrupt(), Some(0));

    let demo = Demo::in_memory();
    assert_eq!(visitor.count(&demo), 1);
    assert_ne!(visitor.id(), id);
}

#[test]
fn a_configuration_file_wins_over_the_environment() {
    let redis = RedisServer::start();
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("config.yml");
    let text = format!(
        "redis_session:\n  sock: {}\n  expire: 60\n",
        redis.sock().display()
    );
    fs::write(&config, text).expect("it can be written");
    let elsewhere = ("REDIS_URL", "unix:///nowhere/redis.sock");
    let demo = Demo::start(&["--config", config.to_str().expect("UTF-8")], &[elsewhere]);
    let left = Visitor::default().json(&demo)["seconds_left"].as_u64();
    assert!(
        left.is_some_and(|left| (50..=60).contains(&left)),
        "{left:?}"
    );
}

#[test]
fn without_visitors_it_ends_at_once() {
    let demo = Demo::in_memory();
    let _idle = TcpStream::connect(demo.address).expect("it takes connections");
    Visitor::default().count(&demo);
    let begun = Instant::now();
    assert_eq!(demo.interrupt(), Some(0));
    assert!(begun.elapsed() < PATIENCE_OF_THE_DEMO);
}

#[test]
fn a_client_that_never_finishes_does_not_hold_up_the_end() {
    let demo = Demo::in_memory();
    let mut slow = TcpStream::connect(demo.address).expect("it takes connections");
    slow.write_all(b"GET / HTTP/1.1\r\n").expect("it reads");
    Visitor::default().count(&demo);
    assert_eq!(demo.interrupt(), Some(0));
}

/// How long it waits for those who are not finished.
const PATIENCE_OF_THE_DEMO: Duration = Duration::from_secs(2);
