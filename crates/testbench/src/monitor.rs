//! Everything a server is told, as its `MONITOR` command shows it.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::RedisServer;
use crate::wire::Wire;

/// Collects what a server is told, by anyone, until dropped or until the server ends.
#[derive(Debug)]
pub struct Monitor<'server> {
    server: &'server RedisServer,
    /// Logged in before the collecting begins, so that no login of ours is collected.
    marker: Wire,
    stream: UnixStream,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl RedisServer {
    /// Begins to collect what this server is told.
    pub fn monitor(&self) -> Monitor<'_> {
        let connect = || self.wire().expect("the server takes a connection");
        let (marker, mut wire) = (connect(), connect());
        let reply = wire.ask(&["MONITOR"]).expect("the server answers MONITOR");
        assert_eq!(reply, "+OK", "the server refused MONITOR");
        self.own().add("monitor", 1);

        let stream = wire.listen().expect("the connection has a handle");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            while let Ok(line) = wire.line() {
                let mut lines = collected.lock().expect("no one panics with the lines");
                lines.push(line);
            }
        });
        Monitor {
            server: self,
            marker,
            stream,
            lines,
            reader: Some(reader),
        }
    }
}

impl Monitor<'_> {
    /// All commands that the server had run when this was called, one line each:
    /// `+1700000000.000001 [0 unix:/tmp/…] "SET" "key" "value"`, with other bytes as `\xff`.
    pub fn lines(&mut self) -> Vec<String> {
        self.catch_up();
        let mut lines = self.snapshot();
        lines.retain(|line| !line.contains(MARK));
        lines
    }

    /// The lines arrive some time after the commands: send a last one and wait until it shows.
    fn catch_up(&mut self) {
        let seen = self.marks();
        let asked = self.marker.ask(&["PING", MARK]);
        // The reply has two lines, its length and the mark.
        let answered = asked.and_then(|_| self.marker.line());
        answered.expect("the monitored server answers");
        self.server.own().add("ping", 1);
        let begun = Instant::now();
        while self.marks() == seen {
            let waited = begun.elapsed();
            assert!(waited < Duration::from_secs(10), "MONITOR shows no more");
            sleep(Duration::from_millis(1));
        }
    }

    fn marks(&self) -> usize {
        let lines = self.snapshot();
        lines.iter().filter(|line| line.contains(MARK)).count()
    }

    fn snapshot(&self) -> Vec<String> {
        let lines = self.lines.lock().expect("no one panics with the lines");
        lines.clone()
    }
}

impl Drop for Monitor<'_> {
    fn drop(&mut self) {
        // An error means that the server closed the connection, and the reader ends as well.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

const MARK: &str = "testbench-monitor-mark";
