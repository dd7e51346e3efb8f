//! A Redis server of a library's own, and what is counted there.

use std::process;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use testbench::RedisServer;

use crate::census::{Census, cpu_of};
use crate::contender::{Contender, Library, TTL};
use crate::figures::Turn;
use crate::plan::{Cell, Group};
use crate::round::fill;

pub(super) struct House {
    pub(super) server: RedisServer,
    connection: MultiplexedConnection,
}

impl House {
    pub(super) async fn open() -> Self {
        let server = RedisServer::start_tcp();
        let connection = server.connection().await;
        Self { server, connection }
    }

    /// Empties the server and stores the sessions of a group; returns their ids, and how much of
    /// the server's memory each takes.
    pub(super) async fn fill(
        &mut self,
        library: &impl Library,
        group: &Group,
    ) -> (Vec<String>, f64) {
        let flushed = redis::cmd("FLUSHALL")
            .arg("SYNC")
            .query_async::<()>(&mut self.connection)
            .await;
        flushed.expect("the server answers");
        let before = Census::of(&mut self.connection).await.memory;
        let ids = fill(library, group.sessions, group.bytes).await;
        let after = Census::of(&mut self.connection).await.memory;
        self.check(group.sessions).await;
        (ids, (after - before) / group.sessions as f64)
    }

    /// There are as many sessions as were stored, and they live as long as they should.
    async fn check(&mut self, sessions: usize) {
        let (count, some): (usize, Vec<u8>) = redis::pipe()
            .cmd("DBSIZE")
            .cmd("RANDOMKEY")
            .query_async(&mut self.connection)
            .await
            .expect("the server answers");
        assert_eq!(count, sessions, "not every session was stored");
        let left = redis::cmd("PTTL")
            .arg(some)
            .query_async::<u64>(&mut self.connection)
            .await;
        let left = Duration::from_millis(left.expect("every session has an end"));
        assert!(left <= TTL && left > TTL / 2);
    }

    /// All keys; each has a payload of so many bytes.
    pub(super) async fn keys(&mut self, bytes: usize) -> Vec<Vec<u8>> {
        let keys = self.server.scan().await;
        let length = redis::cmd("STRLEN")
            .arg(&keys[0])
            .query_async::<usize>(&mut self.connection)
            .await;
        assert_eq!(length.expect("the server answers"), bytes);
        keys
    }

    /// One turn of a contender whose sessions are here.
    pub(super) async fn turn(
        &mut self,
        contender: &Contender,
        cell: Cell,
        length: Duration,
    ) -> Turn {
        let before = Census::of(&mut self.connection).await;
        let cpu = cpu_of(process::id());
        let start = Instant::now();
        let timed = contender.work(cell, length).await;
        let took = start.elapsed().as_secs_f64();
        let cpu = cpu_of(process::id()) - cpu;
        let done = Census::of(&mut self.connection).await.since(&before);
        Turn::of(&timed.tally(took), cpu, &done)
    }
}
