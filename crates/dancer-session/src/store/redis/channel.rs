//! One connection for many tasks: whatever they have to send at a moment leaves together, in one call
//! of the kernel, and replies go to them in the order of their commands.
//!
//! A task of its own, the [`Driver`], writes and reads. Whoever sends only adds bytes to a buffer and
//! wakes it; it lets all tasks that are ready have their turn first, so that what they have to say
//! goes along. Deadlines are kept by the driver too, with one timer for all of them.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use redis::{RedisResult, Value};
use tokio::io::ReadBuf;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep_until};

use super::frame;
use super::line::no_reply;
use super::stream::Stream;

/// A connection. Clones are the same one; it ends with the last of them.
#[derive(Clone)]
pub(super) struct Channel(Arc<Sender>);

/// What all clones hold, and the driver does not.
struct Sender(Arc<Shared>);

struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    /// Commands that the driver has not taken yet.
    out: Vec<u8>,
    /// Who waits for the next replies, in their order.
    waiting: VecDeque<Waiting>,
    /// Not later than the first of their deadlines.
    alarm: Option<Instant>,
    /// The driver, while it sleeps.
    driver: Option<Waker>,
    /// Nobody can send any more.
    abandoned: bool,
    /// Why the connection has ended.
    ended: Option<Ended>,
}

type Reply = RedisResult<Value>;

struct Waiting {
    by: Instant,
    /// Nobody, when the deadline has passed: the reply is thrown away.
    reply: Option<oneshot::Sender<Reply>>,
}

/// Why there will be no more replies.
#[derive(Clone)]
struct Ended(io::ErrorKind, Arc<str>);

impl Ended {
    fn of(error: &io::Error) -> Self {
        Self(error.kind(), error.to_string().into())
    }

    fn error<T>(&self) -> RedisResult<T> {
        Err(io::Error::new(self.0, &*self.1).into())
    }
}

impl Channel {
    /// Takes over a stream that is logged in. What comes that nobody has asked for goes to `listener`,
    /// before any reply behind it goes to anybody.
    pub(super) fn over(stream: Stream, listener: Option<Box<dyn Listener>>) -> Self {
        let shared = Arc::new(Shared(Mutex::default()));
        let driver = Driver {
            stream,
            shared: Arc::clone(&shared),
            listener,
            leaving: Vec::new(),
            left: 0,
            unflushed: false,
            come: vec![0; FIRST_ROOM],
            begin: 0,
            end: 0,
            gave_way: false,
            timer: None,
        };
        tokio::spawn(driver);
        Self(Arc::new(Sender(shared)))
    }

    /// Sends a command, as it goes over the wire, and waits for its reply until `by`. It is on its way
    /// when this was polled for the first time.
    pub(super) async fn send(&self, command: &[u8], by: Instant) -> Reply {
        let (reply, answer) = oneshot::channel();
        self.push(command, by, reply)?;
        match answer.await {
            Ok(reply) => reply,
            Err(_) => Ended::of(&io::ErrorKind::ConnectionAborted.into()).error(),
        }
    }

    fn push(&self, command: &[u8], by: Instant, reply: oneshot::Sender<Reply>) -> RedisResult<()> {
        let mut state = self.0.0.state();
        if let Some(ended) = &state.ended {
            return ended.error();
        }
        state.out.extend_from_slice(command);
        let reply = Some(reply);
        state.waiting.push_back(Waiting { by, reply });
        if state.alarm.is_none_or(|alarm| by < alarm) {
            state.alarm = Some(by);
        }
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        Ok(())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.abandoned = true;
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

/// Hears what the server says of its own accord.
pub(super) trait Listener: Send {
    /// Called with each word, in the order of words and replies.
    fn hear(&mut self, word: &Value);
}

/// So many replies are handed out before those who got them have their turn.
const AT_ONCE: usize = 8;
/// Room for what comes, at first and while little comes.
const FIRST_ROOM: usize = 16 * 1024;
/// More is given back when it is not needed.
const MUCH_ROOM: usize = 256 * 1024;

/// Writes and reads, until the connection ends or nobody has it any more.
struct Driver {
    stream: Stream,
    shared: Arc<Shared>,
    listener: Option<Box<dyn Listener>>,
    /// What is being written, and how much of it has left.
    leaving: Vec<u8>,
    left: usize,
    /// Whether TLS may still hold some of what has left.
    unflushed: bool,
    /// What has come and was not handed out yet: from `begin` to `end`.
    come: Vec<u8>,
    begin: usize,
    end: usize,
    /// Whether all who were ready have had their turn since there was something to write.
    gave_way: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let driver = &mut *self;
        match driver.work(context) {
            Ok(Next::Sleep) => Poll::Pending,
            Ok(Next::Leave) => Poll::Ready(()),
            Err(error) => {
                // Who hears of the end may rely on it that nothing of before is believed any more.
                driver.listener = None;
                driver.shared.end(&error);
                Poll::Ready(())
            }
        }
    }
}

enum Next {
    Sleep,
    Leave,
}

impl Driver {
    fn work(&mut self, context: &mut Context<'_>) -> io::Result<Next> {
        let mut written = self.write(context)?;
        if written.is_ready() && self.take_out() {
            written = self.write(context)?;
        }
        let more = self.hand_out(context)?;
        let mut state = self.shared.state();
        if more || (written.is_ready() && !state.out.is_empty()) {
            // Behind all that are ready now: they may have something to send as well.
            self.gave_way = true;
            context.waker().wake_by_ref();
            return Ok(Next::Sleep);
        }
        if state.abandoned {
            return Ok(Next::Leave);
        }
        self.gave_way = false;
        state.driver = Some(context.waker().clone());
        let alarm = state.alarm;
        drop(state);
        self.keep_time(alarm, context);
        Ok(Next::Sleep)
    }

    /// Takes over what there is to write, unless others should have their turn first; `false`: nothing.
    fn take_out(&mut self) -> bool {
        let mut state = self.shared.state();
        // Whoever is alone waits for nobody.
        if state.out.is_empty() || !(self.gave_way || state.waiting.len() == 1) {
            return false;
        }
        self.leaving.clear();
        self.leaving.shrink_to(MUCH_ROOM);
        self.left = 0;
        std::mem::swap(&mut state.out, &mut self.leaving);
        true
    }

    /// Writes what is being written; ready when all of it has left.
    fn write(&mut self, context: &mut Context<'_>) -> io::Result<Poll<()>> {
        while self.left < self.leaving.len() {
            let rest = &self.leaving[self.left..];
            match self.stream.as_mut().poll_write(context, rest) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => self.left += written?,
            }
            self.unflushed = true;
        }
        if self.unflushed {
            match self.stream.as_mut().poll_flush(context) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(flushed) => flushed?,
            }
            self.unflushed = false;
        }
        Ok(Poll::Ready(()))
    }

    /// Reads what there is, and gives it to those who wait for it; but only so much at a time that the
    /// server can work on what the first of them have to say next, while others still read. Returns
    /// whether there may be more.
    fn hand_out(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        let mut replies = 0;
        loop {
            while let Some(length) = self.next_length()? {
                if replies == AT_ONCE {
                    return Ok(true);
                }
                replies += 1;
                let reply = frame::read(&self.come[self.begin..self.begin + length]);
                self.begin += length;
                self.give(reply)?;
            }
            match self.read(context) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(0)) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the server has closed the connection",
                    ));
                }
                Poll::Ready(read) => drop(read?),
            }
        }
    }

    fn next_length(&self) -> io::Result<Option<usize>> {
        frame::length(&self.come[self.begin..self.end]).map_err(io::Error::other)
    }

    fn give(&mut self, reply: Reply) -> io::Result<()> {
        if let Ok(word @ Value::Push { .. }) = &reply {
            if let Some(listener) = &mut self.listener {
                listener.hear(word);
            }
            return Ok(());
        }
        let Some(first) = self.shared.state().waiting.pop_front() else {
            // Whoever is next would get what is not theirs.
            return Err(io::Error::other("a reply came that nobody had asked for"));
        };
        let broken = reply.as_ref().err();
        let broken = broken.map(|error| io::Error::other(error.to_string()));
        if let Some(waiting) = first.reply {
            // Nobody may want to know.
            drop(waiting.send(reply));
        }
        broken.map_or(Ok(()), Err)
    }

    fn read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
            if self.come.len() > MUCH_ROOM {
                self.come.truncate(FIRST_ROOM);
                self.come.shrink_to_fit();
            }
        } else if self.end == self.come.len() {
            self.come.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
            if self.end * 2 > self.come.len() {
                self.come.resize(self.come.len() * 2, 0);
            }
        }
        let mut room = ReadBuf::new(&mut self.come[self.end..]);
        ready!(self.stream.as_mut().poll_read(context, &mut room))?;
        let read = room.filled().len();
        self.end += read;
        Poll::Ready(Ok(read))
    }

    /// Tells those whose deadline has passed, and wakes up for the next one.
    fn keep_time(&mut self, alarm: Option<Instant>, context: &mut Context<'_>) {
        let mut alarm = alarm;
        while let Some(at) = alarm {
            match &mut self.timer {
                None => self.timer = Some(Box::pin(sleep_until(at.into()))),
                Some(timer) if timer.deadline() != at.into() => timer.as_mut().reset(at.into()),
                Some(_) => {}
            }
            let timer = self
                .timer
                .as_mut()
                .map(|timer| timer.as_mut().poll(context));
            if timer.is_none_or(|timer| timer.is_pending()) {
                return;
            }
            alarm = self.shared.ring();
        }
    }
}

impl Shared {
    /// Tells all whose deadline has passed; returns the next one.
    fn ring(&self) -> Option<Instant> {
        let mut state = self.state();
        let now = Instant::now();
        for waiting in &mut state.waiting {
            if waiting.by <= now
                && let Some(reply) = waiting.reply.take()
            {
                drop(reply.send(Err(no_reply())));
            }
        }
        let waiting = state.waiting.iter();
        let alarm = waiting
            .filter(|waiting| waiting.reply.is_some())
            .map(|waiting| waiting.by)
            .min();
        state.alarm = alarm;
        alarm
    }

    /// Tells everybody that no replies will come.
    fn end(&self, error: &io::Error) {
        let ended = Ended::of(error);
        let mut state = self.state();
        let waiting = std::mem::take(&mut state.waiting);
        state.out = Vec::new();
        state.ended.get_or_insert_with(|| ended.clone());
        drop(state);
        for reply in waiting.into_iter().filter_map(|waiting| waiting.reply) {
            drop(reply.send(ended.error()));
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Of a runtime that ends, for instance.
        self.shared.end(&io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "the connection's task has ended",
        ));
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channel")
    }
}
