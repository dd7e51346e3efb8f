//! The server is there and refuses: it is full, its disk is, it still loads, it has forgotten our
//! scripts.

use std::fs;
use std::time::Duration;

use dancer_session::{Flushed, Session, SessionEngine};
use testbench::{Ending, RedisServer};
use tokio::time::sleep;

use super::history::now;
use super::load::Plan;
use super::scene::{Allowed, Pace, Scene, seeds};
use crate::bench::{get, id};

/// A session that stands apart from the load.
async fn session(engine: &SessionEngine) -> Session {
    let session = engine.anonymous();
    session.set("n", 1).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Created);
    session
}

/// A server that refuses to write: sessions are read, changes are reported as not stored, and so is
/// a log-out, unless it can be carried out.
async fn refuses_to_write(engine: &SessionEngine, session: &Session, log_out: bool) {
    let read = engine.retrieve(&id(session)).await;
    let read = read.unwrap().expect("it is there");
    assert_eq!(get(&read, "n"), Some(1), "sessions are read");
    read.set("n", 2).unwrap();
    let error = read.flush().await.unwrap_err();
    assert!(error.is_unavailable() && !error.is_unknown(), "{error}");
    read.discard();
    read.destroy();
    match read.flush().await {
        Ok(flushed) => {
            assert!(log_out, "it was not stored");
            assert_eq!(flushed, Flushed::Destroyed);
        }
        Err(error) => {
            assert!(!log_out, "a log-out works: {error}");
            assert!(error.is_unavailable() && !error.is_unknown(), "{error}");
            assert!(!read.is_destroyed(), "and is not reported as done");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_a_full_server_that_evicts_nothing_loses_nothing() {
    for seed in seeds() {
        let scene = Scene::new("F15 (c) full, noeviction", seed, &[]).await;
        let probe = session(&scene.engines[0]).await;
        let full = async |scene: &Scene| {
            let () = scene.ask("CONFIG SET maxmemory 1").await.unwrap();
            refuses_to_write(&scene.engines[0], &probe, true).await;
        };
        let report = scene.run(full, async |scene| {
            let () = scene.ask("CONFIG SET maxmemory 0").await.unwrap();
        });
        report.await.nothing_lost();
        let gone = scene.engines[0].retrieve(&id(&probe)).await.unwrap();
        assert!(gone.is_none_or(|gone| gone.is_ended()));
    }
}

/// What evicts sessions logs visitors out. Everything else holds: no error, nothing mixed up, no
/// part of a session.
async fn evicting(name: &'static str, policy: &'static str) {
    for seed in seeds() {
        let scene = Scene::new(name, seed, &["--maxmemory-policy", policy]).await;
        let until = now() + 60_000_000;
        let evicting = async |scene: &Scene| {
            // So little that some go, and no more than those that come fit.
            let memory: String = scene.ask("INFO memory").await.unwrap();
            let used = memory.split("used_memory:").nth(1).unwrap();
            let used: u64 = used.lines().next().unwrap().parse().unwrap();
            let set = format!("CONFIG SET maxmemory {}", used - 8_000);
            let () = scene.ask(&set).await.unwrap();
        };
        let report = scene.run(evicting, async |scene| {
            let () = scene.ask("CONFIG SET maxmemory 0").await.unwrap();
        });
        report.await.lost_only(Allowed { from: 0, until });
        let stats: String = scene.ask("INFO stats").await.unwrap();
        assert!(!stats.contains("evicted_keys:0\r"), "nothing was evicted");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_a_full_server_that_evicts_the_least_used_logs_out_and_mixes_nothing_up() {
    evicting("F15 (a) full, allkeys-lru", "allkeys-lru").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_a_full_server_that_evicts_what_ends_soonest_logs_out_and_mixes_nothing_up() {
    evicting("F15 (b) full, volatile-ttl", "volatile-ttl").await;
}

/// Takes a snapshot, and waits until it has ended so.
async fn snapshot(scene: &Scene, status: &str) {
    let () = scene.ask("BGSAVE").await.unwrap();
    loop {
        let info: String = scene.ask("INFO persistence").await.unwrap();
        let saving = info.contains("rdb_bgsave_in_progress:1");
        if !saving && info.contains(&format!("rdb_last_bgsave_status:{status}\r")) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f16_a_server_that_can_not_save_refuses_changes_and_loses_nothing() {
    for seed in seeds() {
        let scene = Scene::new("F16 MISCONF", seed, &["--save", "86400 1000000"]).await;
        let probe = session(&scene.engines[0]).await;
        // A directory where the file should be: renaming the new one fails, also for root.
        let place = scene.server.directory().join("dump.rdb");
        let broken = async |scene: &Scene| {
            fs::create_dir(&place).unwrap();
            fs::write(place.join("occupied"), "").unwrap();
            snapshot(scene, "err").await;
            refuses_to_write(&scene.engines[0], &probe, false).await;
        };
        let report = scene.run(broken, async |scene| {
            fs::remove_dir_all(&place).unwrap();
            snapshot(scene, "ok").await;
        });
        report.await.nothing_lost();
        let still = scene.engines[0].retrieve(&id(&probe)).await.unwrap();
        assert!(still.is_some_and(|still| !still.is_ended()), "logged in");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f17_a_server_that_still_loads_is_waited_for() {
    let arguments = [
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--aof-use-rdb-preamble",
        "no",
        // Microseconds for each command.
        "--key-load-delay",
        "200",
    ];
    for seed in seeds() {
        let plan = Plan {
            timeout: Duration::from_secs(3),
            ..Plan::default()
        };
        let scene = Scene::with("F17 LOADING", seed, &arguments, plan).await;
        // Much to load: it answers once in 1024 commands meanwhile.
        let mut much = redis::pipe();
        for _ in 0..3_000 {
            much.cmd("SET").arg("much").arg("x").ignore();
        }
        much.cmd("DEL").arg("much").ignore();
        let mut connection = scene.server.connection().await;
        let () = much.query_async(&mut connection).await.unwrap();
        let restart = async |scene: &Scene| {
            scene.apart(|server| server.stop(Ending::Crash)).await;
            let (loading, ()) = tokio::join!(loading(scene), scene.apart(RedisServer::launch));
            assert!(loading > 0, "nobody has seen it load");
        };
        let report = scene.run(restart, async |_| {}).await;
        report.nothing_lost();
        let errors = scene.load.history.errors();
        eprintln!("{}: {errors} errors in all", report.line);
    }
}

/// Asks until the server has loaded; returns how often it said that it had not yet.
async fn loading(scene: &Scene) -> usize {
    let client = redis::Client::open(format!("unix://{}", scene.server.sock().display()));
    let client = client.unwrap();
    let mut said = 0;
    loop {
        if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
            match redis::cmd("PING")
                .query_async::<String>(&mut connection)
                .await
            {
                Ok(_) => return said,
                Err(error) if error.code() == Some("LOADING") => said += 1,
                Err(_) => {}
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f17_a_server_that_forgets_the_scripts_is_told_them_again() {
    for seed in seeds() {
        let plan = Plan {
            // Nothing here takes time but a loaded machine.
            timeout: Duration::from_secs(5),
            ..Plan::default()
        };
        let scene = Scene::with("F17 SCRIPT FLUSH", seed, &[], plan).await;
        let flushing = async |scene: &Scene| {
            let until = now() + Pace::new().fault.as_micros() as u64;
            while now() < until {
                let () = scene.ask("SCRIPT FLUSH SYNC").await.unwrap();
                sleep(Duration::from_millis(3)).await;
            }
        };
        let report = scene.run(flushing, async |_| {}).await;
        report.nothing_lost();
        assert_eq!(scene.load.history.errors(), 0, "{}", report.line);
        let calls = scene.server.commands().await.calls("eval");
        assert!(calls > 10, "only {calls} scripts were told again");
    }
}
