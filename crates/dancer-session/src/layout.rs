//! How keys and payloads look. One file for each layout; this one has what they share.

mod convert;
mod dancer;
mod entries;
mod json;
mod native;
mod perl;
mod room;
mod scan;

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use smallvec::SmallVec;

use crate::id::{Entropy, Fingerprint, Mark, SessionId, encode, random_text};
use crate::lifetime::Moment;
use crate::owner::Owned;
use crate::session::Read;
use crate::text::Text;
use crate::{Error, Layout, Settings};

pub(crate) use entries::{Entries, Value};
pub(crate) use perl::PerlEntries;

/// Under which key of the store something lives: a session, or the index of an owner's sessions.
///
/// In the native layout the prefix, and the first 128 bits of the SHA-256 of the id as 22 characters
/// of base64url: from the key nobody finds the id. In the Dancer layout the id itself. Cheap to clone.
#[derive(Clone)]
pub struct Key(Name);

#[derive(Clone)]
enum Name {
    /// The id itself.
    Bare(SessionId),
    /// Its end is the hash. With a prefix of up to ten bytes it lies here.
    Text(Text<32>),
}

// So a map by keys is looked into with their texts.
impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Key {}

/// 128 bits in base64url.
const HASH_CHARS: usize = 22;

impl Key {
    pub(crate) fn native(prefix: &str, id: &SessionId) -> Self {
        Self::hashed(&[prefix], &id.file_number())
    }

    pub(crate) fn bare(id: &SessionId) -> Self {
        Self(Name::Bare(id.clone()))
    }

    /// A key that is nobody's, and that nobody else knows.
    pub(crate) fn scratch(prefix: &str) -> Result<Self, Error> {
        let random = random_text(&Entropy::default())?;
        let name = format!("{prefix}scratch:{random}");
        Ok(Self(Name::Text(name.as_str().into())))
    }

    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        Self(Name::Text(name.into()))
    }

    /// The index of the sessions of `owner`, whose name it does not show.
    fn index(prefix: &str, layout: Layout, owner: &str) -> Self {
        let mut hash = [0; 16];
        hash.copy_from_slice(&Sha256::digest(owner.as_bytes())[..16]);
        // Sessions of the two layouts have other members.
        match layout {
            Layout::Native => Self::hashed(&[prefix, "owner:"], &hash),
            Layout::Dancer => Self::hashed(&[prefix, "dancer-owner:"], &hash),
        }
    }

    fn hashed(before: &[&str], hash: &[u8; 16]) -> Self {
        let mut name = [0; HASH_CHARS];
        encode(hash, &mut name);
        // On the stack first: a string would be one more allocation for every key.
        let mut text = SmallVec::<[u8; 128]>::new();
        before
            .iter()
            .for_each(|part| text.extend_from_slice(part.as_bytes()));
        text.extend_from_slice(&name);
        let text = std::str::from_utf8(&text).unwrap_or_default();
        Self(Name::Text(text.into()))
    }

    /// The key as the store has it.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Bare(id) => id.as_str(),
            Name::Text(text) => text,
        }
    }

    /// What to show in logs and errors; the same as that of the session's id.
    pub fn fingerprint(&self) -> Fingerprint {
        match &self.0 {
            Name::Bare(id) => id.fingerprint(),
            Name::Text(text) => Fingerprint::of(&text.as_bytes()[text.len() - HASH_CHARS..]),
        }
    }
}

/// Shows the fingerprint.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.fingerprint())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}…)", self.fingerprint())
    }
}

/// What a payload says.
#[derive(Debug)]
pub(crate) enum Content {
    Session(Document),
    Stub(Stub),
    /// Somebody else's: nothing of it is to be shown, changed or given an expiry.
    Foreign,
}

/// A session, read from a payload or about to become one.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// From here the absolute limit counts; a renew keeps it.
    pub(crate) created: Moment,
    /// Whether the payload says so. Those that Perl wrote need not.
    pub(crate) dated: bool,
    /// Who wrote it. See [`Mark`].
    pub(crate) mark: Mark,
    /// Whose it is, if anybody's.
    pub(crate) owned: Option<Arc<Owned>>,
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
#[derive(Debug, Clone)]
pub(crate) struct Codec {
    pub(crate) layout: Layout,
    prefix: Arc<str>,
    class: Arc<str>,
    max_size: usize,
}

impl Codec {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            layout: settings.layout,
            prefix: settings.prefix.as_str().into(),
            class: settings.class.as_str().into(),
            max_size: settings.max_size,
        }
    }

    pub(crate) fn key(&self, id: &SessionId) -> Key {
        match self.layout {
            Layout::Native => Key::native(&self.prefix, id),
            Layout::Dancer => Key::bare(id),
        }
    }

    /// The key of the index that has the sessions of `owner`.
    pub(crate) fn index(&self, owner: &str) -> Key {
        Key::index(&self.prefix, self.layout, owner)
    }

    /// The key of a session by what [`name`](Self::name) gives.
    pub(crate) fn key_named(&self, name: &str) -> Option<Key> {
        match self.layout {
            Layout::Native => {
                let mut hash = [0; 16];
                let decoded = URL_SAFE_NO_PAD.decode_slice(name, &mut hash);
                matches!(decoded, Ok(16)).then(|| Key::hashed(&[&self.prefix], &hash))
            }
            Layout::Dancer => SessionId::parse(name, self.layout).map(|id| Key::bare(&id)),
        }
    }

    /// What tells the key of a session from all others of this layout.
    pub(crate) fn name<'k>(&self, key: &'k Key) -> &'k str {
        match self.layout {
            Layout::Native => &key.as_str()[self.prefix.len()..],
            Layout::Dancer => key.as_str(),
        }
    }

    /// The entries of a session that is to be.
    pub(crate) fn empty(&self) -> Entries {
        match self.layout {
            Layout::Native => Entries::Json(Arc::default()),
            Layout::Dancer => Entries::Perl(dancer::empty(&self.class, self.max_size)),
        }
    }

    /// Entries of any layout in this one.
    pub(crate) fn convert(&self, entries: &Entries) -> Result<Entries, Error> {
        convert::entries(entries, self)
    }

    /// Entries as a program in Perl sees them.
    pub(crate) fn as_perl(&self, entries: &Entries) -> Result<PerlEntries, Error> {
        let perl = match entries {
            Entries::Perl(entries) => return Ok(entries.clone()),
            Entries::Json(_) => Self {
                layout: Layout::Dancer,
                ..self.clone()
            },
        };
        match perl.convert(entries)? {
            Entries::Perl(entries) => Ok(entries),
            Entries::Json(_) => Err(Error::refused("the session could not be converted")),
        }
    }

    /// A whole session as a program in Perl has frozen it.
    pub(crate) fn adopt(&self, frozen: &[u8]) -> Result<PerlEntries, Error> {
        dancer::adopt(frozen, self.max_size)
            .map_err(|reason| Error::refused(format!("the session can't be stored: {reason}")))
    }

    /// A value of Perl's as an entry of this layout.
    pub(crate) fn value_of(&self, name: &str, node: storable::Node<'_>) -> Result<Value, Error> {
        convert::value(self.layout, name, node)
    }

    /// A session as a program in Perl thaws it: the payload itself, where that is the layout.
    pub(crate) fn freeze(&self, read: &Read) -> Result<Bytes, Error> {
        match &read.document.entries {
            Entries::Perl(_) => Ok(read.payload.clone()),
            entries @ Entries::Json(_) => {
                let document = Document {
                    entries: Entries::Perl(self.as_perl(entries)?),
                    ..Document::clone(&read.document)
                };
                self.encode(&Key::bare(&read.id), &document)
            }
        }
    }

    /// Writes a session that will live under `key`.
    pub(crate) fn encode(&self, key: &Key, document: &Document) -> Result<Bytes, Error> {
        let name = || key.fingerprint();
        let payload: Bytes = match &document.entries {
            Entries::Json(entries) => native::encode(key, document, entries),
            Entries::Perl(entries) => dancer::encode(key, document, entries)
                .map_err(|error| {
                    Error::refused(format!(
                        "session {}… can't be stored: {error}: keep less in it, or raise \
                     redis_session.max_size",
                        name()
                    ))
                })?
                .into(),
        };
        if payload.len() > self.max_size {
            return Err(Error::refused(format!(
                "session {}… would take {} bytes, more than max_size ({}): keep less in it, or \
                 raise redis_session.max_size",
                name(),
                payload.len(),
                self.max_size
            )));
        }
        Ok(payload)
    }

    pub(crate) fn encode_stub(&self, key: &Key, stub: Stub) -> Bytes {
        match self.layout {
            Layout::Native => native::encode_stub(key, stub),
            Layout::Dancer => dancer::encode_stub(key, &self.class, stub).into(),
        }
    }

    /// Reads what was found under `key` at the moment `now`, or says why it can't be read.
    pub(crate) fn decode(&self, key: &Key, payload: &Bytes, now: Moment) -> Result<Content, Error> {
        let content = match self.layout {
            Layout::Native => self.decode_native(key, payload),
            Layout::Dancer => self.decode_dancer(key, payload, now),
        };
        content.map_err(|reason| {
            let name = key.fingerprint();
            Error::unreadable(format!(
                "the payload of session {name}… {reason}; it was left as it is"
            ))
        })
    }

    /// Whether a payload is plainly that of another session. In the Dancer layout a stranger's value
    /// may be anything, and proves nothing.
    pub(crate) fn is_of_another(&self, key: &Key, payload: &[u8]) -> bool {
        self.layout == Layout::Native && native::is_of_another(key, payload)
    }

    fn decode_native(&self, key: &Key, payload: &Bytes) -> Result<Content, String> {
        if payload.len() > self.max_size {
            let (len, most) = (payload.len(), self.max_size);
            return Err(format!("has {len} bytes, more than max_size ({most})"));
        }
        if dancer::recognises(payload) {
            return Err("is in the Dancer layout".into());
        }
        native::decode(key, payload)
    }

    fn decode_dancer(&self, key: &Key, payload: &Bytes, now: Moment) -> Result<Content, String> {
        if native::recognises(key, payload) {
            return Err("is in the native layout".into());
        }
        match dancer::decode(key, payload, self.max_size, now) {
            Ok(content) => Ok(content),
            Err(dancer::Refusal::Foreign) => Ok(Content::Foreign),
            Err(dancer::Refusal::Unreadable(reason)) => Err(reason),
        }
    }
}
