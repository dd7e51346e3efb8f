//! A server ends with its holder, in whatever way that ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs, panic};

use testbench::RedisServer;

const HOLD: &str = "TESTBENCH_HOLD_A_SERVER";

/// This test plays two parts: it runs its own program again, where it holds a server to be killed.
#[test]
fn killing_the_holder_ends_the_server() {
    if let Some(report) = env::var_os(HOLD) {
        return hold_a_server(Path::new(&report));
    }
    let scratch = tempfile::tempdir().unwrap();
    let report = scratch.path().join("report");
    let this_test = "endings::killing_the_holder_ends_the_server";
    let mut holder = Command::new(env::current_exe().unwrap())
        .args(["--exact", this_test, "--nocapture"])
        .env(HOLD, &report)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let read = || fs::read_to_string(&report).unwrap_or_default();
    wait_until(|| read().ends_with('\n'));
    let (pid, directory) = parse(&read());
    assert!(runs(pid));

    holder.kill().unwrap();
    holder.wait().unwrap();
    wait_until(|| !runs(pid) && !directory.exists());
}

#[test]
fn a_panic_ends_the_server() {
    let held = panic::catch_unwind(|| {
        let server = RedisServer::start();
        panic::panic_any((server.pid(), server.directory().to_owned()));
    });
    let held = held.unwrap_err().downcast::<(u32, PathBuf)>();
    let (pid, directory) = *held.expect("the panic above and no other");
    assert!(!runs(pid) && !directory.exists());
}

#[test]
fn a_paused_server_ends_too() {
    let server = RedisServer::start();
    let pid = server.pid();
    server.pause();
    drop(server);
    assert!(!runs(pid));
}

fn hold_a_server(report: &Path) {
    let server = RedisServer::start();
    let directory = server.directory().display();
    fs::write(report, format!("{} {directory}\n", server.pid())).expect("a place to report to");
    sleep(Duration::from_secs(60));
}

fn parse(report: &str) -> (u32, PathBuf) {
    let (pid, directory) = report.trim().split_once(' ').expect("two words");
    (pid.parse().expect("a number"), directory.into())
}

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[track_caller]
fn wait_until(done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "it never happened"
        );
        sleep(Duration::from_millis(10));
    }
}
