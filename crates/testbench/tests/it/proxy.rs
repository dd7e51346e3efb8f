//! What a test can do to the network.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};
use testbench::{Ending, Proxy, RedisServer};

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
