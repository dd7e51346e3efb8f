//! One connection for many tasks: while the server is at work, what they have to send leaves together, in few
//! calls of the kernel, and replies go to them in the order of their commands.
//!
//! A task of its own, the [`Driver`], writes and reads. Whoever sends only adds bytes to a buffer and
//! wakes it; it lets all tasks that are ready have their turn first, so that what they have to say
//! goes along, unless that is much or the server seems to have nothing to do. Two more tasks help it:
//! one keeps the deadlines of all, with one timer, for the driver may be stuck behind a task that does
//! not give its thread away; one calls it back when the others have had their turn.

mod driver;

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use redis::Value;
use tokio::runtime::{self, Handle};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout_at;

use self::driver::{Driver, ENOUGH};
use super::command::Outgoing;
use super::fault::Fault;
use super::stream::Stream;

/// A connection. Clones are the same one; it ends with the last of them.
#[derive(Clone)]
pub(super) struct Channel(Arc<Sender>);

/// What all clones hold, and the tasks do not.
struct Sender {
    shared: Arc<Shared>,
    /// Where the tasks run.
    runtime: runtime::Id,
}

struct Shared {
    state: CachePadded<Mutex<State>>,
    born: Instant,
    /// When the last reply came in time, in nanoseconds since then. That it says something, too late
    /// for everybody, is no reason to keep a connection.
    heard: AtomicU64,
    /// Told when the alarm is earlier than it was, and at the end.
    bell: Notify,
    /// Told when the driver gives way, and at the end.
    turn: Notify,
}

#[derive(Default)]
struct State {
    /// Commands that the driver has not taken yet.
    out: Vec<u8>,
    /// Who waits for the next replies, in their order.
    waiting: VecDeque<Waiting>,
    /// How many of them, the last ones, have their commands in `out`.
    unsent: usize,
    /// Not later than the first of their deadlines.
    alarm: Option<Instant>,
    /// The driver, while it sleeps, or waits for others to have their turn.
    driver: Option<Waker>,
    /// Whether it waits for that: what there is to write may wait with it, as long as it is little.
    gives_way: bool,
    /// Nobody can send any more.
    abandoned: bool,
    /// Why the connection has ended.
    ended: Option<Arc<str>>,
}

type Reply = Result<Value, Fault>;

struct Waiting {
    by: Instant,
    /// Nobody, when the deadline has passed: the reply is thrown away.
    reply: Option<oneshot::Sender<Reply>>,
}

impl Channel {
    /// Takes over a stream that is logged in. What comes that nobody has asked for goes to `listener`,
    /// before any reply behind it goes to anybody.
    pub(super) fn over(stream: Stream, listener: Option<Box<dyn Listener>>) -> Self {
        let (channel, driver) = Self::and_driver(stream, listener);
        let shared = &channel.0.shared;
        tokio::spawn(driver);
        tokio::spawn(Arc::clone(shared).keep_time());
        tokio::spawn(Arc::clone(shared).give_turns());
        channel
    }

    fn and_driver(stream: Stream, listener: Option<Box<dyn Listener>>) -> (Self, Driver) {
        let shared = Arc::new(Shared {
            state: CachePadded::default(),
            born: Instant::now(),
            heard: AtomicU64::new(0),
            bell: Notify::new(),
            turn: Notify::new(),
        });
        let driver = Driver::new(stream, Arc::clone(&shared), listener);
        let runtime = Handle::current().id();
        (Self(Arc::new(Sender { shared, runtime })), driver)
    }

    /// Sends a command and waits for its reply until `by`. It stands behind
    /// all that were sent before when this was polled for the first time.
    pub(super) async fn send(&self, command: &(impl Outgoing + ?Sized), by: Instant) -> Reply {
        let (reply, answer) = oneshot::channel();
        self.push(command, by, reply)?;
        let elsewhere = Handle::try_current().is_ok_and(|here| here.id() != self.0.runtime);
        let reply = match elsewhere {
            false => answer.await,
            // Nobody may drive the runtime of the tasks just now.
            true => match Box::pin(timeout_at(by.into(), answer)).await {
                Ok(reply) => reply,
                Err(_) => return Err(Fault::Silent),
            },
        };
        reply.unwrap_or_else(|_| Err(Fault::Broken("its task has ended".into())))
    }

    /// When the last reply came in time, or the connection was made.
    pub(super) fn heard(&self) -> Instant {
        let shared = &self.0.shared;
        shared.born + Duration::from_nanos(shared.heard.load(Ordering::Relaxed))
    }

    fn push(
        &self,
        command: &(impl Outgoing + ?Sized),
        by: Instant,
        reply: oneshot::Sender<Reply>,
    ) -> Result<(), Fault> {
        let shared = &self.0.shared;
        let mut state = shared.state();
        if let Some(ended) = &state.ended {
            return Err(Fault::NeverLeft(ended.as_ref().into()));
        }
        command.write_into(&mut state.out);
        let reply = Some(reply);
        state.waiting.push_back(Waiting { by, reply });
        state.unsent += 1;
        let earlier = state.alarm.is_none_or(|alarm| by < alarm);
        if earlier {
            state.alarm = Some(by);
        }
        let driver = match state.gives_way && state.out.len() < ENOUGH {
            true => None,
            false => state.driver.take(),
        };
        drop(state);
        if earlier {
            shared.bell.notify_one();
        }
        if let Some(driver) = driver {
            driver.wake();
        }
        Ok(())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.abandoned = true;
        let driver = state.driver.take();
        drop(state);
        self.shared.bell.notify_one();
        self.shared.turn.notify_one();
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

/// Hears what the server says of its own accord.
pub(super) trait Listener: Send {
    /// Called with each word, in their order, and before any reply behind it is handed out.
    fn hear(&mut self, word: &Value);

    /// The same, when the word is that this key has changed.
    fn hear_of(&mut self, key: &[u8]);
}

impl Shared {
    /// In nanoseconds since it was made.
    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps everybody's deadline, until the connection ends.
    async fn keep_time(self: Arc<Self>) {
        loop {
            let alarm = {
                let state = self.state();
                if state.abandoned || state.ended.is_some() {
                    return;
                }
                state.alarm
            };
            let earlier = self.bell.notified();
            match alarm {
                None => earlier.await,
                Some(at) => {
                    if timeout_at(at.into(), earlier).await.is_err() {
                        self.ring(at);
                    }
                }
            }
        }
    }

    /// Calls the driver back to whom it has given way, when all who were ready then have had their
    /// turn, until the connection ends. Not the driver's own business: it may be called earlier, and
    /// who waits in the runtime's line can't be.
    async fn give_turns(self: Arc<Self>) {
        loop {
            self.turn.notified().await;
            let mut in_line = false;
            poll_fn(|context| {
                if std::mem::replace(&mut in_line, true) {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            let driver = {
                let mut state = self.state();
                if state.ended.is_some() {
                    return;
                }
                match state.gives_way || state.abandoned {
                    true => state.driver.take(),
                    false => None,
                }
            };
            if let Some(driver) = driver {
                driver.wake();
            }
            if self.state().abandoned {
                return;
            }
        }
    }

    /// Tells all whose deadline has passed, which is so for `at` by the runtime's clock.
    fn ring(&self, at: Instant) {
        let mut state = self.state();
        let now = Instant::now().max(at);
        for waiting in &mut state.waiting {
            if waiting.by <= now
                && let Some(reply) = waiting.reply.take()
            {
                drop(reply.send(Err(Fault::Silent)));
            }
        }
        let waiting = state.waiting.iter();
        state.alarm = waiting
            .filter(|waiting| waiting.reply.is_some())
            .map(|waiting| waiting.by)
            .min();
    }

    /// Tells everybody that no replies will come: because of `cause`, unless one was known before.
    fn end(&self, cause: &str) {
        let mut state = self.state();
        let cause = Arc::clone(state.ended.get_or_insert_with(|| cause.into()));
        state.out = Vec::new();
        let mut sent = std::mem::take(&mut state.waiting);
        let unsent = sent.split_off(sent.len() - state.unsent);
        state.unsent = 0;
        drop(state);
        self.bell.notify_one();
        self.turn.notify_one();
        for reply in sent.into_iter().filter_map(|waiting| waiting.reply) {
            drop(reply.send(Err(Fault::Broken(cause.as_ref().into()))));
        }
        for reply in unsent.into_iter().filter_map(|waiting| waiting.reply) {
            drop(reply.send(Err(Fault::NeverLeft(cause.as_ref().into()))));
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channel")
    }
}

#[cfg(test)]
mod tests;
