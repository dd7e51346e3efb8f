//! What the server can do: the engine's commands, many in each write, over plain sockets.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, Script};
use testbench::RedisServer;

use super::bare::{FLUSH, is_of, marked, milliseconds};
use crate::plan::{Cell, Work};
use crate::round::Timed;

/// Commands in one write.
const BATCH: usize = 64;
/// Sockets, each with a thread and with sessions of its own.
const SOCKETS: usize = 2;

#[derive(Clone)]
pub(crate) struct Pipelined {
    address: SocketAddr,
    keys: Arc<Vec<Vec<u8>>>,
    script: Arc<str>,
}

impl Pipelined {
    /// `keys`: those of our sessions. The server knows the script already.
    pub(crate) fn new(server: &RedisServer, keys: Arc<Vec<Vec<u8>>>) -> Self {
        Self {
            address: server.address().expect("it listens on a port"),
            keys,
            script: Script::new(FLUSH).get_hash().into(),
        }
    }

    /// Once for each kind of work: the number of tasks means nothing to it.
    pub(crate) fn does(&self, cell: Cell) -> bool {
        matches!(cell.work, Work::Retrieve | Work::Set)
            && cell.tasks == 64
            && self.keys.len() >= SOCKETS * BATCH
    }

    pub(crate) async fn work(&self, cell: Cell, length: Duration) -> Timed {
        let share = self.keys.len() / SOCKETS;
        let threads = (0..SOCKETS).map(|socket| {
            let (this, range) = (self.clone(), socket * share..(socket + 1) * share);
            tokio::task::spawn_blocking(move || this.socket(cell.work, range, length))
        });
        let mut timed = Timed::default();
        for thread in threads.collect::<Vec<_>>() {
            timed.add(thread.await.expect("a socket saw what it expected"));
        }
        timed
    }

    /// One socket's work, on the sessions of this range.
    fn socket(&self, work: Work, range: Range<usize>, length: Duration) -> Timed {
        let mut socket = Socket::open(self.address);
        let mut timed = Timed::default();
        let mut random = fastrand::Rng::new();
        let begun = Instant::now();
        while begun.elapsed() < length {
            let start = Instant::now();
            let first = random.usize(range.start..=range.end - BATCH);
            let keys = &self.keys[first..first + BATCH];
            let payloads = socket.read(keys);
            if work == Work::Set {
                socket.flush(&self.script, keys, &payloads, random.u64(..));
            }
            timed.record(start, BATCH as u64);
        }
        timed
    }
}

struct Socket {
    out: TcpStream,
    replies: BufReader<TcpStream>,
}

impl Socket {
    fn open(address: SocketAddr) -> Self {
        let out = TcpStream::connect(address).expect("the server has just been started");
        out.set_nodelay(true).expect("a socket can do that");
        let replies = out.try_clone().expect("a socket can be cloned");
        Self {
            out,
            replies: BufReader::with_capacity(1 << 16, replies),
        }
    }

    fn read(&mut self, keys: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let ttl = milliseconds();
        self.send(keys.iter().map(|key| {
            let mut command = redis::cmd("GETEX");
            command.arg(key).arg("PX").arg(&ttl);
            command
        }));
        let payloads = keys.iter().map(|key| {
            let length = self.line(b'$');
            let mut payload = vec![0; length + 2];
            let read = self.replies.read_exact(&mut payload);
            read.expect("the server answers");
            payload.truncate(length);
            assert!(is_of(&payload, key));
            payload
        });
        payloads.collect()
    }

    fn flush(&mut self, script: &str, keys: &[Vec<u8>], payloads: &[Vec<u8>], mark: u64) {
        self.send(keys.iter().zip(payloads).map(|(key, payload)| {
            let mut command = redis::cmd("EVALSHA");
            command.arg(script).arg("1").arg(key).arg(payload);
            // No time to live, as after every read.
            command.arg(marked(payload, mark));
            command
        }));
        for _ in keys {
            assert_eq!(self.line(b':'), 1);
        }
    }

    fn send(&mut self, commands: impl Iterator<Item = Cmd>) {
        let packed: Vec<u8> = commands.flat_map(|cmd| cmd.get_packed_command()).collect();
        self.out.write_all(&packed).expect("the server reads");
    }

    /// The number in a line that begins with this byte.
    fn line(&mut self, kind: u8) -> usize {
        let mut line = Vec::with_capacity(16);
        let mut byte = [0];
        while byte != *b"\n" {
            let read = self.replies.read_exact(&mut byte);
            read.expect("the server answers");
            line.extend(byte);
        }
        assert_eq!(line[0], kind);
        let digits = std::str::from_utf8(&line[1..line.len() - 2]);
        let number = digits.ok().and_then(|digits| digits.parse().ok());
        number.expect("a reply of the kind expected has a number")
    }
}
