//! A server that takes no changes: sessions are read all the same, and what could not be stored is
//! reported as that, a log-out before all.

use std::path::Path;
use std::time::Duration;

use dancer_session::{Flushed, Layout, Secret, Session, SessionEngine, Settings};
use redis::aio::MultiplexedConnection;
use testbench::RedisServer;

use super::init;
use crate::bench::{get, id};

struct Bench {
    server: RedisServer,
    admin: MultiplexedConnection,
    engine: SessionEngine,
}

/// How a server comes to refuse changes, and to take them again.
struct Refusal {
    name: &'static str,
    begins: &'static [&'static str],
    ends: &'static [&'static str],
}

const REFUSALS: &[Refusal] = &[
    Refusal {
        name: "NOREPLICAS",
        begins: &["CONFIG SET min-replicas-to-write 1"],
        ends: &["CONFIG SET min-replicas-to-write 0"],
    },
    Refusal {
        name: "MISCONF",
        begins: &["CONFIG SET save 3600_1", "BGSAVE"],
        ends: &["CONFIG SET stop-writes-on-bgsave-error no"],
    },
    Refusal {
        name: "READONLY",
        begins: &["REPLICAOF 127.0.0.1 1"],
        ends: &["REPLICAOF NO ONE"],
    },
    Refusal {
        name: "NOPERM",
        begins: &["ACL SETUSER app -getex -set -evalsha -eval -pexpire"],
        ends: &["ACL SETUSER app +getex +set +evalsha +eval +pexpire"],
    },
    // A script may run, and a command in it may not, which each version says in other words.
    Refusal {
        name: "script",
        begins: &["ACL SETUSER app -set"],
        ends: &["ACL SETUSER app +set"],
    },
    Refusal {
        name: "OOM",
        begins: &["CONFIG SET maxmemory 1"],
        ends: &["CONFIG SET maxmemory 0"],
    },
];

impl Bench {
    async fn new(layout: Layout, timeout: Duration) -> Self {
        let user = "--user app on >pw ~* +ping +getex +get +pttl +set +pexpire +evalsha +eval";
        let user: Vec<_> = user.split(' ').collect();
        let server = RedisServer::start_with(&user);
        let settings = Settings {
            sock: Some(server.sock().to_owned()),
            username: Some("app".into()),
            password: Some(Secret::from("pw")),
            layout,
            timeout,
            ..Settings::default()
        };
        Self {
            admin: server.connection().await,
            engine: init(settings).await.unwrap(),
            server,
        }
    }

    async fn tell(&mut self, lines: &[&str]) {
        for line in lines {
            let mut words = line.split(' ').map(|word| word.replace('_', " "));
            let mut command = redis::cmd(&words.next().unwrap());
            command.arg(words.collect::<Vec<_>>());
            let _: redis::Value = command.query_async(&mut self.admin).await.unwrap();
        }
    }

    /// Until it refuses: a save that fails takes its time.
    async fn begin(&mut self, refusal: &Refusal) {
        if refusal.name == "MISCONF" {
            // Where the dump is to go there is a directory.
            let dump = self.server.directory().join("dump.rdb");
            std::fs::create_dir_all(dump.join(Path::new("in the way"))).unwrap();
        }
        self.tell(refusal.begins).await;
        if refusal.name == "MISCONF" {
            let set = redis::cmd("SET").arg("x").arg(1).to_owned();
            while set.query_async::<()>(&mut self.admin).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    async fn retrieve(&self, session: &Session) -> Session {
        let found = self.engine.retrieve(&id(session)).await;
        found.unwrap().expect("it is there")
    }
}

async fn session(engine: &SessionEngine, n: u64) -> Session {
    let session = engine.create().await.unwrap();
    session.set("n", n).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    session
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r35_a_server_that_takes_no_changes_is_read_and_a_log_out_is_not_called_done() {
    for layout in [Layout::Native, Layout::Dancer] {
        for refusal in REFUSALS {
            let mut bench = Bench::new(layout, Duration::from_millis(400)).await;
            let what = format!("{} in {layout:?}", refusal.name);
            let stored = session(&bench.engine, 1).await;
            let other = session(&bench.engine, 2).await;
            let before = bench.server.scan().await.len();
            bench.begin(refusal).await;

            let found = bench.retrieve(&stored).await;
            assert_eq!(get(&found, "n"), Some(1), "{what}");
            found.set("n", 3).unwrap();
            let error = found.flush().await.expect_err(&what);
            assert!(
                error.is_unavailable() && !error.is_unknown(),
                "{what}: {error}"
            );
            assert!(error.to_string().contains(refusal.name), "{what}: {error}");
            let for_the_operator = ["NOPERM", "script"].contains(&refusal.name);
            assert_eq!(
                error.is_misconfigured(),
                for_the_operator,
                "{what}: {error}"
            );
            assert!(bench.engine.create().await.is_err(), "{what}");

            let leaves = bench.retrieve(&other).await;
            leaves.destroy();
            let outcome = leaves.flush().await;
            if refusal.name == "OOM" {
                // That makes room.
                assert_eq!(outcome.unwrap(), Flushed::Destroyed, "{what}");
                assert!(bench.engine.retrieve(&id(&other)).await.unwrap().is_none());
                assert_eq!(bench.server.scan().await.len(), before - 1, "{what}");
            } else {
                assert!(outcome.expect_err(&what).is_unavailable(), "{what}");
                assert!(!leaves.is_destroyed(), "{what}");
                assert!(!bench.retrieve(&other).await.is_ended(), "{what}");
            }

            bench.tell(refusal.ends).await;
            // Both are still pending.
            assert_eq!(found.flush().await.unwrap(), Flushed::Stored, "{what}");
            assert_eq!(get(&bench.retrieve(&stored).await, "n"), Some(3), "{what}");
            if refusal.name != "OOM" {
                assert_eq!(leaves.flush().await.unwrap(), Flushed::Destroyed, "{what}");
                assert!(bench.retrieve(&other).await.is_ended(), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn f18_a_right_that_a_command_in_a_script_lacks_is_told_once() {
    let mut bench = Bench::new(Layout::Native, Duration::from_secs(20)).await;
    let stored = session(&bench.engine, 1).await;
    bench
        .tell(&["ACL SETUSER app -set", "CONFIG RESETSTAT"])
        .await;
    let events = crate::told::Events::default();
    let listening = events.listen();
    for _ in 0..20 {
        stored.set("n", 2).unwrap();
        assert!(stored.flush().await.unwrap_err().is_misconfigured());
    }
    drop(listening);
    let lines = events.0.lock().unwrap().clone();
    let told = lines.iter().filter(|line| line.contains("misconfigured"));
    assert_eq!(told.count(), 1, "{lines:?}");
    // Nobody asks again what has become of it.
    let stats: String = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(&mut bench.admin)
        .await
        .unwrap();
    let tries = stats
        .lines()
        .find(|line| line.starts_with("cmdstat_evalsha:"));
    assert!(tries.unwrap().contains("calls=20,"), "{stats}");
}

#[tokio::test]
async fn r45_a_log_out_without_room_is_told_once() {
    let mut bench = Bench::new(Layout::Native, Duration::from_secs(20)).await;
    let leaves = session(&bench.engine, 1).await;
    bench.tell(&["CONFIG SET maxmemory 1"]).await;
    let events = crate::told::Events::default();
    let listening = events.listen();
    leaves.destroy();
    assert_eq!(leaves.flush().await.unwrap(), Flushed::Destroyed);
    drop(listening);
    let lines = events.0.lock().unwrap().clone();
    let told = lines
        .iter()
        .filter(|line| line.contains("ended_without_stub"));
    assert_eq!(told.count(), 1, "{lines:?}");
}

/// One that another request has renewed meanwhile is not ended under its old id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_without_room_a_log_out_that_comes_too_late_is_told_so() {
    let mut bench = Bench::new(Layout::Native, Duration::from_secs(20)).await;
    let stored = session(&bench.engine, 1).await;
    let late = bench.retrieve(&stored).await;
    stored.renew();
    assert_eq!(stored.flush().await.unwrap(), Flushed::Renewed);
    bench.tell(&["CONFIG SET maxmemory 1"]).await;
    late.destroy();
    assert_eq!(late.flush().await.unwrap(), Flushed::Ended);
    assert!(!bench.retrieve(&stored).await.is_ended());
}
