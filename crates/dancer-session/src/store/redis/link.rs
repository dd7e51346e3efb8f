//! Commands on their way to the server and back: what is done about a fault, within the deadline of
//! the command. Which connection they take is the business of [`upkeep`](super::upkeep).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, ConnectionAddr, ConnectionInfo, ProtocolVersion, Value};
use tokio::time::{sleep, timeout_at};

use super::beside::Beside;
use super::command::Command;
use super::fault::{Action, Fault, Outcome, words};
use super::line::{PING, Threads};
use super::pool::Lent;
use super::telling::{Telling, summary};
use super::tracking::Tracking;
use super::upkeep::{Live, Upkeep};
use crate::{Error, Settings};

/// Sends commands over the shared connection.
pub(super) struct Link {
    upkeep: Upkeep,
    /// For connections besides the shared one.
    client: Client,
    /// How many operations wait for a connection, or to be tried again. Those that have one are counted
    /// by it.
    waiting: AtomicUsize,
    /// For what is none of the sessions' business.
    beside: Beside,
}

/// So many operations may use one connection at a time, and as many may wait for one; each further one
/// fails at once. Far more than a server that answers ever has waiting, and little enough to keep
/// in memory while it does not.
const MOST_IN_FLIGHT: usize = 4096;

/// Before a command is sent again for what the server has said.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Whether somebody waits for the reply.
#[derive(Clone, Copy)]
enum Hurry {
    Yes,
    No,
}

impl Link {
    /// `tracking`: who is to know when a key that was read has changed.
    pub(super) fn new(
        settings: &Settings,
        threads: Threads,
        tracking: Option<Tracking>,
    ) -> Result<Self, Error> {
        let address = settings.address()?;
        let connection = settings.connection()?;
        let place = match connection.redis_settings().db() {
            0 => address.to_string(),
            database => format!("{address}, database {database}"),
        };
        // An application that has chosen its own provider of cryptography keeps it.
        drop(rustls::crypto::ring::default_provider().install_default());
        let open = |connection: ConnectionInfo| {
            Client::open(connection).map_err(|error| {
                Error::settings(format!(
                    "redis_session: {place} is no address to connect to"
                ))
                .because(error)
            })
        };
        let client = open(connection.clone())?;
        let shared = match tracking {
            None => client.clone(),
            Some(_) => {
                // The older protocol has no room for what nobody has asked for.
                let newer = connection.redis_settings().clone();
                let newer = newer.set_protocol(ProtocolVersion::RESP3);
                open(connection.set_redis_settings(newer))?
            }
        };
        let telling = Telling {
            debug: settings.debug,
        };
        Ok(Self {
            upkeep: Upkeep::new(shared, place, settings.timeout, threads, tracking, telling),
            client,
            waiting: AtomicUsize::new(0),
            beside: Beside::default(),
        })
    }

    pub(super) fn place(&self) -> &str {
        self.upkeep.place()
    }

    /// Whether the server that is connected just now has `SET … IFEQ`.
    pub(super) fn has_conditional_set(&self) -> bool {
        let skills = self.upkeep.skills();
        skills.is_some_and(|skills| skills.conditional_set)
    }

    /// Whether the server that is connected just now tells of changes of what a script has read.
    pub(super) fn tells_of_scripts(&self) -> bool {
        let skills = self.upkeep.skills();
        skills.is_some_and(|skills| skills.tells_of_scripts)
    }

    /// Whether the server has answered within so long a time.
    pub(super) fn hears(&self, within: Duration) -> bool {
        self.upkeep.hears(within)
    }

    /// Asks for a sign of life.
    pub(super) async fn ping(&self, by: Instant) -> Result<(), Fault> {
        let (live, sent) = (self.upkeep.live(by).await?, Instant::now());
        match live.line.send(PING, by).await {
            Ok(_) => self.upkeep.heard(&live),
            Err(fault) => self.upkeep.lost(&live, &fault, sent),
        }
        Ok(())
    }

    /// Makes the first connection.
    pub(super) async fn open(&self, by: Instant) -> Result<(), Error> {
        let opened = self.upkeep.live(by).await;
        opened.map(drop).map_err(|fault| {
            let words = format!("can't connect to Redis at {}: {fault}", self.place());
            match fault.row().misconfigured {
                true => Error::misconfigured(words),
                false => Error::not_applied(words),
            }
        })
    }

    /// Sends a command and waits for its reply until `by`.
    ///
    /// One that may have been carried out is never sent again here; the caller knows whether that
    /// would do harm.
    pub(super) async fn send(&self, command: &Command<'_>, by: Instant) -> Result<Value, Fault> {
        let live = self.live(by).await?;
        match self.once(Hurry::Yes, &live, command, by).await {
            Ok(value) => Ok(value),
            Err(fault) => {
                // It is no longer one of those that use it.
                drop(live);
                Box::pin(self.send_again(fault, command, by)).await
            }
        }
    }

    /// The connection. All that may have to be done to have one is large, and a command is seldom in
    /// need of it: so it is apart.
    async fn live(&self, by: Instant) -> Result<Arc<Live>, Fault> {
        let live = match self.upkeep.current() {
            Some(live) => live,
            None => Box::pin(self.waited_for(by)).await?,
        };
        match is_crowded(&live) {
            true => Err(Fault::Crowded),
            false => Ok(live),
        }
    }

    async fn waited_for(&self, by: Instant) -> Result<Arc<Live>, Fault> {
        let _waits = self.wait()?;
        self.upkeep.live(by).await
    }

    /// Goes on after a first fault.
    async fn send_again(
        &self,
        mut fault: Fault,
        command: &Command<'_>,
        by: Instant,
    ) -> Result<Value, Fault> {
        let Ok(_waits) = self.wait() else {
            return Err(fault);
        };
        let (mut pause, mut replaced) = (FIRST_PAUSE, false);
        loop {
            let row = fault.row();
            let again = row.outcome == Outcome::NotApplied
                && match row.action {
                    Action::Again => true,
                    // Whoever can do with less does not wait for a third server.
                    Action::Reconnect | Action::LogIn => !(replaced && command.has_gentler_form()),
                    Action::AgainWhole | Action::GiveUp => false,
                };
            // A try without the time for a reply would make something unknown of what is known.
            if !again || Instant::now() + 2 * pause >= by {
                return Err(fault);
            }
            replaced |= row.action != Action::Again;
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            let live = self.upkeep.live(by).await?;
            if is_crowded(&live) {
                return Err(fault);
            }
            match self.once(Hurry::Yes, &live, command, by).await {
                Ok(value) => return Ok(value),
                Err(next) => fault = next,
            }
        }
    }

    /// Sends a command for whose reply nobody waits, once.
    pub(super) async fn send_ahead(
        &self,
        command: &Command<'_>,
        by: Instant,
    ) -> Result<Value, Fault> {
        let live = self.live(by).await?;
        self.once(Hurry::No, &live, command, by).await
    }

    /// Sends a command over this connection, and does to the connection what the fault asks for.
    async fn once(
        &self,
        hurry: Hurry,
        live: &Live,
        command: &Command<'_>,
        by: Instant,
    ) -> Result<Value, Fault> {
        let started = Instant::now();
        let mut asked = Asked {
            upkeep: &self.upkeep,
            live: Some(live),
            started,
        };
        let reply = match hurry {
            Hurry::Yes => live.line.send(command, by).await,
            Hurry::No => live.line.send_ahead(command, by).await,
        };
        asked.live = None;
        let answer = match reply {
            Ok(Value::ServerError(error)) => Err(Fault::Refused(error)),
            reply => reply,
        };
        self.upkeep
            .telling()
            .tell(started, || (command.in_full(), summary(&answer)));
        if let Err(fault) = &answer {
            self.tend(live, fault, started);
        } else {
            self.upkeep.heard(live);
        }
        answer
    }

    /// Does to a connection what a fault asks for.
    fn tend(&self, live: &Live, fault: &Fault, sent: Instant) {
        let row = fault.row();
        let gives_up = matches!(row.action, Action::Reconnect | Action::LogIn);
        let Fault::Refused(error) = fault else {
            if gives_up {
                self.upkeep.lost(live, fault, sent);
            }
            return;
        };
        self.upkeep.heard(live);
        if row.misconfigured {
            self.upkeep.report(row.what, &words(error));
        }
        if gives_up {
            self.upkeep.replace(live);
        }
    }

    /// Gives up the connection whose answers make no sense.
    pub(super) fn distrust(&self) {
        self.upkeep.distrust();
    }

    /// Tells the log that changes are refused and reading goes on, once in a while.
    pub(super) fn reading_goes_on(&self, fault: &Fault) {
        self.upkeep.reading_goes_on(fault);
    }

    /// The connection there is.
    pub(super) fn current(&self) -> Option<Arc<Live>> {
        self.upkeep.current()
    }

    /// A connection for one caller, to the address of the shared one, if there is any to have soon.
    pub(super) async fn lend<'l>(&self, live: &'l Arc<Live>, by: Instant) -> Option<Lent<'l>> {
        let (threads, telling) = (self.upkeep.threads(), *self.upkeep.telling());
        if is_crowded(live) || (threads == Threads::None && self.has_name()) {
            return None;
        }
        let lent = live.pool.lend(&self.client, threads, telling, by).await;
        // The address may lead to another server by now.
        let current = self.upkeep.current();
        lent.filter(|_| current.is_some_and(|current| Arc::ptr_eq(&current, live)))
    }

    /// Whether the address is one that has to be looked up, which without threads has no deadline.
    fn has_name(&self) -> bool {
        match self.client.get_connection_info().addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => {
                host.parse::<IpAddr>().is_err()
            }
            _ => false,
        }
    }

    /// A connection besides the shared one, the same at each call as long as it answers.
    pub(super) async fn handle(&self, by: Instant) -> Result<MultiplexedConnection, Error> {
        let made = self.beside.handle(&self.client, self.upkeep.threads(), by);
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
        let (client, threads) = (&self.client, self.upkeep.threads());
        let sent = self.beside.send(client, threads, command, moments);
        let what = format!(
            "a command of the application's to Redis at {}",
            self.place()
        );
        sent.await.map_err(|fault| match fault.row().outcome {
            Outcome::NotApplied => Error::not_applied(format!("{what}: {fault}")),
            Outcome::Unknown => Error::unknown(format!("{what}: {fault}")),
        })
    }

    fn none_beside(&self, words: &str) -> Error {
        let place = self.place();
        Error::not_applied(format!(
            "no separate connection to Redis at {place}: {words}"
        ))
    }

    fn wait(&self) -> Result<Waits<'_>, Fault> {
        let waits = Waits(&self.waiting);
        match self.waiting.fetch_add(1, Ordering::Relaxed) < MOST_IN_FLIGHT {
            true => Ok(waits),
            false => Err(Fault::Crowded),
        }
    }
}

/// Whether more than may use a connection do. Its own count of users serves for that: another one would
/// be one more that all threads write to.
fn is_crowded(live: &Arc<Live>) -> bool {
    // One is the upkeep's.
    Arc::strong_count(live) - 1 > MOST_IN_FLIGHT
}

/// A command on its way. Whoever is dropped while it waits for the reply has learnt something of the
/// connection, too: else one that says nothing would be kept as long as nobody waits to the end.
struct Asked<'l> {
    upkeep: &'l Upkeep,
    live: Option<&'l Live>,
    started: Instant,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let unanswered = self.live.filter(|live| live.line.is_shared());
        if let Some(live) = unanswered {
            self.upkeep.lost(live, &Fault::Silent, self.started);
        }
    }
}

/// An operation that waits for a connection, or for its next try; ends when dropped.
struct Waits<'l>(&'l AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.upkeep.fmt(f)
    }
}
