//! Requests and replies: byte strings, each behind its length as 32 bits, the highest byte first.
//! Perl writes and reads them with `pack` and `unpack` and the template `(N/a)*`.
//!
//! A request is the name of a call, the number of an engine, and what the call needs. A reply is
//! `error`, its kind and its words; or what became of it, and what there is to know.

use bytes::Bytes;
use dancer_session::Error;

/// What a call comes to that each request of a visitor makes.
pub(crate) enum Answer {
    /// The session is stored under the id that Perl has, and is nothing but this payload.
    Stored(Bytes),
    /// All else.
    Told(Reply),
}

impl Answer {
    /// A payload as it is, or a reply, which begins with a zero byte, as its first part is short.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            // None does, in either layout.
            Self::Stored(payload) if payload.first().is_some_and(|&first| first != 0) => payload,
            Self::Stored(payload) => Reply::new("stored").with(payload).into_bytes().into(),
            Self::Told(reply) => reply.into_bytes().into(),
        }
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Told(reply)
    }
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        Self::Told(failure.into())
    }
}

/// A reply in the making.
pub(crate) struct Reply(Vec<u8>);

impl Reply {
    pub(crate) fn new(outcome: &str) -> Self {
        // A small session fits in.
        Self(Vec::with_capacity(1000)).with(outcome)
    }

    /// The kinds are for Perl's exceptions; see the manual.
    pub(crate) fn error(kind: &str, words: &str) -> Self {
        Self::new("error").with(kind).with(words)
    }

    #[must_use]
    pub(crate) fn with(mut self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        self.0.extend((part.len() as u32).to_be_bytes());
        self.0.extend(part);
        self
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl From<Failure> for Reply {
    fn from(failure: Failure) -> Self {
        Self::error(failure.kind, &failure.words)
    }
}

/// Why a call was not carried out.
pub(crate) struct Failure {
    kind: &'static str,
    words: String,
}

impl Failure {
    /// For what only a fault of the caller can cause, and what is refused on this side.
    pub(crate) fn refused(words: impl Into<String>) -> Self {
        let words = words.into();
        Self {
            kind: "refused",
            words,
        }
    }

    pub(crate) fn unreadable(words: impl Into<String>) -> Self {
        let words = words.into();
        Self {
            kind: "unreadable",
            words,
        }
    }

    /// The server has answered with an error.
    pub(crate) fn command(words: impl Into<String>) -> Self {
        let words = words.into();
        Self {
            kind: "command",
            words,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            error if error.is_unknown() => "unknown",
            error if error.is_unavailable() => "unavailable",
            error if error.is_unreadable() => "unreadable",
            error if error.is_settings() => "settings",
            _ => "refused",
        };
        let words = error.to_string();
        Self { kind, words }
    }
}

/// What has to be a text.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(bytes).map_err(|_| Failure::refused("a text that is not UTF-8"))
}

/// The parts of a request that are still to be read.
pub(crate) struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    pub(crate) fn of(request: &'a [u8]) -> Self {
        Self(request)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Failure> {
        text(self.bytes()?)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Failure> {
        self.next()
            .ok_or_else(|| Failure::refused("a request that is too short"))
    }
}

/// Ends where there is no whole part any more.
impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first_chunk::<4>()?;
        let (part, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        self.0 = rest;
        Some(part)
    }
}
