//! How keys and payloads look. One file for each layout; this one has what they share.

mod dancer;
mod entries;
mod native;

use std::fmt;

use bytes::Bytes;

use crate::Error;
use crate::id::{Fingerprint, Mark, SessionId, encode};
use crate::lifetime::Moment;

pub(crate) use entries::{Entries, Value};

/// Under which key of the store a session lives: the prefix, and the first 128 bits of the SHA-256
/// of its id as 22 characters of base64url. From the key nobody finds the id.
#[derive(Clone)]
pub struct Key {
    text: Box<str>,
    fingerprint: Fingerprint,
}

impl Key {
    pub(crate) fn new(prefix: &str, id: &SessionId) -> Self {
        let mut name = [0; 22];
        encode(&id.hash(), &mut name);
        let mut text = String::with_capacity(prefix.len() + name.len());
        text.push_str(prefix);
        text.extend(name.map(char::from));
        Self {
            text: text.into(),
            fingerprint: id.fingerprint(),
        }
    }

    /// The key as the store has it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What to show in logs and errors; the same as that of the session's id.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}…)", self.fingerprint)
    }
}

/// What a payload says.
#[derive(Debug)]
pub(crate) enum Content {
    Session(Document),
    Stub(Stub),
}

/// A session, read from a payload or about to become one.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// From here the absolute limit counts; a renew keeps it.
    pub(crate) created: Moment,
    /// Who wrote it. See [`Mark`].
    pub(crate) mark: Mark,
    pub(crate) entries: Entries,
}

/// What stands in the place of a session that was renewed or destroyed, so that a slower request
/// neither revives it nor takes it for one that never was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stub {
    /// After this moment it counts as missing.
    pub(crate) ends: Moment,
    pub(crate) mark: Mark,
}

/// Turns documents into payloads and back, within the limit of `max_size`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Codec {
    pub(crate) max_size: usize,
}

impl Codec {
    /// Writes a session that will live under `key`.
    pub(crate) fn encode(&self, key: &Key, document: &Document) -> Result<Bytes, Error> {
        let payload = native::encode(key, document);
        if payload.len() > self.max_size {
            return Err(Error::refused(format!(
                "session {}… would take {} bytes, more than max_size ({}): keep less in it, or raise \
                 redis_session.max_size",
                key.fingerprint(),
                payload.len(),
                self.max_size
            )));
        }
        Ok(payload.into())
    }

    pub(crate) fn encode_stub(&self, key: &Key, stub: Stub) -> Bytes {
        native::encode_stub(key, stub).into()
    }

    /// Reads what was found under `key`, or says why it is no session of this engine.
    pub(crate) fn decode(&self, key: &Key, payload: &Bytes) -> Result<Content, Error> {
        let unreadable = |reason: String| {
            let name = key.fingerprint();
            Error::unreadable(format!(
                "the payload of session {name}… {reason}; it was left as it is"
            ))
        };
        if payload.len() > self.max_size {
            return Err(unreadable(format!(
                "has {} bytes, more than max_size ({})",
                payload.len(),
                self.max_size
            )));
        }
        if dancer::recognises(payload) {
            return Err(unreadable("is in the Dancer layout".into()));
        }
        native::decode(key, payload).map_err(unreadable)
    }
}
