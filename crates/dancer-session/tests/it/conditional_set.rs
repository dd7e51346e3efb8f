//! Servers that have `SET … IFEQ` are spared the script of a flush. None of those that tests can start
//! has it, so one is played: what it would do, a script does on a real server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dancer_session::{Flushed, SessionEngine, Settings};
use testbench::{RedisServer, Say, Substitute};

use crate::bench::{get, id};

const AS_REDIS_8_4: &str = "\
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
return redis.call('SET', KEYS[1], ARGV[2], unpack(ARGV, 3))";

/// What a newer server does with a command; of two versions of the protocol it speaks the older one.
fn newer(command: &[String]) -> Say {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    match words[..] {
        ["HELLO"] => Say::Line("*4\r\n+server\r\n+redis\r\n+version\r\n+8.4.0".into()),
        ["SET", key, payload, "IFEQ", read, ref time @ ..] => {
            let mut instead = vec!["EVAL", AS_REDIS_8_4, "1", key, read, payload];
            instead.extend(time);
            Say::Instead(instead.into_iter().map(str::to_owned).collect())
        }
        _ => Say::Pass,
    }
}

struct Bench {
    substitute: Substitute,
    engine: SessionEngine,
    /// On the server itself, with the script.
    direct: SessionEngine,
    server: RedisServer,
}

impl Bench {
    async fn new(rule: impl Fn(&[String]) -> Say + Send + Sync + 'static) -> Self {
        let server = RedisServer::start();
        let substitute = Substitute::of(&server).await;
        substitute.rule(rule);
        let settings = Settings {
            server: Some(substitute.url()),
            timeout: Duration::from_secs(10),
            ..Settings::default()
        };
        let beside = Settings {
            sock: Some(server.sock().to_owned()),
            ..settings.clone()
        };
        let engine = SessionEngine::init(settings).await.unwrap();
        let _ = substitute.asked();
        Self {
            engine,
            direct: SessionEngine::init(beside).await.unwrap(),
            substitute,
            server,
        }
    }

    async fn every_key_ends(&self) {
        let mut connection = self.server.connection().await;
        let keys = self.server.scan().await;
        assert!(!keys.is_empty());
        for key in keys {
            let left = redis::cmd("PTTL").arg(&key).to_owned();
            let left: i64 = left.query_async(&mut connection).await.unwrap();
            assert!((800_000..=900_000).contains(&left), "{left}");
        }
    }
}

/// Both with a time to live and without, as right after a read.
#[tokio::test]
async fn r14_what_is_set_on_a_condition_ends_too() {
    let bench = Bench::new(newer).await;
    let session = bench.engine.create().await.unwrap();
    for pause in [0, 0, 0, 60, 60] {
        let session = bench.engine.retrieve(&id(&session)).await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        session.set("n", pause).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        bench.every_key_ends().await;
    }
}

#[tokio::test]
async fn a_flush_is_one_set_where_the_server_has_the_condition() {
    let bench = Bench::new(newer).await;
    let session = bench.engine.create().await.unwrap();
    let _ = bench.substitute.asked();
    session.set("n", 1).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(bench.substitute.asked(), ["SET"]);
    bench.every_key_ends().await;
    let read = bench.direct.retrieve(&id(&session)).await.unwrap().unwrap();
    assert_eq!(get(&read, "n"), Some(1));
}

#[tokio::test]
async fn r12_whoever_was_faster_loses_nothing_and_a_log_out_stands() {
    let bench = Bench::new(newer).await;
    let session = bench.engine.create().await.unwrap();
    let other = bench.direct.retrieve(&id(&session)).await.unwrap().unwrap();
    other.set("theirs", 2).unwrap();
    assert_eq!(other.flush().await.unwrap(), Flushed::Stored);
    let _ = bench.substitute.asked();
    session.set("ours", 1).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(bench.substitute.asked(), ["SET", "GET", "SET"]);
    let both = bench.direct.retrieve(&id(&session)).await.unwrap().unwrap();
    assert_eq!(get(&both, "theirs"), Some(2));
    assert_eq!(get(&both, "ours"), Some(1));

    both.destroy();
    assert_eq!(both.flush().await.unwrap(), Flushed::Destroyed);
    session.set("ours", 3).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Ended);
    let ended = bench.direct.retrieve(&id(&session)).await.unwrap().unwrap();
    assert!(ended.is_ended());
}

#[tokio::test]
async fn r10_what_is_gone_is_not_stored_again() {
    let bench = Bench::new(newer).await;
    let session = bench.engine.create().await.unwrap();
    let mut connection = bench.server.connection().await;
    let empty = redis::cmd("FLUSHALL");
    let emptied = empty.query_async::<()>(&mut connection);
    emptied.await.unwrap();
    session.set("n", 1).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Ended);
    assert_eq!(bench.server.scan().await.len(), 0);
}

/// A reply that is lost: the second try finds the work of the first.
#[tokio::test]
async fn r36_a_set_without_a_reply_is_found_out() {
    let lose = Arc::new(AtomicBool::new(false));
    let bench = Bench::new({
        let lose = Arc::clone(&lose);
        move |command: &[String]| match newer(command) {
            Say::Instead(words) if lose.swap(false, Ordering::SeqCst) => Say::Lost(words),
            said => said,
        }
    })
    .await;
    let session = bench.engine.create().await.unwrap();
    session
        .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
        .unwrap();
    lose.store(true, Ordering::SeqCst);
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert!(!lose.load(Ordering::SeqCst), "one answer was lost");
    let read = bench.direct.retrieve(&id(&session)).await.unwrap().unwrap();
    assert_eq!(get(&read, "n"), Some(1));
}

/// A server that does not know the condition after all: an older one that is there after a change of
/// servers, or something between us that calls itself newer.
#[tokio::test]
async fn a_server_that_does_not_know_it_gets_the_script() {
    let bench = Bench::new(|command: &[String]| match newer(command) {
        Say::Instead(_) => Say::Pass,
        said => said,
    })
    .await;
    let session = bench.engine.create().await.unwrap();
    let _ = bench.substitute.asked();
    session.set("n", 1).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let asked = bench.substitute.asked();
    assert_eq!(asked[..2], ["SET", "EVALSHA"], "{asked:?}");
}
