//! What a test can do to the network.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};
use testbench::{Ending, Fault, Proxy, RedisServer};

use crate::ask;

async fn bench() -> (RedisServer, Proxy) {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server).await;
    (server, proxy)
}

async fn connect(proxy: &Proxy) -> RedisResult<MultiplexedConnection> {
    let patience = AsyncConnectionConfig::new().set_response_timeout(None);
    let client = Client::open(proxy.url())?;
    client
        .get_multiplexed_async_connection_with_config(&patience)
        .await
}

#[tokio::test]
async fn large_values_pass_unharmed_and_the_server_may_restart() {
    let (server, proxy) = bench().await;
    let value = "0123456789".repeat(100_000);
    for _ in 0..2 {
        let connection = connect(&proxy).await.unwrap();
        let () = ask(&connection, &format!("SET key {value}")).await.unwrap();
        let seen: String = ask(&connection, "GET key").await.unwrap();
        assert!(seen == value);
        server.restart(Ending::Crash);
        assert!(ask::<String>(&connection, "GET key").await.is_err());
    }
}

#[tokio::test]
async fn a_lost_reply_is_to_a_request_that_was_acted_on() {
    let (server, proxy) = bench().await;
    let contains = |word: &'static [u8]| {
        move |request: &[u8]| request.windows(word.len()).any(|part| part == word)
    };
    proxy.lose_replies(contains(b"INCR"), 2);
    for (sent, lost) in [(1, 1), (2, 2), (3, 2)] {
        let connection = connect(&proxy).await.unwrap();
        let () = ask(&connection, "SET other 1").await.unwrap();
        let answer = ask::<i64>(&connection, "INCR key").await;
        assert_eq!(answer.is_err(), sent == lost, "{answer:?}");
        assert_eq!(proxy.lost_replies(), lost);
        let seen: i64 = ask(&server.connection().await, "GET key").await.unwrap();
        assert_eq!(seen, sent as i64);
    }
}

#[tokio::test]
async fn a_black_hole_swallows_until_it_closes() {
    let (server, proxy) = bench().await;
    let connection = connect(&proxy).await.unwrap();
    proxy.black_hole(true);
    let mut answer = Box::pin(ask::<i64>(&connection, "INCR key"));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut answer).await;
    assert!(early.is_err());
    assert!(server.scan().await.is_empty());
    proxy.black_hole(false);
    assert_eq!(answer.await.unwrap(), 1);
}

#[tokio::test]
async fn refusing_closes_old_and_new_connections() {
    let (_server, proxy) = bench().await;
    let old = connect(&proxy).await.unwrap();
    let () = ask(&old, "SET key 1").await.unwrap();
    proxy.refuse(true);
    assert!(ask::<i64>(&old, "GET key").await.is_err());
    let new = async { ask::<i64>(&connect(&proxy).await?, "GET key").await };
    assert!(new.await.is_err());
    proxy.refuse(false);
    let seen: i64 = ask(&connect(&proxy).await.unwrap(), "GET key")
        .await
        .unwrap();
    assert_eq!(seen, 1);
}

#[tokio::test]
async fn a_delay_holds_replies_back() {
    let (_server, proxy) = bench().await;
    let connection = connect(&proxy).await.unwrap();
    let delay = Duration::from_millis(300);
    proxy.delay(delay);
    let begun = Instant::now();
    let () = ask(&connection, "SET key 1").await.unwrap();
    assert!(begun.elapsed() >= delay);
}

#[tokio::test]
async fn dropping_the_proxy_ends_its_connections() {
    let (_server, proxy) = bench().await;
    let connection = connect(&proxy).await.unwrap();
    let () = ask(&connection, "SET key 1").await.unwrap();
    drop(proxy);
    assert!(ask::<i64>(&connection, "GET key").await.is_err());
}

fn has(word: &'static str) -> impl Fn(&[u8]) -> bool {
    move |request| {
        let word = word.as_bytes();
        request.windows(word.len()).any(|part| part == word)
    }
}

#[tokio::test]
async fn a_cut_is_at_its_byte_and_acts_only_when_the_request_is_whole() {
    let (server, proxy) = bench().await;
    proxy.watch(has("INCR"));
    let () = ask(&connect(&proxy).await.unwrap(), "INCR key")
        .await
        .unwrap();
    let (request, reply) = ("*2\r\n$4\r\nINCR\r\n$3\r\nkey\r\n".len(), ":1\r\n".len());
    assert_eq!(proxy.lengths(), Some((request, reply)));
    let cuts = (0..=request).map(Fault::CutRequest);
    let cuts = cuts.chain((0..=reply).map(Fault::CutReply));
    let mut expected = 1;
    for (happened, cut) in cuts.enumerate() {
        proxy.disturb(cut, has("INCR"), 1);
        let connection = connect(&proxy).await.unwrap();
        let answer = ask::<i64>(&connection, "INCR key").await;
        let whole = cut == Fault::CutReply(reply);
        assert_eq!(answer.is_ok(), whole, "{cut:?}");
        assert_eq!(proxy.hits(), happened + 1, "{cut:?}");
        assert!(ask::<i64>(&connection, "GET key").await.is_err(), "{cut:?}");
        if !matches!(cut, Fault::CutRequest(length) if length < request) {
            expected += 1;
        }
        let direct = server.connection().await;
        // The server may need a moment to read what came before the end.
        while ask::<i64>(&direct, "GET key").await.unwrap() < expected {}
        assert_eq!(ask::<i64>(&direct, "GET key").await.unwrap(), expected);
    }
    proxy.disturb(Fault::CutRequest(request + 1), has("INCR"), 1);
    let connection = connect(&proxy).await.unwrap();
    assert!(ask::<i64>(&connection, "INCR key").await.is_ok());
}

#[tokio::test]
async fn replies_come_malformed_twice_or_with_another() {
    let (_server, proxy) = bench().await;
    let () = ask(&connect(&proxy).await.unwrap(), "SET key 1")
        .await
        .unwrap();
    proxy.delay(Duration::from_millis(100));
    let answers = [
        (Fault::Malform, None),
        (Fault::Duplicate, Some("1")),
        (Fault::Extra(b"+extra\r\n"), Some("extra")),
    ];
    for (fault, second) in answers {
        proxy.disturb(fault, has("GET"), 1);
        let connection = connect(&proxy).await.unwrap();
        let get = ask::<String>(&connection, "GET key");
        let ping = async {
            // Not in one piece with the other, and before that is answered: what comes too much is
            // taken for this one's.
            tokio::time::sleep(Duration::from_millis(20)).await;
            ask::<String>(&connection, "PING").await
        };
        let (get, ping) = tokio::join!(get, ping);
        assert_eq!(get.is_ok(), second.is_some(), "{fault:?}");
        assert_eq!(ping.ok().as_deref(), second, "{fault:?}");
    }
    assert_eq!(proxy.hits(), 3);
}

#[tokio::test]
async fn one_byte_at_a_time_with_jitter_and_stalls_is_slow_and_whole() {
    let (_server, proxy) = bench().await;
    let value = "0123456789".repeat(100);
    let connection = connect(&proxy).await.unwrap();
    proxy.chop(true);
    let () = ask(&connection, &format!("SET key {value}")).await.unwrap();
    proxy.seed(3);
    proxy.jitter(Duration::from_millis(2));
    let seen: String = ask(&connection, "GET key").await.unwrap();
    assert_eq!(seen, value);
    proxy.chop(false);
    proxy.split(true);
    let seen: String = ask(&connection, "GET key").await.unwrap();
    assert_eq!(seen, value);
    proxy.split(false);
    proxy.jitter(Duration::ZERO);
    let stalled = Duration::from_millis(150);
    proxy.stall(Some((1, stalled)));
    let begun = Instant::now();
    let () = ask(&connection, "GET key").await.unwrap();
    assert!(begun.elapsed() >= 2 * stalled, "both ways");
    proxy.stall(None);
}
