//! The server's process: frozen, killed, started again with what it had on disk.

use std::time::Duration;

use testbench::{Ending, RedisServer};

use super::history::now;
use super::scene::{Allowed, Pace, Report, Scene, seeds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f03_a_frozen_server_loses_nothing() {
    for seed in seeds() {
        let scene = Scene::new("F03 frozen", seed, &[]).await;
        let report = scene.run(
            async |scene| scene.server.pause(),
            async |scene| scene.server.resume(),
        );
        report.await.nothing_lost();
    }
}

/// Kills the server, leaves it away for the time of the fault, and starts it again.
async fn killed(scene: &Scene) -> Report {
    let kill = async |scene: &Scene| scene.apart(|server| server.stop(Ending::Crash)).await;
    scene
        .run(kill, async |scene| scene.apart(RedisServer::launch).await)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_a_kill_with_every_write_on_disk_loses_nothing() {
    let arguments = ["--appendonly", "yes", "--appendfsync", "always"];
    for seed in seeds() {
        let scene = Scene::new("F06 (a) AOF always", seed, &arguments).await;
        killed(&scene).await.nothing_lost();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_a_kill_with_the_disk_a_second_behind_loses_two_seconds_at_most() {
    let arguments = ["--appendonly", "yes", "--appendfsync", "everysec"];
    for seed in seeds() {
        let scene = Scene::new("F06 (b) AOF everysec", seed, &arguments).await;
        let pace = Pace::new();
        let killed_at = now() + pace.before.as_micros() as u64;
        let report = killed(&scene).await;
        let margin = 500_000;
        report.lost_only(Allowed {
            from: killed_at - 2_000_000,
            until: killed_at + margin,
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_a_kill_with_snapshots_goes_back_to_the_last_one() {
    for seed in seeds() {
        // Snapshots are taken only when the test says so.
        let scene = Scene::new("F06 (c) snapshot", seed, &["--save", "86400 1"]).await;
        let before = Pace::new().before;
        let begun = now();
        let snapshot = async {
            tokio::time::sleep(before / 2).await;
            let from = now();
            let () = scene.ask("SAVE").await.unwrap();
            from
        };
        let (report, from) = tokio::join!(killed(&scene), snapshot);
        let until = begun + micros(before) + 500_000;
        let lost = report.lost_only(Allowed { from, until });
        assert!(lost > 0, "the kill came too soon to lose anything");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_a_kill_with_nothing_on_disk_logs_everybody_out_and_goes_on() {
    for seed in seeds() {
        let scene = Scene::new("F06 (d) nothing", seed, &[]).await;
        let begun = now();
        let report = killed(&scene).await;
        let until = begun + micros(Pace::new().before) + 500_000;
        let lost = report.lost_only(Allowed { from: 0, until });
        assert!(lost > 0);
        assert!(report.back_after.is_some(), "visitors begin anew");
    }
}

fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}
