//! Connections that one caller has to itself for a moment: what a server keeps with a connection, as
//! with `WATCH`, bears nobody else on it. Made when they are needed, and they end with the shared one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{Client, Value};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

use super::command::Command;
use super::fault::Fault;
use super::line::{Line, Threads};
use super::telling::{Telling, summary};

pub(super) struct Pool {
    state: Mutex<State>,
    /// As many as may be lent at a time.
    permits: Semaphore,
    /// Whether the server has said that what they are for can't be done there.
    refused: AtomicBool,
}

#[derive(Default)]
struct State {
    /// And since when each of them is.
    idle: Vec<(Line, Instant)>,
    /// When a connection could not be made.
    failed: Option<Instant>,
}

/// So many are lent at a time. More do not make one server faster.
const MOST: usize = 4;
/// Longer idle ones are not lent again: something on the way may have forgotten them.
const FRESH: Duration = Duration::from_secs(30);
/// For so long none is made after one could not be: whoever waits for it does so in vain.
const PAUSE: Duration = Duration::from_secs(1);

impl Pool {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            permits: Semaphore::new(MOST),
            refused: AtomicBool::new(false),
        }
    }

    /// A connection, or `None` if there is none to have until `by`, or they are of no use here.
    pub(super) async fn lend(
        &self,
        client: &Client,
        threads: Threads,
        telling: Telling,
        by: Instant,
    ) -> Option<Lent<'_>> {
        if self.refused.load(Ordering::Relaxed) {
            return None;
        }
        let permit = timeout_at(by.into(), self.permits.acquire()).await;
        let permit = permit.ok()?.ok()?;
        let line = match self.take() {
            Some(line) => line,
            None if self.has_failed() => return None,
            None => match Line::connect(client, threads, None, by).await {
                Ok((line, _)) => line,
                Err(_) => {
                    self.state().failed = Some(Instant::now());
                    return None;
                }
            },
        };
        Some(Lent {
            line,
            telling,
            pool: self,
            _permit: permit,
        })
    }

    fn take(&self) -> Option<Line> {
        let mut state = self.state();
        state.idle.retain(|(_, since)| since.elapsed() < FRESH);
        state.idle.pop().map(|(line, _)| line)
    }

    fn has_failed(&self) -> bool {
        let failed = self.state().failed;
        failed.is_some_and(|failed| failed.elapsed() < PAUSE)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of them, for one caller; it ends when dropped, unless it is [given back](Self::give_back).
pub(super) struct Lent<'p> {
    line: Line,
    telling: Telling,
    pool: &'p Pool,
    _permit: SemaphorePermit<'p>,
}

impl Lent<'_> {
    /// Sends a command and waits for its reply; see [`Line::send`].
    pub(super) async fn send(&self, command: &Command<'_>, by: Instant) -> Result<Value, Fault> {
        let started = Instant::now();
        let reply = self.line.send(command, by).await;
        self.answer(command, started, reply)
    }

    /// Sends a command with the one after it; see [`Line::send_ahead`].
    pub(super) async fn send_ahead(
        &self,
        command: &Command<'_>,
        by: Instant,
    ) -> Result<Value, Fault> {
        let started = Instant::now();
        let reply = self.line.send_ahead(command, by).await;
        self.answer(command, started, reply)
    }

    fn answer(
        &self,
        command: &Command<'_>,
        started: Instant,
        reply: Result<Value, Fault>,
    ) -> Result<Value, Fault> {
        let answer = match reply {
            Ok(Value::ServerError(error)) => Err(Fault::Refused(error)),
            reply => reply,
        };
        self.telling
            .tell(started, || (command.in_full(), summary(&answer)));
        answer
    }

    /// Ends it; none is lent again as long as the server is the same.
    pub(super) fn lend_no_more(self) {
        self.pool.refused.store(true, Ordering::Relaxed);
    }

    /// Keeps it for the next caller: all that was sent has been answered, and nothing is left with it.
    pub(super) fn give_back(self) {
        let Self { line, pool, .. } = self;
        pool.state().idle.push((line, Instant::now()));
    }
}
