//! Where payloads live. The trait is the contract; [`memory`] and [`redis`](self::redis) keep it.

mod erased;
pub(crate) mod memory;
pub(crate) mod redis;

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{Error, Key};

pub(crate) use erased::ErasedStore;

/// A place for payloads: bytes under keys, each with an end; and for indexes, which are sets of texts,
/// each with an end too.
///
/// A store knows nothing of sessions. It must keep these promises:
///
/// - **Every method is one atomic step.** No other caller sees, or stores into, the middle of it.
/// - **Every key has an expiry** at all times, and is absent once it has passed. Value and expiry
///   are written together, or the expiry stays. All times are counted from the moment of the call.
/// - **Conditions are answered.** "Not there", "already there" and "somebody was faster" are values
///   of the result. An error means that the store could not do its work:
///   [`not_applied`](Error::not_applied) when it certainly changed nothing,
///   [`unknown`](Error::unknown) when it can't tell, [`unreadable`](Error::unreadable) when the key
///   holds something that is no payload. A store never tries again after an unknown outcome of a
///   change; the engine does, because only it can recognise its own work.
/// - **An answer comes by the deadline** `by`, or an error does.
/// - **A future that is dropped** half-way has carried out its step, or not; never a part of it.
pub trait Store: Send + Sync + 'static {
    /// Reads a payload and lets its key live for `ttl` from now; with `None` as long as it did.
    ///
    /// Absent or expired: `None`, and nothing is created. Concurrent: reads the payload before or
    /// after a replacement, never a mixture.
    fn retrieve(
        &self,
        key: &Key,
        ttl: Option<Duration>,
        by: Instant,
    ) -> impl Future<Output = Result<Option<Retrieved>, Error>> + Send;

    /// Reads a payload and how long its key has left, and changes neither.
    ///
    /// Absent or expired: `None`.
    fn peek(
        &self,
        key: &Key,
        by: Instant,
    ) -> impl Future<Output = Result<Option<(Bytes, Duration)>, Error>> + Send;

    /// Stores a payload under a key that must be free.
    ///
    /// Present: [`Create::Exists`], and what is there stays. Absent or expired: stored.
    /// Concurrent: one caller creates, all others get `Exists`.
    fn create(
        &self,
        key: &Key,
        payload: &[u8],
        ttl: Duration,
        by: Instant,
    ) -> impl Future<Output = Result<Create, Error>> + Send;

    /// Stores a payload over the one that was `read`, if that is still there, byte for byte; and lets
    /// its key live for `ttl` from now, with `None` as long as it did.
    ///
    /// Another payload there: [`Replace::Changed`] with it, nothing stored. Absent or expired:
    /// [`Replace::Gone`], nothing stored. Concurrent: of all callers that had read the same
    /// payload, one replaces it.
    fn replace(
        &self,
        key: &Key,
        read: &[u8],
        payload: &[u8],
        ttl: Option<Duration>,
        by: Instant,
    ) -> impl Future<Output = Result<Replace, Error>> + Send;

    /// Moves a session to another key, if the payload that was read is still there: in one step the
    /// new key gets its payload and the old one the stub. See [`Renewal`].
    ///
    /// Another payload there: [`Renew::Changed`] with it. Absent or expired: [`Renew::Gone`]. The
    /// new key taken: [`Renew::Exists`]. In these three cases nothing is stored.
    fn renew(
        &self,
        renewal: Renewal<'_>,
        by: Instant,
    ) -> impl Future<Output = Result<Renew, Error>> + Send;

    /// Lets a key live for `ttl` from now, longer or shorter than it had; 0 ends it. Carries no
    /// data. The engine waits for no answer: the command should be on its way when the future was
    /// polled once, but an answer may take until the next call.
    ///
    /// Absent or expired: [`Touch::Gone`], and nothing is created.
    fn touch(
        &self,
        key: &Key,
        ttl: Duration,
        by: Instant,
    ) -> impl Future<Output = Result<Touch, Error>> + Send;

    /// Reads several payloads, and changes nothing: neither them nor how long their keys live.
    ///
    /// Absent or expired, or no payload at all: `None`. Concurrent: all are read at one moment.
    fn look(
        &self,
        keys: &[Key],
        by: Instant,
    ) -> impl Future<Output = Result<Vec<Option<Bytes>>, Error>> + Send;

    /// Adds a member to an index, or lets it stay longer. See [`Enlistment`].
    ///
    /// Returns all other members that are there, if they are as many as
    /// [`most`](Enlistment::most), else none. Members whose time has passed are thrown out. The
    /// index itself lives as long as the member that stays longest. Doing it twice does no harm.
    fn enlist(
        &self,
        enlistment: Enlistment<'_>,
        by: Instant,
    ) -> impl Future<Output = Result<Vec<String>, Error>> + Send;

    /// Takes a member out of an index. Absent: nothing happens. As with [`touch`](Self::touch), the
    /// engine waits for no answer.
    fn delist(
        &self,
        index: &Key,
        member: &str,
        by: Instant,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// All members of an index. Absent or expired: none.
    fn members(
        &self,
        index: &Key,
        by: Instant,
    ) -> impl Future<Output = Result<Vec<String>, Error>> + Send;

    /// Told that the payload that was given for a key is that of another one. A store whose answers
    /// may have got out of step with its questions starts anew.
    fn distrust(&self) {}

    /// Where the payloads live, in words for people. No password.
    fn place(&self) -> String;
}

/// What a [`retrieve`](Store::retrieve) has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retrieved {
    /// The payload.
    pub payload: Bytes,
    /// Whether its key lives as long as was asked for. A store that can read, but change nothing just
    /// now, says no.
    pub extended: bool,
}

/// What [`Store::renew`] is to do.
#[derive(Debug, Clone, Copy)]
pub struct Renewal<'a> {
    /// The key that the session has.
    pub old: &'a Key,
    /// The payload that was read there.
    pub read: &'a [u8],
    /// What stands there afterwards.
    pub stub: &'a [u8],
    /// How long the stub's key lives.
    pub stub_ttl: Duration,
    /// The key that the session gets.
    pub new: &'a Key,
    /// The payload for it.
    pub payload: &'a [u8],
    /// How long the new key lives.
    pub ttl: Duration,
}

/// What [`Store::enlist`] is to do.
#[derive(Debug, Clone, Copy)]
pub struct Enlistment<'a> {
    /// The key of the index.
    pub index: &'a Key,
    /// What is added.
    pub member: &'a str,
    /// How long the member stays from now on, if nobody takes it out.
    pub ttl: Duration,
    /// From how many other members on they are to be told. `None`: never.
    pub most: Option<usize>,
}

/// What became of a [`create`](Store::create).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Create {
    /// The payload is stored.
    Created,
    /// The key was taken; what is there stays.
    Exists,
}

/// What became of a [`replace`](Store::replace).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Replace {
    /// The payload is stored.
    Replaced,
    /// Somebody was faster; this is what is there now.
    Changed(Bytes),
    /// There is nothing to replace.
    Gone,
}

/// What became of a [`renew`](Store::renew).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Renew {
    /// The session lives under the new key, the stub stands under the old one.
    Renewed,
    /// Somebody was faster; this is what is there now under the old key.
    Changed(Bytes),
    /// There is nothing under the old key.
    Gone,
    /// The new key is taken.
    Exists,
}

/// What became of a [`touch`](Store::touch).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Touch {
    /// The key has its new expiry.
    Touched,
    /// There was nothing.
    Gone,
}
