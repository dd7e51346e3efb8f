//! One connection to the server, and how commands and replies pass over it.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, Value};
use tokio::time::timeout_at;

use super::channel::Channel;
use super::command::Outgoing;
use super::fault::Fault;
use super::here::Here;
use super::names::OnThisThread;
use super::skills::{HELLO, Skills};
use super::stream;
use super::tracking::Tracking;
use super::wire;

/// Whether an engine may start threads, and so have its work go on while nobody waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    Allowed,
    None,
}

/// A connection. Clones are the same one.
#[derive(Clone)]
pub(super) enum Line {
    /// Many tasks at once; a task of its own reads the replies.
    Shared(Channel),
    /// One command after the other, in the thread that calls: without anybody to switch to, that is
    /// half the work.
    Here(Arc<Mutex<Here>>),
}

impl Line {
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// When it gave its last reply, whoever that was for; `None`: that is whose turn it is.
    pub(super) fn heard(&self) -> Option<Instant> {
        match self {
            Self::Shared(channel) => Some(channel.heard()),
            Self::Here(_) => None,
        }
    }

    pub(super) async fn connect(
        client: &Client,
        threads: Threads,
        tracking: Option<&Tracking>,
        limit: Instant,
    ) -> RedisResult<(Self, Skills)> {
        match threads {
            Threads::Allowed => {
                let made = timeout_at(limit.into(), channel(client, tracking, limit));
                let made = made.await.unwrap_or_else(|_| Err(no_reply()));
                let (channel, skills) = made?;
                Ok((Self::Shared(channel), skills))
            }
            Threads::None => {
                let (here, skills) = Here::connect(client, limit).await?;
                Ok((Self::Here(Arc::new(Mutex::new(here))), skills))
            }
        }
    }

    /// Sends a command and waits for its reply until `by`; after a fault the
    /// line is good for nothing any more. An error of the server's is a reply.
    pub(super) async fn send(
        &self,
        command: &(impl Outgoing + ?Sized),
        by: Instant,
    ) -> Result<Value, Fault> {
        match self {
            Self::Shared(channel) => channel.send(command, by).await,
            Self::Here(here) => {
                let mut here = here.lock().unwrap_or_else(PoisonError::into_inner);
                here.ask(command, by)
            }
        }
    }

    /// Sends a command whose reply nobody is in a hurry for: it may be read only after the next
    /// one has been sent. It is on its way, before all that is sent later, when this was polled for
    /// the first time.
    pub(super) async fn send_ahead(
        &self,
        command: &(impl Outgoing + ?Sized),
        by: Instant,
    ) -> Result<Value, Fault> {
        let Self::Here(here) = self else {
            return self.send(command, by).await;
        };
        let reply = {
            let mut here = here.lock().unwrap_or_else(PoisonError::into_inner);
            here.ask_ahead(command, by)?
        };
        match reply.await {
            Ok(reply) => Ok(reply),
            Err(_) => Err(Fault::Silent),
        }
    }
}

/// A connection for many tasks that has answered.
async fn channel(
    client: &Client,
    tracking: Option<&Tracking>,
    limit: Instant,
) -> RedisResult<(Channel, Skills)> {
    let stream = stream::connect(client).await?;
    let channel = Channel::over(stream, tracking.map(Tracking::listener));
    // A connection proves nothing yet: this finds the missing password, the server that still starts,
    // and whatever else listens there. Neither waits for the other.
    let (pong, hello) = tokio::join!(channel.send(PING, limit), channel.send(HELLO, limit));
    if let Value::ServerError(error) = pong.map_err(in_error)? {
        return Err(error.into());
    }
    let mut skills = Skills::told_by(&hello.map_err(in_error)?);
    if let Some(tracking) = tracking {
        let begun = tracking.begin(&channel, limit).await.map_err(in_error)?;
        if let Value::ServerError(error) = begun {
            return Err(error.into());
        }
        skills.tells_of_scripts = tracking.is_told_of_scripts(&channel, limit).await;
    }
    Ok((channel, skills))
}

/// A fault of a connection that is being made, as the library would call it.
fn in_error(fault: Fault) -> RedisError {
    match fault {
        Fault::Silent => no_reply(),
        fault => io::Error::other(fault.to_string()).into(),
    }
}

pub(super) const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// The library's connection for many tasks, for whatever an application does with it.
pub(super) async fn shared(
    client: &Client,
    threads: Threads,
    limit: Instant,
) -> RedisResult<MultiplexedConnection> {
    // Whoever uses it sets the limits.
    let mut config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None);
    if threads == Threads::None {
        config = config.set_dns_resolver(OnThisThread);
    }
    let made = timeout_at(limit.into(), async {
        let mut made = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        redis::cmd("PING").query_async::<()>(&mut made).await?;
        Ok(made)
    });
    made.await.unwrap_or_else(|_| Err(no_reply()))
}

fn no_reply() -> RedisError {
    wire::no_reply().into()
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}
