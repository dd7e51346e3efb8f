//! The bench itself is tested: a test that trusts a broken bench proves nothing.

mod dancer;
mod endings;
mod proxy;
mod server;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisResult};

/// Sends one command, its words parted by spaces.
async fn ask<T: FromRedisValue>(connection: &MultiplexedConnection, line: &str) -> RedisResult<T> {
    let mut command = redis::Cmd::new();
    for word in line.split(' ') {
        command.arg(word);
    }
    command.query_async(&mut connection.clone()).await
}
