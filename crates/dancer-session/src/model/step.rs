//! The steps of which every run is made, and what they come to.

use std::fmt;

use super::faulty::Net;
use crate::Flushed;

/// One step of one request (0 to 2), of somebody else, or of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Takes a session into hand, and forgets what was there before.
    Retrieve(usize, Which),
    /// Sets an entry to a value that nobody else ever sets.
    Set(usize, &'static str),
    /// Counts one up, in the entry `n`.
    Update(usize),
    /// The log-in helper, the owner, and the entry `user`.
    LogIn(usize),
    Renew(usize),
    Destroy(usize),
    Flush(usize, Net),
    /// Another request reads the newest session, and so extends it.
    Touch,
    /// The owner ends all sessions.
    DestroyAll,
    /// So many seconds pass.
    Wait(u64),
}

/// Which of the ids that were ever issued a client presents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    First,
    Newest,
    /// Any of them, counted round and round.
    Issued(usize),
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// Of a retrieve.
    Found,
    Ended,
    Missing,
    /// Of a `destroy_all`: so many.
    All(usize),
    /// Of a flush: an answer, or an error that says that nothing, or anything, may be stored.
    Flushed(Flushed),
    NotApplied,
    Unknown,
}

impl Step {
    /// Whose hand it is about.
    pub(super) fn who(self) -> Option<usize> {
        match self {
            Self::Retrieve(who, _)
            | Self::Set(who, _)
            | Self::Update(who)
            | Self::LogIn(who)
            | Self::Renew(who)
            | Self::Destroy(who)
            | Self::Flush(who, _) => Some(who),
            Self::Touch | Self::DestroyAll | Self::Wait(_) => None,
        }
    }
}

impl Step {
    /// Whether it asks nobody, so that nobody can tell when it was.
    pub(super) fn is_a_call(self) -> bool {
        match self {
            Self::Set(..)
            | Self::Update(_)
            | Self::LogIn(_)
            | Self::Renew(_)
            | Self::Destroy(_) => true,
            Self::Retrieve(..)
            | Self::Flush(..)
            | Self::Touch
            | Self::DestroyAll
            | Self::Wait(_) => false,
        }
    }
}

/// A list of steps as one line of a failed test.
pub(super) struct Steps<'a>(pub(super) &'a [Step]);

impl fmt::Display for Steps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            write!(f, "\n  {:>2}. {step:?}", at + 1)?;
        }
        Ok(())
    }
}
