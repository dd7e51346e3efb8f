//! `dancer-session` with its cache, while another engine changes sessions all the time.

use std::time::Duration;

use dancer_session::{SessionEngine, Settings};
use testbench::RedisServer;
use tokio::task::JoinHandle;

use super::Library;
use super::ours::{Ours, settings};
use crate::entries::FIRST;
use crate::plan::{Cell, Work};
use crate::round::{Timed, tasks};

#[derive(Clone)]
pub(crate) struct Cached {
    /// Have room for all sessions.
    readers: Ours,
    /// Has no cache, and a connection of its own.
    writer: Ours,
}

impl Cached {
    /// Reads the sessions of `writer`, which are on this server.
    pub(crate) async fn connect(server: &RedisServer, writer: Ours, sessions: usize) -> Self {
        let settings = Settings {
            cache: sessions,
            ..settings(&server.url())
        };
        let engine = SessionEngine::init(settings).await;
        let engine = engine.expect("the server has just been started");
        Self {
            readers: writer.clone().over(engine),
            writer,
        }
    }

    /// It reads; what it changes, it changes as without a cache.
    pub(crate) fn does(cell: Cell) -> bool {
        cell.work == Work::Retrieve
    }

    /// What counts is what the readers do.
    pub(crate) async fn work(&self, cell: Cell, length: Duration) -> Timed {
        let writer = Writer(tokio::spawn(write(self.writer.clone(), cell.sessions)));
        let timed = tasks(&self.readers, cell, length).await;
        assert!(!writer.0.is_finished(), "it writes to the end");
        timed
    }

    /// A change by the writer is seen by the readers, whatever they have read before.
    pub(crate) async fn check(&self) {
        for value in FIRST..FIRST + 100 {
            self.readers.look(1).await;
            self.writer.set(1, value).await;
            // The server's word comes over another connection than the answer to the change.
            let mut tries = 0;
            while self.readers.look(1).await.0 != value {
                tokio::time::sleep(Duration::from_millis(1)).await;
                tries += 1;
                assert!(tries < 1000, "the readers never see a change");
            }
        }
    }
}

/// Changes one session after the other, as fast as it can.
async fn write(writer: Ours, sessions: usize) {
    let mut random = fastrand::Rng::new();
    loop {
        let value = random.u64(FIRST..2 * FIRST);
        writer.set(random.usize(..sessions), value).await;
    }
}

/// Ends when dropped.
struct Writer(JoinHandle<()>);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.abort();
    }
}
