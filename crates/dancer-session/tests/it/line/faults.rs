//! A server and a network that misbehave: what is reported is true, and nothing is hammered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use dancer_session::{Clock, Error, Flushed, SessionEngine, Settings};
use testbench::{Proxy, RedisServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{apart, init};
use crate::bench::{get, id};

fn behind(proxy: &Proxy, timeout: Duration) -> Settings {
    Settings {
        server: Some(proxy.url()),
        timeout,
        ..Settings::default()
    }
}

fn beside(server: &RedisServer) -> Settings {
    Settings {
        sock: Some(server.sock().to_owned()),
        ..Settings::default()
    }
}

/// Loses the reply to the next request that contains `word`, and takes no connection afterwards.
fn lose_and_close(proxy: &Arc<Proxy>, word: &'static str) {
    let network = Arc::clone(proxy);
    let hit = move |request: &[u8]| {
        let hit = request
            .windows(word.len())
            .any(|part| part == word.as_bytes());
        if hit {
            network.refuse(true);
        }
        hit
    };
    proxy.lose_replies(hit, 1);
}

/// After an outage of one `timeout` calls fail at once until a probe has found that it is over: asks until
/// then.
async fn at_last<T>(ask: impl AsyncFn() -> Result<T, Error>) -> T {
    let begun = Instant::now();
    loop {
        match ask().await {
            Err(error) if error.is_unavailable() && begun.elapsed() < Duration::from_secs(5) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            answer => return answer.unwrap(),
        }
    }
}

/// Waits until the server has carried out one more of these commands.
async fn carried_out(server: &RedisServer, command: &str, before: u64) {
    while server.commands().await.calls(command) == before {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_4_4_no_grace_and_a_short_timeout_work_at_every_moment_of_a_second() {
    let server = RedisServer::start();
    let now = Arc::new(AtomicUsize::new(0));
    let shown = Arc::clone(&now);
    let base = SystemTime::now();
    let clock =
        Clock::new(move || base + Duration::from_millis(shown.load(Ordering::SeqCst) as u64));
    let settings = Settings {
        renew_grace: Duration::ZERO,
        timeout: Duration::from_millis(900),
        ..beside(&server)
    };
    let engine = SessionEngine::builder(settings)
        .clock(clock)
        .init()
        .await
        .unwrap();
    for _ in 0..40 {
        now.fetch_add(53, Ordering::SeqCst);
        let session = engine.create().await.unwrap();
        session.set("user", 1).unwrap();
        session.renew();
        assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
        session.destroy();
        assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
    }
    for key in server.scan().await {
        assert!((1..=900).contains(&server.pttl(&key).await));
    }
}

/// Applied, its reply lost, and another writer before the engine could ask again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r36_an_update_that_may_have_been_stored_is_not_done_again() {
    let server = RedisServer::start();
    let proxy = Arc::new(Proxy::to(&server).await);
    let long = Duration::from_secs(20);
    let engine = init(behind(&proxy, long)).await.unwrap();
    let direct = init(beside(&server)).await.unwrap();
    let inc = |n: Option<u64>| n.unwrap_or(0) + 1;
    let session = direct.create().await.unwrap();
    session.update("n", inc).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);

    let ours = engine.retrieve(&id(&session)).await.unwrap().unwrap();
    ours.update("n", inc).unwrap();
    let before = server.commands().await.calls("evalsha");
    lose_and_close(&proxy, "EVALSHA");
    let flush = apart({
        let ours = ours.clone();
        async move { ours.flush().await }
    });
    carried_out(&server, "evalsha", before).await;
    let theirs = direct.retrieve(&id(&session)).await.unwrap().unwrap();
    assert_eq!(get(&theirs, "n"), Some(2), "it was carried out");
    theirs.update("n", inc).unwrap();
    assert_eq!(theirs.flush().await.unwrap(), Flushed::Stored);
    proxy.refuse(false);
    assert!(flush.await.unwrap().unwrap_err().is_unknown());
    let last = direct.retrieve(&id(&session)).await.unwrap().unwrap();
    assert_eq!(get(&last, "n"), Some(3), "once each");
    assert!(
        ours.flush().await.unwrap_err().is_unknown(),
        "and not behind the caller's back"
    );
}

/// A renew whose reply is lost, and a log-out under the old id before the engine asks again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r07_a_renew_whose_reply_is_lost_makes_one_session_not_two() {
    let server = RedisServer::start();
    let proxy = Arc::new(Proxy::to(&server).await);
    let engine = init(behind(&proxy, Duration::from_secs(20))).await.unwrap();
    let direct = init(beside(&server)).await.unwrap();
    let session = direct.create().await.unwrap();
    session.set("old", 1).unwrap();
    session.renew();
    assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);

    let logs_in = engine.retrieve(&id(&session)).await.unwrap().unwrap();
    logs_in.set("user", 1).unwrap();
    logs_in.renew();
    let logs_out = direct.retrieve(&id(&session)).await.unwrap().unwrap();
    let before = server.commands().await.calls("evalsha");
    lose_and_close(&proxy, "EVALSHA");
    let flush = apart({
        let logs_in = logs_in.clone();
        async move { logs_in.flush().await }
    });
    carried_out(&server, "evalsha", before).await;
    logs_out.destroy();
    assert_eq!(
        logs_out.flush().await.unwrap(),
        Flushed::Ended,
        "it came too late"
    );
    proxy.refuse(false);
    assert_eq!(flush.await.unwrap().unwrap(), Flushed::Renewed);
    let mut connection = server.connection().await;
    let mut logged_in = 0;
    for key in server.scan().await {
        let get = redis::cmd("GET").arg(&key).to_owned();
        let payload: String = get.query_async(&mut connection).await.unwrap();
        logged_in += usize::from(payload.contains("\"user\""));
    }
    assert_eq!(logged_in, 1);
    let found = direct.retrieve(&id(&logs_in)).await.unwrap().unwrap();
    assert_eq!(
        (get(&found, "old"), get(&found, "user")),
        (Some(1), Some(1))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r35_what_may_have_happened_is_never_called_not_applied() {
    let server = RedisServer::start();
    let proxy = Arc::new(Proxy::to(&server).await);
    let engine = init(behind(&proxy, Duration::from_millis(500)))
        .await
        .unwrap();
    let direct = init(beside(&server)).await.unwrap();
    for destroy in [true, false] {
        proxy.refuse(false);
        let session = match destroy {
            true => at_last(async || engine.create().await).await,
            false => engine.anonymous(),
        };
        let old = session.id();
        session.set("a", 1).unwrap();
        if destroy {
            // The server has the script then.
            let _ = session.flush().await.unwrap();
            session.destroy();
        }
        let before = server.commands().await.calls("set");
        let word = if destroy { "EVALSHA" } else { "$3\r\nSET\r\n" };
        lose_and_close(&proxy, word);
        let error = session.flush().await.unwrap_err();
        assert!(error.is_unknown() && error.is_unavailable(), "{error}");
        assert_eq!(
            server.commands().await.calls("set"),
            before + 1,
            "it was carried out"
        );
        proxy.refuse(false);
        // Asking again finds out, and then all is well.
        let after = at_last(async || session.flush().await).await;
        match old {
            Some(old) => {
                assert_eq!(after, Flushed::Destroyed);
                let old = direct.retrieve(old.as_str()).await.unwrap();
                assert!(old.is_none_or(|old| old.is_ended()));
            }
            None => assert_eq!(after, Flushed::Created),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destroy_that_could_not_be_stored_is_reported_and_still_pending() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server).await;
    let engine = init(behind(&proxy, Duration::from_millis(300)))
        .await
        .unwrap();
    let session = engine.create().await.unwrap();
    let old = id(&session);
    session.set("a", 1).unwrap();
    session.destroy();
    session.set("b", 1).unwrap();
    proxy.refuse(true);
    assert!(session.flush().await.unwrap_err().is_unavailable());
    assert!(!session.is_destroyed(), "it is still in the store");
    proxy.refuse(false);
    let there = at_last(async || engine.retrieve(&old).await).await.unwrap();
    assert!(!there.is_ended());
    assert_eq!(session.flush().await.unwrap(), Flushed::Created);
    assert!(engine.retrieve(&old).await.unwrap().unwrap().is_ended());
    assert_eq!(session.keys(), ["b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_line_connects_if_there_is_time() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server).await;
    proxy.delay(Duration::from_millis(400));
    let engine = init(behind(&proxy, Duration::from_secs(20))).await;
    assert!(engine.is_ok(), "{:?}", engine.err());
}

/// What a server of our own answers to anything but `PING` and `HELLO`.
type Answers = fn(usize) -> Option<&'static [u8]>;

/// An engine on such a server, and how many connections that has had.
async fn engine_on(answers: Answers) -> (SessionEngine, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Some(listener.local_addr().unwrap().to_string());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let asked = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(client, answers, Arc::clone(&asked)));
        }
    });
    let settings = Settings {
        server,
        ..Settings::default()
    };
    (init(settings).await.unwrap(), connections)
}

async fn serve(mut client: TcpStream, answers: Answers, asked: Arc<AtomicUsize>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = client.read(&mut buffer).await {
        let request = &buffer[..length];
        let holds = |word: &[u8]| request.windows(word.len()).any(|part| part == word);
        // What every new connection begins with comes together, or one by one.
        let answer: Option<&[u8]> = if holds(b"PING") && holds(b"HELLO") {
            Some(b"+PONG\r\n-ERR unknown command\r\n")
        } else if holds(b"PING") {
            Some(b"+PONG\r\n")
        } else if holds(b"HELLO") {
            Some(b"-ERR unknown command\r\n")
        } else if holds(b"SETINFO") {
            Some(b"+OK\r\n+OK\r\n")
        } else {
            answers(asked.fetch_add(1, Ordering::SeqCst))
        };
        let Some(answer) = answer else { return };
        client.write_all(answer).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_a_server_that_hangs_up_is_not_hammered() {
    let (engine, connections) = engine_on(|_| None).await;
    assert!(
        engine
            .retrieve(&"A".repeat(43))
            .await
            .unwrap_err()
            .is_unavailable()
    );
    let connections = connections.load(Ordering::SeqCst);
    assert!(
        (2..100).contains(&connections),
        "{connections} connections by one request"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_still_loads_is_waited_for() {
    let loading: Answers = |n| match n {
        0..3 => Some(b"-LOADING Redis is loading the dataset in memory\r\n"),
        _ => Some(b"$-1\r\n"),
    };
    let (engine, connections) = engine_on(loading).await;
    assert!(engine.retrieve(&"A".repeat(43)).await.unwrap().is_none());
    assert_eq!(
        connections.load(Ordering::SeqCst),
        1,
        "on the same connection"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_become_a_replica_is_left() {
    let readonly: Answers = |n| match n {
        0 => Some(b"-READONLY You can't write against a read only replica.\r\n"),
        _ => Some(b"$-1\r\n"),
    };
    let (engine, connections) = engine_on(readonly).await;
    assert!(engine.retrieve(&"A".repeat(43)).await.unwrap().is_none());
    assert_eq!(
        connections.load(Ordering::SeqCst),
        2,
        "the address is asked anew"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r34_after_an_answer_of_the_wrong_kind_the_connection_is_not_used_any_more() {
    let strange: Answers = |n| match n {
        0 => Some(b":42\r\n"),
        _ => Some(b"$-1\r\n"),
    };
    let (engine, connections) = engine_on(strange).await;
    assert!(
        engine
            .retrieve(&"A".repeat(43))
            .await
            .unwrap_err()
            .is_unavailable()
    );
    assert!(engine.retrieve(&"A".repeat(43)).await.unwrap().is_none());
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_unavailability_says_why() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server).await;
    let engine = init(behind(&proxy, Duration::from_millis(200)))
        .await
        .unwrap();
    let id = id(&engine.create().await.unwrap());
    proxy.black_hole(true);
    let requests = (0..6).map(|_| {
        let (engine, id) = (engine.clone(), id.clone());
        apart(async move { engine.retrieve(&id).await.unwrap_err().to_string() })
    });
    for request in requests.collect::<Vec<_>>() {
        let words = request.await.unwrap();
        assert!(!words.trim_end().ends_with(':'), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_short_timeouts_recover_after_a_moment_without_a_network() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server).await;
    let (engine, id) = loop {
        // So short a timeout may pass before a loaded machine answers.
        let engine = init(behind(&proxy, Duration::from_millis(90))).await;
        if let Ok(engine) = engine
            && let Ok(session) = engine.create().await
        {
            break (engine, id(&session));
        }
    };
    proxy.black_hole(true);
    let requests = (0..8).map(|_| {
        let (engine, id) = (engine.clone(), id.clone());
        apart(async move { engine.retrieve(&id).await.is_err() })
    });
    for request in requests.collect::<Vec<_>>() {
        assert!(request.await.unwrap());
    }
    proxy.black_hole(false);
    // Some may still meet what the outage has left; it does not stay so.
    for _ in 0..100 {
        if engine.retrieve(&id).await.is_ok() {
            return;
        }
    }
    panic!("a hundred requests later it has not recovered");
}

/// The attempts grow, and their sum passes every bound of a clock if nobody limits them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_a_long_timeout_ends_with_an_error_too() {
    let settings = Settings {
        server: Some("127.0.0.1:1".into()),
        timeout: Duration::from_secs(8),
        ..Settings::default()
    };
    let outcome = tokio::spawn(init(settings)).await;
    assert!(
        outcome
            .expect("it does not panic")
            .unwrap_err()
            .is_unavailable()
    );
}
