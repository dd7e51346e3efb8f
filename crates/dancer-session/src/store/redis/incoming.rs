//! What has come from a server and was not handed out yet. Where a reply ends in it, [`frame`] knows.

use redis::{RedisResult, Value};

use super::frame;

/// Room for what comes, at first and while little comes.
const FIRST_ROOM: usize = 64 * 1024;
/// More is given back when it is not needed.
const MUCH_ROOM: usize = 256 * 1024;

/// Bytes that have come.
pub(super) struct Incoming {
    bytes: Vec<u8>,
    /// What was not handed out yet goes from here …
    begin: usize,
    /// … to here.
    end: usize,
}

impl Incoming {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; FIRST_ROOM],
            begin: 0,
            end: 0,
        }
    }

    /// Whether all that has come was handed out.
    pub(super) fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// The length of the next reply; `None` while it is not there as a whole.
    pub(super) fn next_length(&self) -> RedisResult<Option<usize>> {
        frame::length(&self.bytes[self.begin..self.end])
    }

    /// The key that has changed, if the next word, which has this length, is about one; then it is over.
    pub(super) fn take_invalidated(&mut self, length: usize) -> Option<&[u8]> {
        let key = frame::invalidated(&self.bytes[self.begin..self.begin + length])?;
        self.begin += length;
        Some(key)
    }

    /// The next reply, which has this length.
    pub(super) fn take(&mut self, length: usize) -> RedisResult<Value> {
        let reply = frame::read(&self.bytes[self.begin..self.begin + length]);
        self.begin += length;
        reply
    }

    /// Makes room behind what has come, if no reply is there as a whole.
    pub(super) fn make_room(&mut self) {
        if !self.is_empty() {
            self.bytes.copy_within(self.begin..self.end, 0);
        }
        (self.begin, self.end) = (0, self.end - self.begin);
        if self.is_full() {
            self.bytes.resize(2 * self.end, 0);
        } else if self.end == 0 && self.bytes.len() > MUCH_ROOM {
            self.bytes = vec![0; FIRST_ROOM];
        }
    }

    /// Whether all the room there is has been used.
    pub(super) fn is_full(&self) -> bool {
        self.end == self.bytes.len()
    }

    /// The room there is, of which [`filled`](Self::filled) says how much was used.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    pub(super) fn filled(&mut self, count: usize) {
        self.end += count;
    }
}
