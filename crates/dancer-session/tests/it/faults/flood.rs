//! F25: more visitors than sessions, most of them with ids that nobody has issued.

use std::time::{Duration, Instant};

use dancer_session::{Flushed, SessionEngine};
use testbench::Dice;
use tokio::task::JoinSet;

use super::checker::Remains;
use super::history::now;
use super::load::Plan;
use super::scene::{Scene, long, seeds};
use crate::bench::{Bench, Kind, id};
use crate::growth::resident_kib;

/// Ids of the right shape that nobody has issued, things of no shape at all, and visitors without
/// any, so many of each.
async fn flood(engine: &SessionEngine, seed: u64, [unknown, malformed, visitors]: [u64; 3]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut dice = Dice::new(seed);
    for _ in 0..unknown {
        let id: String = (0..43)
            .map(|_| char::from(DIGITS[dice.below(64) as usize]))
            .collect();
        // The last character has room for four bits alone.
        let id = format!("{}A", &id[..42]);
        assert!(engine.retrieve(&id).await.unwrap().is_none());
    }
    for _ in 0..malformed {
        let length = dice.below(100) as usize;
        let id: String = (0..length).map(|_| char::from(dice.any() as u8)).collect();
        assert!(engine.retrieve(&id).await.unwrap().is_none());
    }
    for _ in 0..visitors {
        let visitor = engine.anonymous();
        visitor.remove("nothing");
        assert_eq!(visitor.flush().await.unwrap(), Flushed::Unchanged);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f25_a_flood_of_unknown_ids_creates_nothing_and_disturbs_nobody() {
    for seed in seeds() {
        let plan = Plan {
            // What is asked here is not the deadline.
            timeout: Duration::from_secs(10),
            ..Plan::default()
        };
        let scene = Scene::with("F25 flood", seed, &[], plan).await;
        let begun = now();
        let mut during = (0, 0);
        let share = if long() { 100 } else { 1 };
        let report = scene
            .run(
                async |scene| {
                    let from = now();
                    let mut floods = JoinSet::new();
                    for number in 0..10 {
                        let engine = scene.engines[number % 2].clone();
                        let seed = seed * 100 + number as u64;
                        let counts = [600 * share, 60 * share, 24 * share];
                        floods.spawn(async move { flood(&engine, seed, counts).await });
                    }
                    floods.join_all().await;
                    during = (from, now());
                },
                async |_| {},
            )
            .await;
        report.nothing_lost();
        let history = &scene.load.history;
        assert_eq!(history.errors(), 0, "{}", report.line);
        let took = Duration::from_micros(during.1 - during.0);
        let [before, under] = [
            history.p99(begun, during.0),
            history.p99(during.0, during.1),
        ];
        eprintln!(
            "F25, seed {seed}: {} ids in {took:.1?}, {:.0} a second; 99 of 100 calls of others within \
             {before:.1?} before, {under:.1?} during: {:.1} times as long",
            6_840 * share,
            (6_840 * share) as f64 / took.as_secs_f64(),
            under.as_secs_f64() / before.as_secs_f64(),
        );
        // Whatever is there, the load has made: it names its life.
        let remains = Remains::of(&scene.server).await;
        let strange = remains.payloads.iter().filter(|(_, payload)| {
            let payload = String::from_utf8_lossy(payload);
            !payload.contains("\"life\":") && !payload.contains("\"x\":")
        });
        assert_eq!(strange.count(), 0);
    }
}

/// Neither in this process nor in the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f25_a_flood_leaves_nothing_in_memory() {
    let bench = Bench::new(Kind::Redis).await;
    let _there = bench.session(&[("a", 1)]).await;
    let keys = bench.server().scan().await;
    let share = if long() { 100 } else { 1 };
    // What a process has after its first requests it keeps.
    flood(&bench.engine, 1, [5_000, 500, 200]).await;
    let before = resident_kib();
    flood(
        &bench.engine,
        2,
        [15_000 * share, 1_500 * share, 600 * share],
    )
    .await;
    let grown = resident_kib().saturating_sub(before);
    eprintln!("F25: {} ids, {grown} KiB more", 17_100 * share);
    assert!(grown < 1_024, "{grown} KiB more");
    assert!(bench.server().scan().await == keys, "no key more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f25_what_has_no_shape_costs_no_command_and_the_unknown_one_each() {
    let bench = Bench::new(Kind::Redis).await;
    let before = bench.steps().await;
    flood(&bench.engine, 1, [0, 2_000, 1_000]).await;
    assert_eq!(bench.steps().await, before);
    flood(&bench.engine, 1, [2_000, 0, 0]).await;
    assert_eq!(bench.steps().await, before + 2_000);
    assert!(bench.server().scan().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f25_sessions_of_the_greatest_size_are_whole() {
    let bench = Bench::new(Kind::Redis).await;
    let sessions = if long() { 10_000 } else { 20 };
    // Of the 1 MiB that a payload may have, the rest is for what is around the entry.
    let text = "x".repeat((1 << 20) - 200);
    let begun = Instant::now();
    let mut ids = Vec::new();
    for _ in 0..sessions {
        let session = bench.engine.anonymous();
        session.set("text", &text).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Created);
        ids.push(id(&session));
        session.set("more", &text).unwrap();
        assert!(session.flush().await.unwrap_err().is_refused());
        session.discard();
    }
    for id in &ids {
        let found = bench.find_id(id).await.unwrap();
        assert!(found.get::<String>("text").unwrap().as_ref() == Some(&text));
    }
    eprintln!(
        "F25: {sessions} sessions of 1 MiB in {:.1?}",
        begun.elapsed()
    );
}
