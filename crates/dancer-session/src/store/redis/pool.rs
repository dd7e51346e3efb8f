//! Connections that one caller has to itself for a moment: what a server keeps with a connection, as
//! with `WATCH`, bears nobody else on it. Made when they are needed, and they end with the shared one.
//!
//! Nobody depends on them: who can't have one soon does without.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{Client, Value};
use tokio::sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

use super::command::Command;
use super::fault::Fault;
use super::line::{Line, Threads};
use super::telling::{Telling, summary};

pub(super) struct Pool {
    state: Mutex<State>,
    /// As many as may be lent at a time.
    permits: Semaphore,
    /// Held by who makes one.
    connecting: AsyncMutex<()>,
    /// Whether the server has said that what they are for can't be done there.
    refused: AtomicBool,
}

#[derive(Default)]
struct State {
    idle: Vec<Idle>,
    /// When a connection could not be made.
    failed: Option<Instant>,
}

struct Idle {
    line: Line,
    since: Instant,
    open: bool,
}

/// So many are lent at a time; with a server next door, four would do.
const MOST: usize = 8;
/// Nobody waits longer for one that is lent to another. Less would send scripts to a server that is late
/// already; more would be felt where the way there is long.
const PATIENCE: Duration = Duration::from_millis(50);
/// Longer idle ones are not lent again: something on the way may have forgotten them.
const FRESH: Duration = Duration::from_secs(30);
/// For so long none is made after one could not be: whoever waits for it does so in vain.
const PAUSE: Duration = Duration::from_secs(1);
/// Who had less time than this for making one has found out nothing.
const FAIR: Duration = Duration::from_millis(100);

impl Pool {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            permits: Semaphore::new(MOST),
            connecting: AsyncMutex::new(()),
            refused: AtomicBool::new(false),
        }
    }

    /// A connection, or `None` if there is none to have soon, and until `by`, or they are of no use here.
    pub(super) async fn lend(
        &self,
        client: &Client,
        threads: Threads,
        telling: Telling,
        by: Instant,
    ) -> Option<Lent<'_>> {
        let permit = match self.permits.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                let until = by.min(Instant::now() + PATIENCE);
                let permit = timeout_at(until.into(), self.permits.acquire()).await;
                permit.ok()?.ok()?
            }
        };
        if self.refused.load(Ordering::Relaxed) {
            return None;
        }
        let idle = self.take();
        let (line, open) = match idle {
            Some(idle) => (idle.line, idle.open),
            None => (self.connect(client, threads, by).await?, false),
        };
        Some(Lent {
            line,
            open,
            telling,
            pool: self,
            _permit: permit,
        })
    }

    /// Makes one, unless somebody else does just now.
    async fn connect(&self, client: &Client, threads: Threads, by: Instant) -> Option<Line> {
        let _alone = self.connecting.try_lock().ok()?;
        let failed = self.state().failed;
        if failed.is_some_and(|failed| failed.elapsed() < PAUSE) {
            return None;
        }
        let fair = Instant::now() + FAIR <= by;
        match Line::connect(client, threads, None, by).await {
            Ok((line, _)) => Some(line),
            Err(_) => {
                if fair {
                    self.state().failed = Some(Instant::now());
                }
                None
            }
        }
    }

    fn take(&self) -> Option<Idle> {
        let mut state = self.state();
        state.idle.retain(|idle| idle.since.elapsed() < FRESH);
        state.idle.pop()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of them, for one caller; it ends when dropped, unless it is [given back](Self::give_back).
pub(super) struct Lent<'p> {
    line: Line,
    /// Whether the one before has left a transaction open.
    pub(super) open: bool,
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

    /// Keeps it for the next caller: all that was sent has been answered.
    pub(super) fn give_back(self) {
        let Self {
            line, open, pool, ..
        } = self;
        let since = Instant::now();
        pool.state().idle.push(Idle { line, since, open });
    }
}
