//! What servers may tell of a key that a script has read, changed and read again.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;
use crate::store::redis::stream::Stream;

/// What comes of the try, when the server answers so; `W` is its word about the key.
async fn tried(answer: &str) -> bool {
    let (ours, mut server) = duplex(64 * 1024);
    let tracking = Tracking::of(&Cache::new(10), "session:");
    let connection = Channel::over(Stream::Layered(Box::pin(ours)), Some(tracking.listener()));
    let by = Instant::now() + Duration::from_secs(20);
    let trying = tracking.is_told_of_scripts(&connection, by);
    let answering = async {
        let mut commands = Vec::new();
        while !commands.ends_with(PING) {
            server.read_buf(&mut commands).await.unwrap();
        }
        let commands = String::from_utf8(commands).unwrap();
        let (_, key) = commands.split_once("\r\nsession:scratch:").unwrap();
        let (key, _) = key.split_once("\r\n").unwrap();
        let key = format!("session:scratch:{key}");
        let word = format!(
            ">2\r\n$10\r\ninvalidate\r\n*1\r\n${}\r\n{key}\r\n",
            key.len()
        );
        let answer = answer.replace('W', &word);
        server.write_all(answer.as_bytes()).await.unwrap();
    };
    tokio::join!(trying, answering).0
}

#[tokio::test]
async fn whoever_tells_of_both_changes_tells_of_all() {
    // In Redis 7 the word about a change of one's own comes behind its reply, before that it came first.
    assert!(tried(":1000\r\nW:1\r\nW+PONG\r\n").await);
    assert!(tried("W:1000\r\nW:1\r\n+PONG\r\n").await);
}

#[tokio::test]
async fn whoever_tells_less_or_more_is_not_relied_on() {
    for answer in [
        ":1000\r\n:1\r\n+PONG\r\n",
        // Not of what the script has done to what it had read.
        ":1000\r\n:1\r\nW+PONG\r\n",
        // Not of what was done after it.
        ":1000\r\nW:1\r\n+PONG\r\n",
        ":1000\r\nWW:1\r\nW+PONG\r\n",
        // The word may have been another key's.
        ":1000\r\nW:1\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n+PONG\r\n",
        // It was not done.
        "-NOPERM no\r\nW:1\r\nW+PONG\r\n",
        ":1000\r\nW:0\r\nW+PONG\r\n",
    ] {
        assert!(!tried(answer).await, "{answer:?}");
    }
}
