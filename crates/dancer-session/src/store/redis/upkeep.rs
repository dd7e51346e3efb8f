//! The one connection that all sessions share: made, made again when it is lost, and not waited for
//! when that is of no use.
//!
//! Where threads are allowed, a task of its own connects, and whoever needs the connection sleeps
//! until there is one; so an outage costs the same however many wait, and its end is noticed without
//! them. Without threads the call that needs the connection makes it.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use crossbeam_utils::CachePadded;
use redis::{Client, RedisError};
use tokio::runtime::Handle;
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::{sleep_until, timeout_at};

use super::circuit::{Circuit, Failed};
use super::fault::{self, Action, Fault};
use super::line::{Line, Threads};
use super::pool::Pool;
use super::reports::Reports;
use super::skills::Skills;
use super::telling::Telling;
use super::tracking::Tracking;

/// Looks after the connection. Its own task ends with it.
pub(super) struct Upkeep(Arc<Inner>);

struct Inner {
    client: Client,
    place: String,
    threads: Threads,
    /// Who is to know when a key has changed.
    tracking: Option<Tracking>,
    telling: Telling,
    started: Instant,
    /// How long one operation may take.
    timeout: Duration,
    /// The connection there is. Changed only by who holds `current`; read by every command, and so
    /// without a lock, for which the threads would wait.
    live: ArcSwapOption<Live>,
    current: Mutex<Current>,
    /// Whether the circuit has anything to be told by an answer.
    troubled: AtomicBool,
    /// When the connection there is gave its last reply; only for who asks [`hears`](Upkeep::hears).
    heard: AtomicU64,
    /// Sent when those who wait for a connection should look again.
    news: watch::Sender<()>,
    /// Held by the call that makes a connection, where there is no task for that.
    connecting: AsyncMutex<()>,
    reports: Reports,
    gentle: Reports,
}

struct Current {
    /// How many connections were made so far: the number of the newest.
    made: u64,
    circuit: Circuit,
    /// Whether there is a task that connects.
    kept: bool,
    /// When a connection was last replaced for what the server has said.
    replaced: Option<Instant>,
}

/// A connection that works, as far as anybody knows.
pub(super) struct Live {
    /// Apart from the count of those who use it, which changes all the time.
    pub(super) line: CachePadded<Line>,
    pub(super) skills: Skills,
    /// Further ones to the same server, as long as this one is in use.
    pub(super) pool: Pool,
    number: u64,
}

/// Between two connections that are replaced for what the server says: a server that sends everybody
/// away would get thousands.
const REPLACING: Duration = Duration::from_millis(100);
/// No moment of the clock: there is no connection that anything was heard over.
const NEVER: u64 = u64::MAX;
/// A connection that says nothing for so long is given up; less says little.
const SILENCE: Duration = Duration::from_millis(300);

/// What the task that connects does next.
enum Step {
    Wait(Instant),
    Attempt(Arc<Inner>, Instant),
}

impl Upkeep {
    pub(super) fn new(
        client: Client,
        place: String,
        timeout: Duration,
        threads: Threads,
        tracking: Option<Tracking>,
        telling: Telling,
    ) -> Self {
        let current = Current {
            made: 0,
            circuit: Circuit::new(timeout),
            kept: false,
            replaced: None,
        };
        Self(Arc::new(Inner {
            client,
            place,
            threads,
            tracking,
            telling,
            started: Instant::now(),
            timeout,
            live: ArcSwapOption::empty(),
            current: Mutex::new(current),
            troubled: AtomicBool::new(false),
            heard: AtomicU64::new(NEVER),
            news: watch::Sender::new(()),
            connecting: AsyncMutex::new(()),
            reports: Reports::default(),
            gentle: Reports::default(),
        }))
    }

    pub(super) fn place(&self) -> &str {
        &self.0.place
    }

    pub(super) fn threads(&self) -> Threads {
        self.0.threads
    }

    pub(super) fn telling(&self) -> &Telling {
        &self.0.telling
    }

    /// The connection, if there is one.
    pub(super) fn current(&self) -> Option<Arc<Live>> {
        self.0.live.load_full()
    }

    /// What the server can do that is connected just now.
    pub(super) fn skills(&self) -> Option<Skills> {
        let live = self.0.live.load();
        live.as_ref().map(|live| live.skills)
    }

    /// The connection; waits for one until `by`, unless the circuit is open.
    pub(super) async fn live(&self, by: Instant) -> Result<Arc<Live>, Fault> {
        match (self.current(), self.0.threads) {
            (Some(live), _) => Ok(live),
            (None, Threads::Allowed) => self.0.wait_for_one(by).await,
            (None, Threads::None) => self.0.make_one(by).await,
        }
    }

    /// Whether the server has answered over the connection within so long a time. Without a lock: it is
    /// asked at each read from the cache.
    pub(super) fn hears(&self, within: Duration) -> bool {
        match self.0.heard.load(Ordering::Acquire) {
            NEVER => false,
            heard => u128::from(self.0.clock().saturating_sub(heard)) < within.as_micros(),
        }
    }

    /// The server has answered over this connection.
    pub(super) fn heard(&self, live: &Live) {
        let inner = &self.0;
        // Not at each reply: a lock for all is nothing that each may take.
        if inner.tracking.is_some() && !self.hears(inner.timeout / 16) {
            let now = inner.clock();
            let _current = inner.current();
            // A late reply over an old connection says nothing of the one there is now.
            if inner.number() == Some(live.number) {
                inner.heard.store(now, Ordering::Release);
            }
        }
        if inner.troubled.load(Ordering::Relaxed) {
            inner.recovered(live);
        }
    }

    /// A command that was sent at `sent` got no reply over this connection. It is given up, unless
    /// it has answered others meanwhile, or has not had the time to: one slow reply is no reason for
    /// all others to begin anew. What others still wait for on it reaches them if it comes.
    pub(super) fn lost(&self, live: &Live, fault: &Fault, sent: Instant) {
        let inner = &self.0;
        if let (Fault::Silent, Some(heard)) = (fault, live.line.heard())
            && (heard > sent || sent.elapsed() < SILENCE.min(inner.timeout / 2))
        {
            return;
        }
        inner.give_up(Some(live.number), fault);
    }

    /// Gives up the connection whose answers make no sense: the next one might be somebody else's.
    pub(super) fn distrust(&self) {
        self.0.give_up(None, &Fault::Strange);
    }

    /// Gives up a connection because of what the server has said over it. Not too often.
    pub(super) fn replace(&self, live: &Live) {
        let now = Instant::now();
        let mut current = self.0.current();
        let recently = current
            .replaced
            .is_some_and(|replaced| now.saturating_duration_since(replaced) < REPLACING);
        if recently || current.made != live.number {
            return;
        }
        current.replaced = Some(now);
        self.0.live.store(None);
        self.0.heard.store(NEVER, Ordering::Release);
        if let Some(tracking) = &self.0.tracking {
            tracking.ended();
        }
        drop(current);
        self.0.keep_up();
    }

    /// Tells the log of what only an operator can change, at most once a minute for each kind.
    pub(super) fn report(&self, kind: &'static str, words: &str) {
        self.0.report(kind, words);
    }

    /// Tells the log that changes are refused and reading goes on, as often.
    pub(super) fn reading_goes_on(&self, fault: &Fault) {
        let kind = fault.row().what;
        if self.0.gentle.is_due(kind, Instant::now()) {
            tracing::warn!(place = self.0.place, %fault, "life_not_extended");
        }
    }
}

impl Inner {
    /// Where the next attempt goes. One server: always the same. Whoever knows of more than one
    /// chooses here.
    #[allow(
        clippy::unused_async,
        reason = "a choice may have to ask for addresses"
    )]
    async fn next_client(&self) -> Result<Client, RedisError> {
        Ok(self.client.clone())
    }

    /// What there is to have at once: a connection, or the reason why there is none to wait for.
    fn look(&self) -> Option<Result<Arc<Live>, Fault>> {
        let current = self.current();
        if let Some(live) = self.live.load_full() {
            return Some(Ok(live));
        }
        let cause = current.circuit.refusal()?;
        Some(Err(paused(&current.circuit, cause)))
    }

    /// Sleeps until the task that connects has made a connection, or has given up for a while.
    async fn wait_for_one(self: &Arc<Self>, by: Instant) -> Result<Arc<Live>, Fault> {
        let mut news = self.news.subscribe();
        loop {
            let found = self.look();
            // Also while nobody waits: that is how the end of an outage is found out.
            self.keep_up();
            if let Some(found) = found {
                return found;
            }
            match timeout_at(by.into(), news.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(self.none_in_time()),
            }
        }
    }

    /// Makes a connection in the calling thread. While the circuit is open, one call after each
    /// pause tries, once, and all others fail at once.
    async fn make_one(&self, by: Instant) -> Result<Arc<Live>, Fault> {
        loop {
            let Ok(_alone) = timeout_at(by.into(), self.connecting.lock()).await else {
                return Err(self.none_in_time());
            };
            if let Some(live) = self.live.load_full() {
                return Ok(live);
            }
            let now = Instant::now();
            let (next, attempt, refusal) = {
                let circuit = &self.current().circuit;
                let refusal = circuit.refusal().map(|cause| paused(circuit, cause));
                (circuit.next(now), circuit.attempt(), refusal)
            };
            match (next, refusal) {
                (Some(_), Some(refusal)) => return Err(refusal),
                (Some(next), None) if next < by => sleep_until(next.into()).await,
                (Some(_), None) => return Err(self.none_in_time()),
                (None, _) if now < by => self.attempt(by.min(now + attempt)).await,
                (None, _) => return Err(self.none_in_time()),
            }
        }
    }

    fn none_in_time(&self) -> Fault {
        let current = self.current();
        let cause = current.circuit.cause().unwrap_or("no connection in time");
        Fault::NoConnection(cause.to_owned())
    }

    /// Sees to it that somebody connects, if nobody does and there is none.
    fn keep_up(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.threads == Threads::None {
            return;
        }
        let mut current = self.current();
        if self.number().is_some() || current.kept {
            return;
        }
        current.kept = true;
        let keeper = Keeper(Some(Arc::downgrade(self)));
        runtime.spawn(keeper.keep());
    }

    fn step(self: Arc<Self>) -> Option<Step> {
        let mut current = self.current();
        if self.number().is_some() {
            current.kept = false;
            return None;
        }
        let now = Instant::now();
        if let Some(next) = current.circuit.next(now) {
            return Some(Step::Wait(next));
        }
        let limit = now + current.circuit.attempt();
        drop(current);
        Some(Step::Attempt(self, limit))
    }

    /// Tries to connect, and lets everybody know what came of it.
    async fn attempt(&self, limit: Instant) {
        let started = Instant::now();
        let made = match self.next_client().await {
            Ok(client) => Line::connect(&client, self.threads, self.tracking.as_ref(), limit).await,
            Err(error) => Err(error),
        };
        self.telling.tell(started, || {
            let outcome = made
                .as_ref()
                .map_or_else(ToString::to_string, |_| "OK".to_owned());
            (format!("connect {}", self.place), outcome)
        });
        match made {
            Ok((line, skills)) => {
                self.remember(line, skills);
                self.news.send_replace(());
            }
            Err(error) => self.failed(attempt_failed(&error), error.to_string()),
        }
    }

    fn remember(&self, line: Line, skills: Skills) {
        let mut current = self.current();
        current.made += 1;
        self.live.store(Some(Arc::new(Live {
            line: line.into(),
            skills,
            pool: Pool::new(),
            number: current.made,
        })));
        current.circuit.connected();
        self.heard.store(self.clock(), Ordering::Release);
    }

    fn failed(&self, what: Failed, cause: String) {
        // Who makes the first connection gets the error itself.
        let first = self.current().made == 0;
        if what == Failed::Hopeless && !first {
            self.report("connect", &cause);
        }
        let words = cause.clone();
        let now = Instant::now();
        let opened = {
            let mut current = self.current();
            self.troubled.store(true, Ordering::Relaxed);
            current.circuit.failed(what, cause, now, dice())
        };
        if opened {
            if !first {
                tracing::error!(place = self.place, cause = words, "redis_unavailable");
            }
            self.news.send_replace(());
        }
    }

    fn recovered(&self, live: &Live) {
        let mut current = self.current();
        // A late reply over an old connection says nothing about the next one.
        if current.made != live.number {
            return;
        }
        self.troubled.store(false, Ordering::Relaxed);
        let answered = current.circuit.answered(Instant::now());
        drop(current);
        if let Some(after) = answered {
            tracing::info!(place = self.place, ?after, "redis_available");
        }
    }

    fn give_up(self: &Arc<Self>, number: Option<u64>, fault: &Fault) {
        if self.take(number) {
            self.failed(Failed::Reply, fault.to_string());
        }
        self.keep_up();
    }

    /// Takes the connection with this number, or whichever there is, out of use.
    fn take(&self, number: Option<u64>) -> bool {
        let current = self.current();
        let there = self.number();
        let taken = there.is_some() && (number.is_none() || number == there);
        if taken {
            self.live.store(None);
        }
        if taken || there.is_none() {
            self.heard.store(NEVER, Ordering::Release);
        }
        // Before there can be another one, over which the server would be heard.
        if let (true, Some(tracking)) = (taken, &self.tracking) {
            tracking.ended();
        }
        drop(current);
        taken
    }

    /// That of the connection there is.
    fn number(&self) -> Option<u64> {
        self.live.load().as_ref().map(|live| live.number)
    }

    fn report(&self, kind: &'static str, words: &str) {
        if self.reports.is_due(kind, Instant::now()) {
            tracing::error!(place = self.place, kind, words, "misconfigured");
        }
    }

    fn clock(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that connects, until there is a connection or nobody to have it.
struct Keeper(Option<Weak<Inner>>);

impl Keeper {
    async fn keep(mut self) {
        while let Some(inner) = self.inner() {
            match inner.step() {
                Some(Step::Wait(until)) => sleep_until(until.into()).await,
                Some(Step::Attempt(inner, limit)) => inner.attempt(limit).await,
                None => self.0 = None,
            }
        }
    }

    fn inner(&self) -> Option<Arc<Inner>> {
        self.0.as_ref()?.upgrade()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Its runtime has ended before its work: let those of another runtime begin anew.
        if let Some(inner) = self.inner() {
            inner.current().kept = false;
            inner.news.send_replace(());
        }
    }
}

/// Why nobody is let through at present.
fn paused(circuit: &Circuit, cause: &str) -> Fault {
    match circuit.is_hopeless() {
        true => Fault::NotLetIn(cause.to_owned()),
        false => Fault::Paused(cause.to_owned()),
    }
}

/// What an attempt to connect that failed so says about the next one.
fn attempt_failed(error: &RedisError) -> Failed {
    if error.is_io_error() {
        return match error.is_timeout() {
            true => Failed::SilentAttempt,
            false => Failed::Attempt,
        };
    }
    let row = error.code().and_then(fault::of_code);
    match row.map(|row| row.action) {
        Some(Action::Again | Action::Reconnect) => Failed::Attempt,
        _ if error.to_string().contains("max number of clients") => Failed::Attempt,
        _ => Failed::Hopeless,
    }
}

/// Any number; nothing hangs on how good it is.
fn dice() -> u64 {
    RandomState::new().hash_one(0)
}

impl fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upkeep({})", self.0.place)
    }
}
