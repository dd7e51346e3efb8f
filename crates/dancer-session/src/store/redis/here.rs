//! A connection that is used in the calling thread: commands and replies, one after the other. The one
//! for many tasks is [`channel`](super::channel).

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use redis::{Client, RedisError, RedisResult, Value};
use tokio::sync::oneshot;

use super::command::Outgoing;
use super::fault::Fault;
use super::incoming::Incoming;
use super::line::PING;
use super::skills::{HELLO, Skills};
use super::stream;
use super::wire::{AsIfAsync, Wire, no_reply};

/// More room for a command is given back when the next one leaves.
const MUCH_ROOM: usize = 256 * 1024;

/// A connection.
pub(super) struct Here {
    wire: Wire,
    /// The last command that left: its room serves for the next one.
    out: Vec<u8>,
    come: Incoming,
    /// Who gets the next replies.
    owed: VecDeque<oneshot::Sender<Value>>,
}

impl Here {
    /// Connects, logs in, and asks who is there. Nothing of it gives the thread away.
    pub(super) async fn connect(client: &Client, by: Instant) -> RedisResult<(Self, Skills)> {
        let addr = client.get_connection_info().addr();
        let wire = Wire::open(addr, by).map_err(in_words)?;
        let wire = stream::log_in(client, AsIfAsync { wire, by }).await?.wire;
        let mut here = Self::over(wire);
        here.write(PING, by)?;
        here.write(HELLO, by)?;
        let (pong, hello) = (here.read(by)?, here.read(by)?);
        match pong {
            Value::ServerError(error) => Err(error.into()),
            _ => Ok((here, Skills::told_by(&hello))),
        }
    }

    fn over(wire: Wire) -> Self {
        Self {
            wire,
            out: Vec::new(),
            come: Incoming::new(),
            owed: VecDeque::new(),
        }
    }

    /// Sends a command and waits for its reply until `by`.
    pub(super) fn ask(
        &mut self,
        command: &(impl Outgoing + ?Sized),
        by: Instant,
    ) -> Result<Value, Fault> {
        let reply = self.exchange(command, by);
        self.give_up_after(reply)
    }

    /// Sends a command whose reply is read before that of the next one.
    pub(super) fn ask_ahead(
        &mut self,
        command: &(impl Outgoing + ?Sized),
        by: Instant,
    ) -> Result<oneshot::Receiver<Value>, Fault> {
        let written = self.write(command, by);
        self.give_up_after(written)?;
        let (owed, reply) = oneshot::channel();
        self.owed.push_back(owed);
        Ok(reply)
    }

    fn exchange(&mut self, command: &(impl Outgoing + ?Sized), by: Instant) -> RedisResult<Value> {
        self.write(command, by)?;
        while let Some(owed) = self.owed.pop_front() {
            let reply = self.read(by)?;
            // Nobody may want to know.
            drop(owed.send(reply));
        }
        self.read(by)
    }

    /// After a failure nobody is given a reply any more: who waits for one holds this connection,
    /// and would wait for ever.
    fn give_up_after<T>(&mut self, result: RedisResult<T>) -> Result<T, Fault> {
        result.map_err(|error| {
            self.owed.clear();
            Fault::of(&error)
        })
    }

    fn write(&mut self, command: &(impl Outgoing + ?Sized), by: Instant) -> RedisResult<()> {
        if self.owed.is_empty() && !self.come.is_empty() {
            // This command would get what is not its own.
            return Err(io::Error::other("a reply came that nobody had asked for").into());
        }
        self.out.clear();
        self.out.shrink_to(MUCH_ROOM);
        command.write_into(&mut self.out);
        Ok(self.wire.write(&self.out, by)?)
    }

    fn read(&mut self, by: Instant) -> RedisResult<Value> {
        loop {
            if let Some(length) = self.come.next_length()? {
                return self.come.take(length);
            }
            self.come.make_room();
            match self.wire.read(self.come.room(), by)? {
                0 => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the server has closed the connection",
                    )
                    .into());
                }
                read => self.come.filled(read),
            }
        }
    }
}

/// The kernel says of a time that has run out that it would have to wait.
fn in_words(error: RedisError) -> RedisError {
    match error.is_timeout() {
        true => no_reply().into(),
        false => error,
    }
}

#[cfg(test)]
mod tests;
