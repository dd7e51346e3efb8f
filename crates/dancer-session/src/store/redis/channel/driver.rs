//! The task that writes and reads for a [`Channel`](super::Channel): what leaves when, who gets what came,
//! and when a lone reply is looked for.

use std::future::Future;
use std::hint::spin_loop;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use redis::Value;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::runtime::{Handle, RuntimeMetrics};

use super::{Listener, Shared, Waiting};
use crate::store::redis::incoming::Incoming;
use crate::store::redis::looks::Looks;
use crate::store::redis::stream::Stream;

/// So many replies are handed out before those who got them have their turn.
const AT_ONCE: usize = 4;
/// While the server is at work, commands leave when they have so many bytes: some fifteen that read, or a
/// few that write. Fewer would be more calls of the kernel; more would leave the server without work.
pub(super) const ENOUGH: usize = 1024;
/// For so long the reply to a command that is alone is looked for before the driver sleeps: to wake the
/// server and then this thread takes longer.
const MOMENT: Duration = Duration::from_micros(60);
/// So many commands in a row were alone before one is looked for.
const ALONE: u32 = 8;
/// More room for what leaves is given back when it is not needed.
const MUCH_ROOM: usize = 256 * 1024;

/// Writes and reads, until the connection ends or nobody has it any more.
pub(super) struct Driver {
    stream: Stream,
    shared: Arc<Shared>,
    listener: Option<Box<dyn Listener>>,
    /// What is being written, and how much of it has left.
    leaving: Vec<u8>,
    left: usize,
    /// Whether TLS may still hold some of what has left.
    unflushed: bool,
    come: Incoming,
    /// Replies on their way, and who waits for them; empty between two turns.
    replies: Vec<Value>,
    owners: Vec<Waiting>,
    /// Whether all who were ready have had their turn since there was something to write.
    gave_way: bool,
    /// Whether there may be replies that were not handed out yet.
    more: bool,
    /// Whether anybody got one of those that were handed out last.
    gave: bool,
    /// Whether anything has left since the last bytes came. If not, the server seems to have nothing to do.
    asked: bool,
    /// How many commands in a row were alone on their way.
    alone: u32,
    looks: Looks,
    /// Whether the reply to what has left, and is alone, is to be looked for.
    looking: bool,
    /// Whether something came while it was looked for.
    found: bool,
    runtime: RuntimeMetrics,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let driver = &mut *self;
        match driver.work(context) {
            Ok(done) => done,
            Err(error) => {
                // Who hears of the end may rely on it that nothing of before is believed any more.
                driver.listener = None;
                driver.shared.end(&error.to_string());
                Poll::Ready(())
            }
        }
    }
}

enum Next {
    GoOn,
    Look,
    Sleep,
    Leave,
}

impl Driver {
    /// To be spawned in the runtime where it is made.
    pub(super) fn new(
        stream: Stream,
        shared: Arc<Shared>,
        listener: Option<Box<dyn Listener>>,
    ) -> Self {
        Self {
            stream,
            shared,
            listener,
            leaving: Vec::new(),
            left: 0,
            unflushed: false,
            come: Incoming::new(),
            replies: Vec::new(),
            owners: Vec::new(),
            gave_way: false,
            more: false,
            gave: false,
            asked: false,
            alone: 0,
            looks: Looks::default(),
            looking: false,
            found: false,
            runtime: Handle::current().metrics(),
        }
    }

    fn work(&mut self, context: &mut Context<'_>) -> io::Result<Poll<()>> {
        loop {
            match self.take_turn(context)? {
                Next::GoOn => {}
                Next::Look => self.look()?,
                Next::Sleep => return Ok(Poll::Pending),
                Next::Leave => return Ok(Poll::Ready(())),
            }
        }
    }

    fn take_turn(&mut self, context: &mut Context<'_>) -> io::Result<Next> {
        let mut written = self.write(context)?;
        // Before anything leaves for a server that was not asked anything: it may be about to go, or have
        // answered what nobody has asked.
        let read_first = !self.asked && !self.more;
        if read_first {
            self.more = self.hand_out(context)?;
        }
        if written.is_ready() && self.take_out() {
            written = self.write(context)?;
        }
        if !read_first {
            self.more = self.hand_out(context)?;
        }
        let mut state = self.shared.state();
        state.gives_way = false;
        if self.more {
            // Behind those who have got something.
            self.gave_way = true;
            context.waker().wake_by_ref();
            return Ok(Next::Sleep);
        }
        if written.is_ready() && !state.out.is_empty() {
            if !self.asked {
                return Ok(Next::GoOn);
            }
            // Behind all that are ready now: they may have something to send as well.
            self.gave_way = true;
            if state.abandoned {
                // Nobody else will call.
                context.waker().wake_by_ref();
                return Ok(Next::Sleep);
            }
            state.gives_way = true;
            state.driver = Some(context.waker().clone());
            drop(state);
            self.shared.turn.notify_one();
            return Ok(Next::Sleep);
        }
        if state.abandoned {
            return Ok(Next::Leave);
        }
        self.gave_way = false;
        if std::mem::take(&mut self.found) {
            // What came was no reply that anybody wanted.
            self.looks.learn(false);
        }
        if std::mem::take(&mut self.looking) && written.is_ready() && state.waiting.len() == 1 {
            return Ok(Next::Look);
        }
        state.driver = Some(context.waker().clone());
        Ok(Next::Sleep)
    }

    /// Looks for a moment whether the one reply comes, unless somebody has something to send.
    fn look(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        self.come.make_room();
        while self.shared.state().out.is_empty() {
            match self.stream.read_at_once(self.come.room()) {
                // The runtime will tell as well.
                Ok(0) => return Ok(()),
                Ok(read) => {
                    self.come_in(read);
                    self.found = true;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if begun.elapsed() >= MOMENT {
                        self.looks.learn(false);
                        return Ok(());
                    }
                    // Not given away in between: then a reply takes twice as long.
                    spin_loop();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes over what there is to write, unless others should have their turn first; `false`: nothing.
    fn take_out(&mut self) -> bool {
        let mut state = self.shared.state();
        // Words of the server's may go on for long, and nobody answers them.
        let more_may_join = self.more && self.gave;
        if more_may_join && state.waiting.len() == state.unsent {
            // All have been answered, and there is more: a word, or what nobody has asked for.
            return false;
        }
        let had_their_turn = self.gave_way && !more_may_join;
        let enough = state.out.len() >= ENOUGH;
        let due = had_their_turn || enough || !self.asked || state.abandoned;
        if state.out.is_empty() || !due {
            return false;
        }
        if self.leaving.len() < self.leaving.capacity() / 4 {
            self.leaving.shrink_to(MUCH_ROOM);
        }
        self.leaving.clear();
        self.left = 0;
        std::mem::swap(&mut state.out, &mut self.leaving);
        state.unsent = 0;
        self.asked = true;
        self.alone = match state.waiting.len() {
            1 => self.alone.saturating_add(1),
            _ => 0,
        };
        self.looking = self.may_look() && self.looks.are_due();
        true
    }

    /// Whether this thread can be kept for a moment: while another one sleeps, little waits for a thread. What
    /// comes elsewhere may have to wait for as long as a look takes.
    fn may_look(&self) -> bool {
        let sleeps = |worker| self.runtime.worker_park_unpark_count(worker) % 2 == 1;
        let can = self.alone > ALONE && self.stream.reads_at_once();
        can && (0..self.runtime.num_workers()).any(sleeps)
    }

    /// Writes what is being written; ready when all of it has left.
    fn write(&mut self, context: &mut Context<'_>) -> io::Result<Poll<()>> {
        while self.left < self.leaving.len() {
            let rest = &self.leaving[self.left..];
            match Pin::new(&mut self.stream).poll_write(context, rest) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => self.left += written?,
            }
            self.unflushed = true;
        }
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(context) {
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
        let (mut taken, mut may_come, mut closed) = (0, true, false);
        // Before anybody gets a reply: whoever sends then must not seem to have been answered.
        let now = self.shared.now();
        self.gave = false;
        loop {
            // Of a connection that has been closed, what has come whole is handed out at once.
            let most = if closed { usize::MAX } else { AT_ONCE };
            let more = self.take_replies(&mut taken, most);
            self.give(now)?;
            if more? {
                return Ok(true);
            }
            if closed {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server has closed the connection",
                ));
            }
            if !may_come {
                return Ok(false);
            }
            // What there is room for, before what is incomplete is looked at again from its beginning.
            self.come.make_room();
            while may_come && !closed && !self.come.is_full() {
                match self.read(context) {
                    Poll::Pending => may_come = false,
                    Poll::Ready(read) => closed = read? == 0,
                }
            }
        }
    }

    /// Takes what has come as a whole, replies and other words, until that are `most`; returns whether
    /// there is more.
    fn take_replies(&mut self, taken: &mut usize, most: usize) -> io::Result<bool> {
        while let Some(length) = self.come.next_length().map_err(io::Error::other)? {
            if *taken == most {
                return Ok(true);
            }
            *taken += 1;
            if let Some(key) = self.come.take_invalidated(length) {
                if let Some(listener) = &mut self.listener {
                    listener.hear_of(key);
                }
                continue;
            }
            match self.come.take(length).map_err(io::Error::other)? {
                word @ Value::Push { .. } => {
                    if let Some(listener) = &mut self.listener {
                        listener.hear(&word);
                    }
                }
                reply => self.replies.push(reply),
            }
        }
        Ok(false)
    }

    /// Gives the replies that were taken to those who wait for them. All at a time, because senders are
    /// kept waiting for whom they belong to.
    fn give(&mut self, now: u64) -> io::Result<()> {
        if self.replies.is_empty() {
            return Ok(());
        }
        {
            let mut state = self.shared.state();
            // Who has not sent yet waits for another one.
            let sent = state.waiting.len() - state.unsent;
            let theirs = state.waiting.drain(..sent.min(self.replies.len()));
            self.owners.extend(theirs);
        }
        let nobodys = self.replies.len() > self.owners.len();
        let mut wanted = false;
        for (owner, reply) in self.owners.drain(..).zip(self.replies.drain(..)) {
            // Nobody may want to know.
            wanted |= owner
                .reply
                .is_some_and(|waiting| waiting.send(Ok(reply)).is_ok());
        }
        if wanted {
            self.gave = true;
            self.shared.heard.store(now, Ordering::Relaxed);
            if std::mem::take(&mut self.found) {
                self.looks.learn(true);
            }
        }
        match nobodys {
            // Whoever is next would get what is not theirs.
            true => Err(io::Error::other("a reply came that nobody had asked for")),
            false => Ok(()),
        }
    }

    fn read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(self.come.room());
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut room))?;
        let read = room.filled().len();
        self.come_in(read);
        Poll::Ready(Ok(read))
    }

    /// So many bytes have come into the room for them.
    fn come_in(&mut self, read: usize) {
        self.come.filled(read);
        self.asked &= read == 0;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.listener = None;
        // Of a runtime that ends, for instance.
        self.shared.end("its task has ended");
    }
}

#[cfg(test)]
mod tests;
