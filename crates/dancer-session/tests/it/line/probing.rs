//! An outage when nobody can try in the background: calls fail at once, and one after each pause
//! finds out.

use std::time::{Duration, Instant};

use dancer_session::Settings;
use testbench::{RedisServer, Say, Substitute};

use super::init;
use crate::bench::id;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_without_threads_the_next_call_after_a_pause_probes() {
    let server = RedisServer::start();
    let substitute = Substitute::of(&server).await;
    let settings = Settings {
        server: Some(substitute.url()),
        timeout: Duration::from_millis(200),
        ..Settings::default()
    };
    let engine = init(settings).await.unwrap();
    let id = id(&engine.create().await.unwrap());
    for say in [Say::HangUp, Say::Nothing] {
        let what = format!("{say:?}");
        substitute.rule(move |_| say.clone());
        let begun = Instant::now();
        let mut calls = 0;
        while begun.elapsed() < Duration::from_secs(1) {
            assert!(engine.retrieve(&id).await.is_err(), "{what}");
            calls += 1;
        }
        let (before, begun) = (substitute.connections(), Instant::now());
        for _ in 0..1_000 {
            assert!(engine.retrieve(&id).await.is_err(), "{what}");
        }
        let due = 2 + begun.elapsed().as_millis() / 100;
        let attempts = substitute.connections() - before;
        println!("{what}: {calls} calls in the first second; {attempts} attempts in a thousand");
        assert!(attempts as u128 <= due, "{what}: {attempts} attempts");
        substitute.rule(|_| Say::Pass);
        // The longest pause.
        tokio::time::sleep(Duration::from_millis(510)).await;
        assert!(engine.retrieve(&id).await.unwrap().is_some(), "{what}");
    }
}
