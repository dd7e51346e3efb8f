//! The server acted, and its reply never came (R36, rule 4.12).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dancer_session::{Flushed, SessionEngine, Settings};
use testbench::{Proxy, RedisServer};

use super::{apart, init};
use crate::bench::{get, id};

struct Bench {
    server: RedisServer,
    proxy: Proxy,
    /// Behind the proxy.
    engine: SessionEngine,
    /// On the server itself.
    direct: SessionEngine,
}

impl Bench {
    async fn new() -> Self {
        let server = RedisServer::start();
        let proxy = Proxy::to(&server).await;
        let settings = Settings {
            timeout: Duration::from_secs(20),
            ..Settings::default()
        };
        let behind = Settings {
            server: Some(proxy.url()),
            ..settings.clone()
        };
        let beside = Settings {
            sock: Some(server.sock().to_owned()),
            ..settings
        };
        let engine = init(behind).await.unwrap();
        let direct = init(beside).await.unwrap();
        Self {
            server,
            proxy,
            engine,
            direct,
        }
    }

    /// Loses the replies to the next `times` requests that contain `word`.
    fn lose(&self, word: &'static str, times: usize) {
        let has = move |request: &[u8]| {
            request
                .windows(word.len())
                .any(|part| part == word.as_bytes())
        };
        self.proxy.lose_replies(has, times);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r36_every_step_finds_out_what_became_of_it() {
    let bench = Bench::new().await;
    for lost in 1..=3 {
        // The words as they stand on the wire.
        bench.lose("$3\r\nSET\r\n", lost);
        let session = bench.engine.anonymous();
        session.set("n", 0).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Created);
        assert_eq!(bench.server.scan().await.len(), 1, "created once");

        bench.lose("EVALSHA", lost);
        session
            .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
            .unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        assert_eq!(get(&session, "n"), Some(1), "counted once");

        bench.lose("EVALSHA", lost);
        session
            .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
            .unwrap();
        session.renew();
        assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
        let renewed = bench.direct.retrieve(&id(&session)).await.unwrap().unwrap();
        assert_eq!(get(&renewed, "n"), Some(2), "renewed once");
        assert_eq!(bench.server.scan().await.len(), 2);

        bench.lose("GETEX", lost);
        assert!(
            bench
                .engine
                .retrieve(&id(&session))
                .await
                .unwrap()
                .is_some()
        );

        bench.lose("EVALSHA", lost);
        session.destroy();
        assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
        let _: () = redis::cmd("FLUSHALL")
            .query_async(&mut bench.server.connection().await)
            .await
            .unwrap();
    }
    assert_eq!(bench.proxy.lost_replies(), 5 * (1 + 2 + 3));
}

/// Set, remove and clear are done again when nobody knows: doing them twice does not show.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r36_sets_are_done_again_when_another_writer_came_between() {
    let bench = Bench::new().await;
    let session = bench.engine.create().await.unwrap();
    let session_id = id(&session);
    let other = bench.direct.retrieve(&session_id).await.unwrap().unwrap();
    other.set("theirs", 1).unwrap();
    bench.lose("EVALSHA", 1);
    // The lost one is refused: another writer was faster.
    assert_eq!(other.flush().await.unwrap(), Flushed::Stored);
    session.set("ours", 2).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(session.keys(), ["theirs", "ours"]);
    assert_eq!(bench.proxy.lost_replies(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r36_two_writers_and_every_fifth_reply_lost() {
    let bench = Bench::new().await;
    let session = bench.direct.create().await.unwrap();
    let seen = AtomicU64::new(0);
    let every_fifth = move |request: &[u8]| {
        request.windows(7).any(|part| part == b"EVALSHA")
            && seen.fetch_add(1, Ordering::SeqCst) % 5 == 4
    };
    bench.proxy.lose_replies(every_fifth, usize::MAX);
    let writers = [&bench.engine, &bench.direct].map(|engine| {
        let (engine, id) = (engine.clone(), id(&session));
        apart(async move {
            let (mut acknowledged, mut unknown) = (0, 0);
            for _ in 0..400 {
                let session = engine.retrieve(&id).await.unwrap().unwrap();
                session
                    .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
                    .unwrap();
                match session.flush().await {
                    Ok(flushed) => {
                        assert_eq!(flushed, Flushed::Stored);
                        acknowledged += 1;
                    }
                    Err(error) => {
                        assert!(error.is_unknown(), "{error}");
                        // Not tried again behind the application's back.
                        assert!(session.flush().await.unwrap_err().is_unknown());
                        unknown += 1;
                    }
                }
            }
            (acknowledged, unknown)
        })
    });
    let [behind, beside] = writers;
    let (behind, beside) = (behind.await.unwrap(), beside.await.unwrap());
    assert!(
        bench.proxy.lost_replies() > 20,
        "{}",
        bench.proxy.lost_replies()
    );
    assert_eq!(beside, (400, 0), "who loses no reply is never in doubt");
    let acknowledged = behind.0 + beside.0;
    let last = bench.direct.retrieve(&id(&session)).await.unwrap().unwrap();
    let counted = get(&last, "n").unwrap();
    assert!(
        (acknowledged..=acknowledged + behind.1).contains(&counted),
        "{counted} counted, {acknowledged} acknowledged, {} unknown",
        behind.1
    );
}

/// A log-out whose reply is lost does not take its own stub over a renew's for the end of a session
/// that lives on under another id (rule 4.3).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r36_a_log_out_after_a_renew_is_not_reported_as_done() {
    let bench = Bench::new().await;
    let session = bench.direct.create().await.unwrap();
    session.set("n", 1).unwrap();
    let _ = session.flush().await.unwrap();
    let late = bench.engine.retrieve(&id(&session)).await.unwrap().unwrap();
    session.renew();
    assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
    bench.lose("EVALSHA", 1);
    late.destroy();
    assert_eq!(late.flush().await.unwrap(), Flushed::Ended);
    assert!(!late.is_destroyed());
    assert_eq!(bench.proxy.lost_replies(), 1);
    let lives = bench.direct.retrieve(&id(&session)).await.unwrap().unwrap();
    assert_eq!(get(&lives, "n"), Some(1));
}
