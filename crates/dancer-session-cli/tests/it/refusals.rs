//! What the program can't do, it says in one line, and soon.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use testbench::RedisServer;

use crate::program::Program;

#[test]
fn an_address_that_others_can_reach_is_refused() {
    for address in ["0.0.0.0:4100", "[::]:4100", "192.0.2.1:4100"] {
        let line = check_fails(2, &["--listen", address], &[]);
        for said in [address, "unencrypted", "Listen on 127.0.0.1:4100"] {
            assert!(line.contains(said), "{line}");
        }
    }
}

#[test]
fn an_address_that_is_none_is_a_usage_error() {
    let program = Program::start(&["demo", "--listen", "everywhere"], &[]);
    let (status, lines) = program.end();
    assert_eq!(status, Some(2));
    assert!(lines[0].contains("everywhere"), "{lines:?}");
}

#[test]
fn a_nonsense_key_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("config.yml");
    fs::write(
        &config,
        "redis_session:\n  server: localhost\n  colour: blue\n",
    )
    .expect("written");
    let config = config.to_str().expect("UTF-8");
    let line = check_fails(1, &["--config", config], &[]);
    assert!(line.contains("colour") && line.contains(config), "{line}");
}

#[test]
fn a_missing_file_is_named() {
    let line = check_fails(1, &["--config", "/nowhere/config.yml"], &[]);
    assert!(line.contains("/nowhere/config.yml"), "{line}");
}

#[test]
fn a_variable_that_holds_no_url_is_named() {
    let line = check_fails(1, &[], &[("REDIS_URL", "localhost")]);
    assert!(line.contains("REDIS_URL"), "{line}");
}

#[test]
fn a_redis_that_is_not_there_is_named_in_time() {
    // Bound and dropped: nobody listens there now.
    let address = a_listener().1;
    check_unreachable(&address);
}

#[test]
fn a_redis_that_is_silent_is_named_in_time() {
    let (_silent, address) = a_listener();
    check_unreachable(&address);
}

#[test]
fn a_redis_that_wants_a_password_is_named() {
    let redis = RedisServer::start_with(&["--requirepass", "secret"]);
    let line = check_fails(1, &[], &[("REDIS_URL", &redis.url())]);
    let sock = redis.sock().display().to_string();
    assert!(line.contains(&sock) && line.contains("NOAUTH"), "{line}");
}

fn check_unreachable(address: &str) {
    let begun = Instant::now();
    let line = check_fails(1, &[], &[("REDIS_URL", &format!("redis://{address}/"))]);
    assert!(begun.elapsed() < 2 * TIMEOUT, "{:?}", begun.elapsed());
    assert!(line.contains(address), "{line}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let (_taken, address) = a_listener();
    let line = check_fails(1, &["--listen", &address], &[]);
    assert!(line.contains(&address) && line.contains("in use"), "{line}");
}

/// Runs `demo`, which has to fail with this status, and returns the one line it says.
fn check_fails(status: i32, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let arguments = [&["demo"], arguments].concat();
    let (ended, mut lines) = Program::start(&arguments, environment).end();
    assert_eq!(ended, Some(status), "{lines:?}");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = lines.remove(0);
    assert!(line.starts_with("dancer-session: "), "{line}");
    line
}

fn a_listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has one").to_string();
    (listener, address)
}

/// The default of `Settings::timeout`.
const TIMEOUT: Duration = Duration::from_secs(1);
