//! The one error of this crate: opaque, with the few questions a caller really branches on.

use std::error::Error as StdError;
use std::fmt;

type Cause = Box<dyn StdError + Send + Sync>;

/// What went wrong, in words for the log, and in questions for the program.
///
/// No error shows an id, a value of a session, or a password. What an error is *not*: a session
/// that isn't there (that is `None`), or one that another request has ended (that is
/// `Flushed::Ended`).
pub struct Error {
    kind: Kind,
    message: String,
    cause: Option<Cause>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Settings,
    NotApplied,
    Misconfigured,
    NoRoom,
    Unknown,
    Unreadable,
    Refused,
    Entry,
}

impl Error {
    /// The store could not be asked, or did not answer in time, and **nothing was changed**.
    ///
    /// For authors of a `Store`: return this only when the command can't have been carried out.
    pub fn not_applied(message: impl Into<String>) -> Self {
        Self::new(Kind::NotApplied, message)
    }

    /// The store did not say whether it carried out a change: the reply was lost or came too late.
    ///
    /// For authors of a `Store`: the engine asks again with the same change, and finds out.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(Kind::Unknown, message)
    }

    /// Something is stored under the key that this engine can't read, and will not overwrite.
    pub fn unreadable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unreadable, message)
    }

    pub(crate) fn misconfigured(message: impl Into<String>) -> Self {
        Self::new(Kind::Misconfigured, message)
    }

    /// The store has no room for a change, but can still end what it has.
    pub(crate) fn no_room(message: impl Into<String>) -> Self {
        Self::new(Kind::NoRoom, message)
    }

    pub(crate) fn is_no_room(&self) -> bool {
        self.kind == Kind::NoRoom
    }

    pub(crate) fn settings(message: impl Into<String>) -> Self {
        Self::new(Kind::Settings, message)
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    pub(crate) fn entry(message: impl Into<String>) -> Self {
        Self::new(Kind::Entry, message)
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            cause: None,
        }
    }

    /// Keeps what led to this, for `source()`.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The settings can't be used; the message names the key, the value and what was expected.
    pub fn is_settings(&self) -> bool {
        self.kind == Kind::Settings
    }

    /// The store could not be asked or did not answer within `timeout`. Answer 503; assume nothing
    /// about the session, leave the cookie alone.
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self.kind,
            Kind::NotApplied | Kind::Misconfigured | Kind::NoRoom | Kind::Unknown
        )
    }

    /// Also [`is_unavailable`](Self::is_unavailable), and waiting won't help: the server does not let
    /// the user in, or do what sessions need. The log has it as `misconfigured`, once a minute and not
    /// with every request.
    pub fn is_misconfigured(&self) -> bool {
        self.kind == Kind::Misconfigured
    }

    /// Also [`is_unavailable`](Self::is_unavailable), and this change may or may not be stored.
    pub fn is_unknown(&self) -> bool {
        self.kind == Kind::Unknown
    }

    /// A session is stored, but damaged, of a newer version, or over a limit. Its bytes stay.
    pub fn is_unreadable(&self) -> bool {
        self.kind == Kind::Unreadable
    }

    /// A call that can't be carried out as it stands: a reserved name, a session over `max_size`.
    /// Nothing was changed.
    pub fn is_refused(&self) -> bool {
        self.kind == Kind::Refused
    }

    /// An entry could not be read as, or made from, the type that was asked for. It stays as it is.
    pub fn is_entry(&self) -> bool {
        self.kind == Kind::Entry
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {}", self.kind, self.message)?;
        if let Some(cause) = &self.cause {
            write!(f, "; because: {cause}")?;
        }
        f.write_str(")")
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
