//! The limit: the Redis client that the engine uses, with the commands and bytes that it sends, on the
//! sessions that it made, and nothing else: no JSON, no ids, no deadlines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, Script, Value};
use testbench::RedisServer;

use super::{Library, TTL};
use crate::plan::{Cell, Work};

#[derive(Clone)]
pub(crate) struct Bare {
    connection: MultiplexedConnection,
    keys: Arc<Vec<Vec<u8>>>,
    script: Arc<str>,
    marks: Arc<AtomicU64>,
}

/// What a flush of the engine runs.
pub(super) const FLUSH: &str = concat!(
    include_str!("../../../dancer-session/src/store/flush.lua"),
    "return 1\n"
);

impl Bare {
    /// `keys`: those of our sessions.
    pub(crate) async fn connect(server: &RedisServer, keys: Arc<Vec<Vec<u8>>>) -> Self {
        let client = Client::open(server.url()).expect("it is an address");
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connection.await.expect("the server has just been started");
        let script = Script::new(FLUSH);
        let loaded = script.load_async(&mut connection).await;
        loaded.expect("the server takes the script");
        Self {
            connection,
            keys,
            script: script.get_hash().into(),
            marks: Arc::default(),
        }
    }

    pub(crate) fn does(cell: Cell) -> bool {
        matches!(cell.work, Work::Retrieve | Work::Set)
    }

    pub(crate) async fn check(&self) {
        let before = self.read(0).await;
        self.set(0, 0).await;
        let after = self.read(0).await;
        assert!(before != after && before.len() == after.len());
    }

    async fn read(&self, nth: usize) -> Vec<u8> {
        let key = &self.keys[nth];
        let mut command = redis::cmd("GETEX");
        command.arg(key).arg("PX").arg(milliseconds());
        match self.send(&command).await {
            Value::BulkString(payload) if is_of(&payload, key) => payload,
            other => panic!("GETEX gave {other:?}"),
        }
    }

    async fn send(&self, command: &Cmd) -> Value {
        let mut connection = self.connection.clone();
        let reply = connection.send_packed_command(command).await;
        reply.expect("the server answers")
    }
}

pub(crate) fn milliseconds() -> String {
    TTL.as_millis().to_string()
}

/// Where a payload of ours has the name of its key, and where its mark.
const NAME: std::ops::Range<usize> = 6..14;
pub(crate) const MARK: std::ops::Range<usize> = 36..47;

/// Whether this payload is that of this key: what the bare client checks.
pub(crate) fn is_of(payload: &[u8], key: &[u8]) -> bool {
    let name = key.strip_prefix(b"session:").unwrap_or_default();
    payload.get(NAME) == name.get(..NAME.len())
}

/// The same payload with another mark: as long as what a flush of the engine stores.
pub(crate) fn marked(payload: &[u8], mark: u64) -> Vec<u8> {
    let mut new = payload.to_vec();
    // The last of eleven characters has only four bits: `A` fits always.
    new[MARK].copy_from_slice(format!("{:010x}A", mark % (1 << 40)).as_bytes());
    new
}

impl Library for Bare {
    async fn retrieve(&self, nth: usize) {
        self.read(nth).await;
    }

    async fn set(&self, nth: usize, _: u64) {
        let mut payload = self.read(nth).await;
        loop {
            let new = marked(&payload, self.marks.fetch_add(1, Ordering::Relaxed));
            let mut command = redis::cmd("EVALSHA");
            command.arg(&*self.script).arg("1").arg(&self.keys[nth]);
            // No time to live: the read has given it a moment ago, as it has for the engine.
            command.arg(&payload).arg(new);
            match self.send(&command).await {
                Value::Int(1) => return,
                // Another task was faster with this session.
                Value::BulkString(newer) => payload = newer,
                other => panic!("the script gave {other:?}"),
            }
        }
    }

    async fn update(&self, _: usize) {
        unreachable!("the commands are those of `set`")
    }

    async fn create(&self, _: usize, _: usize) -> String {
        unreachable!("the sessions are the engine's")
    }

    async fn look(&self, _: usize) -> (u64, u64) {
        unreachable!("it reads no entries")
    }
}
