//! F21: the application's process is killed between any two commands.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use dancer_session::{SessionEngine, Settings};
use testbench::{Dice, RedisServer};
use tokio::time::sleep;

use super::checker::{Remains, check};
use super::history::{History, Outcome};
use super::load::{Load, Plan};
use super::scene::{long, seeds};

const SOCK: &str = "DANCER_SESSION_TEST_SOCK";
const FIRST_LIFE: &str = "DANCER_SESSION_TEST_FIRST_LIFE";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f21_a_killed_application_leaves_nothing_half_done() {
    for seed in seeds() {
        eprintln!("F21, seed {seed}");
        let mut dice = Dice::new(seed);
        let server = RedisServer::start();
        let directory = tempfile::tempdir().unwrap();
        let history = History::default();
        let kills = if long() { 100 } else { 8 };
        for kill in 0..kills {
            let told = directory.path().join(kill.to_string());
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "faults::killed::an_application", "--ignored"])
                .args(["--nocapture", "--test-threads", "1"])
                .env(SOCK, server.sock())
                .env(FIRST_LIFE, (1 + kill * 1_000_000).to_string())
                .stdout(Stdio::from(File::create(&told).unwrap()))
                .spawn()
                .unwrap();
            let told = || std::fs::read_to_string(&told).unwrap();
            while !told().contains("ended ") {
                sleep(Duration::from_millis(5)).await;
            }
            sleep(Duration::from_millis(100 + dice.below(300))).await;
            // On unix that is SIGKILL.
            child.kill().unwrap();
            child.wait().unwrap();
            history.add_told(&told());
        }
        // What was sent before the kill arrives before what is asked now.
        let remains = Remains::of(&server).await;
        let [ok, fail, unknown] = history.counts();
        eprintln!(
            "F21 killed, seed {seed}: {kills} kills; {ok} ok, {fail} fail, {unknown} unknown"
        );
        let records = history.records();
        let breaches = check(&records, &remains);
        assert!(breaches.is_empty(), "{breaches:#?}");
        let interrupted = |outcome| outcome == Outcome::Unknown;
        let interrupted = records.iter().filter(|it| interrupted(it.outcome)).count();
        assert!(interrupted > 0, "nothing was interrupted");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by f21_a_killed_application_leaves_nothing_half_done, which kills it"]
async fn an_application() {
    let settings = Settings {
        sock: Some(std::env::var_os(SOCK).unwrap().into()),
        timeout: Duration::from_secs(20),
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let first_life: u64 = std::env::var(FIRST_LIFE).unwrap().parse().unwrap();
    let load = Load::new(&Plan {
        browsers: 10,
        first_life,
        pause: Duration::from_millis(2),
        ..Plan::default()
    });
    load.history.tell();
    // One that nobody kills ends by itself.
    let clients = load.start(&[engine], first_life);
    sleep(Duration::from_secs(30)).await;
    load.stop(clients).await;
}
