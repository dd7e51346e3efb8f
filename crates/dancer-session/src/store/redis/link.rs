//! The connection to the server: one for all sessions, made again when it is lost, never waited for
//! beyond a deadline.

use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, ErrorKind, RedisError, ServerError, ServerErrorKind, Value};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{sleep, timeout_at};

use super::beside::Beside;
use super::command::Command;
use super::line::{Line, Threads};
use crate::{Error, Settings};

/// Sends commands over the shared connection.
pub(super) struct Link {
    client: Client,
    place: String,
    debug: bool,
    threads: Threads,
    current: Mutex<Current>,
    /// How many connections in a row were lost without an answer.
    losses: AtomicU32,
    /// Held by who makes a new connection, so that an outage sees one attempt at a time, not one
    /// for each waiting request.
    connecting: AsyncMutex<()>,
    /// For what is none of the sessions' business.
    beside: Beside,
}

#[derive(Default)]
struct Current {
    live: Option<Live>,
    /// How many connections were made so far: the number of the newest.
    made: u64,
    /// Why the last attempt failed, for those who only waited for it.
    failed: Option<String>,
}

/// A connection that works, as far as anybody knows.
#[derive(Clone)]
struct Live {
    line: Line,
    number: u64,
}

/// Whether somebody waits for the reply.
#[derive(Clone, Copy)]
enum Hurry {
    Yes,
    No,
}

/// Why there is no reply to a command.
pub(super) enum Failure {
    /// It never left: there was no connection in time.
    NotSent(String),
    /// It may have been carried out: the connection broke, or the reply did not come in time.
    Lost(String),
    /// The server said no, and did nothing.
    Refused(ServerError),
}

/// The first attempt to connect takes at most so long, so that one black hole is not the whole
/// deadline.
const ATTEMPT: Duration = Duration::from_millis(300);
/// The next one may take twice as long: a line across the world needs several round trips.
const ATTEMPT_GROWS: u32 = 2;
const LONGEST_ATTEMPT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

impl Link {
    pub(super) fn new(settings: &Settings, threads: Threads) -> Result<Self, Error> {
        let address = settings.address()?;
        let connection = settings.connection()?;
        let place = match connection.redis_settings().db() {
            0 => address.to_string(),
            database => format!("{address}, database {database}"),
        };
        // An application that has chosen its own provider of cryptography keeps it.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::open(connection).map_err(|error| {
            Error::settings(format!(
                "redis_session: {place} is no address to connect to"
            ))
            .because(error)
        })?;
        Ok(Self {
            client,
            place,
            debug: settings.debug,
            threads,
            current: Mutex::default(),
            losses: AtomicU32::new(0),
            connecting: AsyncMutex::new(()),
            beside: Beside::default(),
        })
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Makes the first connection.
    pub(super) async fn open(&self, by: Instant) -> Result<(), Error> {
        let opened = self.live(by).await;
        opened.map(drop).map_err(|failure| {
            Error::not_applied(format!(
                "can't connect to Redis at {}: {failure}",
                self.place
            ))
        })
    }

    /// Sends a command and waits for its reply until `by`.
    pub(super) async fn send(&self, command: &Command<'_>, by: Instant) -> Result<Value, Failure> {
        self.send_in(Hurry::Yes, command, by).await
    }

    /// Sends a command for whose reply nobody waits.
    pub(super) async fn send_ahead(
        &self,
        command: &Command<'_>,
        by: Instant,
    ) -> Result<Value, Failure> {
        self.send_in(Hurry::No, command, by).await
    }

    async fn send_in(
        &self,
        hurry: Hurry,
        command: &Command<'_>,
        by: Instant,
    ) -> Result<Value, Failure> {
        let mut pause = FIRST_PAUSE;
        loop {
            let there = self.current().live.clone();
            let mut live = match there {
                Some(live) => live,
                // Apart, because all that making a connection may take is large.
                None => Box::pin(self.live(by)).await?,
            };
            let started = Instant::now();
            let reply = match hurry {
                Hurry::Yes => live.line.send(command.cmd(), by).await,
                Hurry::No => live.line.send_ahead(command.cmd(), by).await,
            };
            let answer = match reply {
                Ok(Value::ServerError(error)) => Err(Failure::Refused(error)),
                Ok(value) => Ok(value),
                Err(error) if error.is_timeout() => Err(Failure::Lost("no reply in time".into())),
                Err(error) => Err(Failure::Lost(format!("the connection broke: {error}"))),
            };
            self.tell(started, || (command.in_full(), summary(&answer)));
            match &answer {
                // The reply may still come, or the line may be dead: nobody should wait behind it.
                Err(Failure::Lost(_)) => self.forget(live.number),
                Err(Failure::Refused(error)) if soon(error) && Instant::now() + pause < by => {
                    if error.code() == "READONLY" {
                        // The address may lead to another server by now.
                        self.forget(live.number);
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
                _ => self.losses.store(0, Ordering::Relaxed),
            }
            return answer;
        }
    }

    /// A connection besides the shared one, the same at each call as long as it answers.
    pub(super) async fn handle(&self, by: Instant) -> Result<MultiplexedConnection, Error> {
        let made = self.beside.handle(&self.client, self.threads, by);
        match timeout_at(by.into(), made).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.none_beside(&error.to_string())),
            Err(_) => Err(self.none_beside("no answer in time")),
        }
    }

    /// Sends a command over a connection besides the shared one, to which it connects until the
    /// first moment; without the second one it waits for an answer as long as that takes.
    pub(super) async fn send_beside(
        &self,
        command: &Cmd,
        moments: (Instant, Option<Instant>),
    ) -> Result<Value, Error> {
        let sent = self
            .beside
            .send(&self.client, self.threads, command, moments);
        let what = format!("a command of the application's to Redis at {}", self.place);
        sent.await.map_err(|failure| match failure {
            Failure::NotSent(words) => Error::not_applied(format!("{what}: {words}")),
            failure => Error::unknown(format!("{what}: {failure}")),
        })
    }

    fn none_beside(&self, words: &str) -> Error {
        let place = &self.place;
        Error::not_applied(format!(
            "no separate connection to Redis at {place}: {words}"
        ))
    }

    /// The shared connection; makes one if there is none, until `by`.
    async fn live(&self, by: Instant) -> Result<Live, Failure> {
        if let Some(live) = &self.current().live {
            return Ok(live.clone());
        }
        let Ok(_alone) = timeout_at(by.into(), self.connecting.lock()).await else {
            let failed = self.current().failed.clone();
            return Err(Failure::NotSent(
                failed.unwrap_or_else(|| "no connection in time".into()),
            ));
        };
        let (mut pause, mut attempt) = (FIRST_PAUSE, ATTEMPT);
        if self.current().live.is_none() {
            self.after_losses(by).await;
        }
        loop {
            if let Some(live) = &self.current().live {
                return Ok(live.clone());
            }
            match self.connect(by.min(Instant::now() + attempt)).await {
                Ok(line) => return Ok(self.remember(line)),
                Err(error) => {
                    let words = self.failed(&error);
                    if !passing(&error) || Instant::now() + pause >= by {
                        return Err(Failure::NotSent(words));
                    }
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            attempt = (attempt * ATTEMPT_GROWS).min(LONGEST_ATTEMPT);
        }
    }

    /// Why no connection can be made. That an attempt ran out of time says less than what the one
    /// before it has met.
    fn failed(&self, error: &RedisError) -> String {
        let failed = &mut self.current().failed;
        match failed {
            Some(before) if error.is_timeout() => before.clone(),
            _ => failed.insert(error.to_string()).clone(),
        }
    }

    /// Waits a little before a new connection if the last ones were lost without an answer: a server
    /// that takes connections and answers nothing should not get a thousand of them.
    async fn after_losses(&self, by: Instant) {
        let losses = self.losses.load(Ordering::Relaxed);
        if losses > 1 {
            let pause = FIRST_PAUSE
                .saturating_mul(1 << losses.min(8))
                .min(LONGEST_PAUSE);
            // Most of the time stays for the connection itself.
            let left = by.saturating_duration_since(Instant::now());
            sleep(pause.min(left / 4)).await;
        }
    }

    async fn connect(&self, limit: Instant) -> Result<Line, RedisError> {
        let started = Instant::now();
        let made = Line::connect(&self.client, self.threads, limit).await;
        self.tell(started, || {
            let outcome = made
                .as_ref()
                .map_or_else(ToString::to_string, |_| "OK".to_owned());
            (format!("connect {}", self.place), outcome)
        });
        made
    }

    fn remember(&self, line: Line) -> Live {
        let mut current = self.current();
        current.made += 1;
        let number = current.made;
        let live = Live { line, number };
        current.live = Some(live.clone());
        current.failed = None;
        live
    }

    /// Gives up connection `number`, unless it has been replaced already. Replies that others still
    /// wait for on it reach them if they come.
    fn forget(&self, number: u64) {
        let mut current = self.current();
        if current.live.take_if(|live| live.number == number).is_some() {
            self.losses.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Gives up the connection whose answers make no sense: the next one might be somebody else's.
    pub(super) fn distrust(&self) {
        self.losses.fetch_add(1, Ordering::Relaxed);
        self.current().live = None;
    }

    /// Shows what went over the wire: on STDERR with `debug`, else to who listens at TRACE level.
    fn tell(&self, started: Instant, what: impl FnOnce() -> (String, String)) {
        if !self.debug && !tracing::enabled!(tracing::Level::TRACE) {
            return;
        }
        let time = started.elapsed();
        let (sent, received) = what();
        if self.debug {
            // Who has closed STDERR wants sessions all the same.
            drop(writeln!(
                std::io::stderr(),
                "dancer-session: {sent} -> {received} in {time:.1?}"
            ));
        } else {
            tracing::trace!(sent, received, ?time, "redis");
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an attempt to connect that failed so may succeed a moment later.
fn passing(error: &RedisError) -> bool {
    error.is_io_error() || error.kind() == ErrorKind::Server(ServerErrorKind::BusyLoading)
}

/// Whether a server that says so has done nothing, and may do it a moment later: one that still
/// starts, or one that has just become a replica.
fn soon(error: &ServerError) -> bool {
    matches!(error.code(), "LOADING" | "READONLY")
}

/// A server's error in its own words, without the arguments that it sometimes repeats.
pub(super) fn words(error: &ServerError) -> String {
    let detail = error.details().unwrap_or_default();
    let detail = detail.split(", with args").next().unwrap_or_default();
    format!("{} {detail}", error.code())
}

fn summary(answer: &Result<Value, Failure>) -> String {
    match answer {
        Ok(Value::BulkString(bytes)) => format!("<{} bytes>", bytes.len()),
        Ok(Value::Nil) => "nothing".to_owned(),
        Ok(Value::Okay) => "OK".to_owned(),
        Ok(Value::Int(number)) => number.to_string(),
        Ok(_) => "an answer of a strange kind".to_owned(),
        Err(failure) => failure.to_string(),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(cause) | Self::Lost(cause) => f.write_str(cause),
            Self::Refused(error) => write!(f, "the server refused: {}", words(error)),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.place)
    }
}
