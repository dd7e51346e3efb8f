//! What a test can do with a server.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use redis::{Client, TlsCertificates};
use testbench::{Commands, Ending, RedisServer};

use crate::ask;

#[tokio::test]
async fn every_url_reaches_its_server() {
    let servers = [
        RedisServer::start(),
        RedisServer::start_tcp(),
        RedisServer::start_tcp(),
    ];
    let urls: HashSet<String> = servers.iter().map(RedisServer::url).collect();
    assert_eq!(urls.len(), 3);
    for server in &servers {
        let mark = format!("SET where {}", server.url());
        let client = Client::open(server.url()).unwrap();
        let outside = client.get_multiplexed_async_connection().await.unwrap();
        let () = ask(&outside, &mark).await.unwrap();
        let seen: String = ask(&server.connection().await, "GET where").await.unwrap();
        assert_eq!(seen, server.url());
    }
}

#[tokio::test]
async fn tls_is_trusted_through_its_own_authority_only() {
    let server = RedisServer::start_tls();
    let connect = async |authority: &RedisServer| {
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert: Some(fs::read(authority.ca_file()).unwrap()),
        };
        let client = Client::build_with_tls(server.url(), certificates).unwrap();
        client.get_multiplexed_async_connection().await
    };
    let pong: String = ask(&connect(&server).await.unwrap(), "PING").await.unwrap();
    assert_eq!(pong, "PONG");
    assert!(connect(&RedisServer::start_tls()).await.is_err());
}

#[test]
#[should_panic(expected = "Bad directive")]
fn a_server_that_does_not_start_says_why() {
    RedisServer::start_with(&["--no-such-setting", "1"]);
}

#[tokio::test]
async fn only_the_tests_commands_are_counted() {
    let server = RedisServer::start_with(&["--requirepass", "secret"]);
    let connection = server.connection().await;
    let () = ask(&connection, "SET key value EX 100").await.unwrap();
    assert_eq!(server.commands().await, Commands::from([("set", 1)]));

    let before = server.commands().await;
    let mut monitor = server.monitor();
    assert!(server.pttl("key").await > 0);
    assert_eq!(server.scan().await, [b"key"]);
    server.pass_time(Duration::from_secs(10)).await;
    assert!(monitor.lines().len() >= 5);
    let () = ask(&connection, "GETEX key EX 100").await.unwrap();
    let _: String = ask(&connection, "CLIENT INFO").await.unwrap();
    let expected = Commands::from([("client|info", 1), ("getex", 1)]);
    assert_eq!(server.commands().await.since(&before), expected);
    assert_eq!(expected.total(), 2);
}

#[tokio::test]
async fn a_restart_keeps_address_arguments_and_what_is_on_disk() {
    let server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    for (ending, length) in [(Ending::Crash, 1), (Ending::Shutdown, 2)] {
        let pid = server.pid();
        let pushed: i64 = ask(&server.connection().await, "RPUSH list x")
            .await
            .unwrap();
        assert_eq!(pushed, length);
        server.restart(ending);
        assert_ne!(server.pid(), pid);
        let _: String = ask(&server.connection().await, "PING").await.unwrap();
        assert_eq!(server.commands().await, Commands::from([("ping", 1)]));
    }
    let length: i64 = ask(&server.connection().await, "LLEN list").await.unwrap();
    assert_eq!(length, 2);
    let shutdowns = server.log().matches("User requested shutdown").count();
    assert_eq!(shutdowns, 1, "{}", server.log());
}

#[tokio::test]
async fn a_crash_loses_what_is_in_memory() {
    let server = RedisServer::start_tcp();
    let () = ask(&server.connection().await, "SET key value")
        .await
        .unwrap();
    server.restart(Ending::Crash);
    assert!(server.scan().await.is_empty());
    assert!(std::net::TcpStream::connect(server.address().unwrap()).is_ok());
}

#[tokio::test]
async fn a_paused_server_answers_when_resumed() {
    let server = RedisServer::start();
    let connection = server.connection().await;
    server.pause();
    let mut answer = Box::pin(ask::<String>(&connection, "PING"));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut answer).await;
    assert!(early.is_err());
    server.resume();
    assert_eq!(answer.await.unwrap(), "PONG");

    server.pause();
    server.restart(Ending::Shutdown);
    assert!(server.scan().await.is_empty());
}

#[tokio::test]
async fn time_passes_for_every_key() {
    let server = RedisServer::start();
    let connection = server.connection().await;
    for line in ["SET hour 1 EX 3600", "SET minute 1 EX 60", "SET ever 1"] {
        let () = ask(&connection, line).await.unwrap();
    }
    server.pass_time(Duration::from_secs(60)).await;
    assert_eq!(server.scan().await, [&b"ever"[..], b"hour"]);
    assert_eq!(server.pttl("ever").await, -1);
    assert_eq!(server.pttl("minute").await, -2);
    let left = server.pttl("hour").await;
    assert!((3_500_000..=3_540_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_monitor_shows_every_command_before_it_is_asked() {
    let server = RedisServer::start();
    let connection = server.connection().await;
    let mut monitor = server.monitor();
    for round in 1..=50 {
        let () = ask(&connection, &format!("SET key {round}")).await.unwrap();
        let lines = monitor.lines();
        assert_eq!(lines.len(), round);
        assert!(lines[round - 1].ends_with(&format!(r#""SET" "key" "{round}""#)));
    }
}
