//! A server ends with its holder, in whatever way that ends, and so does a Dancer application.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs, panic};

use testbench::{DancerApp, RedisServer};

const HOLD: &str = "TESTBENCH_HOLD_SERVERS";

/// This test plays two parts: it runs its own program again, where it holds servers to be killed.
#[test]
fn killing_the_holder_ends_the_servers() {
    if let Some(report) = env::var_os(HOLD) {
        return hold_servers(Path::new(&report));
    }
    let scratch = tempfile::tempdir().unwrap();
    let report = scratch.path().join("report");
    let this_test = "endings::killing_the_holder_ends_the_servers";
    let mut holder = Command::new(env::current_exe().unwrap())
        .args(["--exact", this_test, "--nocapture"])
        .env(HOLD, &report)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let read = || fs::read_to_string(&report).unwrap_or_default();
    wait_until(|| read().ends_with('\n'));
    let held: Vec<_> = read().lines().map(parse).collect();
    assert_eq!(held.len(), 2);
    assert!(held.iter().all(|&(pid, _)| runs(pid)));

    holder.kill().unwrap();
    holder.wait().unwrap();
    let ended = |(pid, directory): &(u32, PathBuf)| !runs(*pid) && !directory.exists();
    wait_until(|| held.iter().all(ended));
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

fn hold_servers(report: &Path) {
    let server = RedisServer::start();
    let app = DancerApp::start(&server);
    let line = |pid: u32, directory: &Path| format!("{pid} {}\n", directory.display());
    let lines = line(server.pid(), server.directory()) + &line(app.pid(), app.directory());
    // In one piece: the other part reads as soon as a line has ended.
    let whole = report.with_extension("whole");
    fs::write(&whole, lines).expect("a place to report to");
    fs::rename(whole, report).expect("a place to report to");
    sleep(Duration::from_secs(60));
}

fn parse(line: &str) -> (u32, PathBuf) {
    let (pid, directory) = line.split_once(' ').expect("two words");
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
