//! The Dancer layout, shared with Dancer applications: the key is the bare id, the payload what
//! Perl's Storable makes of a hash blessed as [`class`](crate::Settings::class):
//!
//! ```perl
//! bless {
//!     id        => '3048…',       # the key; what has another one is no session of this id
//!     user      => 'anna',        # the entries
//!     visits    => 3,
//!     __created => 1790000000,    # when the session was created; missing if Perl wrote it
//!     __w       => 'q83vASNFZ4k', # the mark of the flush that wrote it
//!     __owner   => ['user:42', 'Firefox', 1790000000, 'u3Rd91xQz0pA'], # if it has one: whose it is, what
//!                                 # it is called in the owner's list, since when, and its handle
//! }, 'Dancer::Session::Redis'
//!
//! bless { id => '3048…', __ended => 1790000030, __w => '3q2-796tvu8' }, 'Dancer::Session::Redis'
//! ```
//!
//! Keys are bare and the database is shared, so nothing is believed before the payload has proved
//! to be the session of its key.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use storable::{Document as Frozen, Kind, Limits, Node};

use super::perl::PerlEntries;
use super::{Content, Document, Entries, Key, Stub};
use crate::id::{Mark, encode as base64url};
use crate::lifetime::Moment;
use crate::owner::{Owned, OwnedParts};

const ID: &str = "id";
const CREATED: &str = "__created";
const ENDED: &str = "__ended";
const MARK: &str = "__w";
const OWNER: &str = "__owner";

/// Why a payload is no content.
pub(super) enum Refusal {
    /// It is somebody else's, whatever it is.
    Foreign,
    /// It is the session of its key and can't be read.
    Unreadable(String),
}

/// Whether this is what Perl's `Storable` writes: its major version 2 in native or in network byte
/// order, with or without the magic that files have.
pub(super) fn recognises(payload: &[u8]) -> bool {
    let body = payload.strip_prefix(b"pst0").unwrap_or(payload);
    matches!(body.first(), Some(0x04 | 0x05))
}

/// Entries of a session that is to be, blessed as `class`.
pub(super) fn empty(class: &str, max_size: usize) -> PerlEntries {
    PerlEntries::within(hash(class, max_size, &[]))
}

/// Writes a session.
pub(super) fn encode(
    key: &Key,
    document: &Document,
    entries: &PerlEntries,
) -> Result<Vec<u8>, storable::Error> {
    if let Some(payload) = encode_as_read(key, document, entries.document())? {
        return Ok(payload);
    }
    let mut frozen = entries.document().clone();
    let root = frozen.root().id();
    // What is right stays: other parts of the session may refer to it.
    if !is_session_of(key, &frozen) {
        frozen.insert(root, ID, key.as_str())?;
    }
    frozen.insert(root, CREATED, &document.created.seconds())?;
    frozen.insert(root, MARK, &mark_text(document.mark))?;
    let there = owned(&frozen);
    match &document.owned {
        Some(owned) if there.as_ref() != Some(&**owned) => {
            frozen.insert(root, OWNER, &owned.to_parts())?;
        }
        // What is not ours stays.
        None if there.is_some() => drop(frozen.remove(root, OWNER)),
        _ => {}
    }
    frozen.encode()
}

/// Writes a session of which nothing is to be changed, only to be added: as Perl has frozen it.
fn encode_as_read(
    key: &Key,
    document: &Document,
    frozen: &Frozen,
) -> Result<Option<Vec<u8>>, storable::Error> {
    // What stands there of the engine's would have to be replaced.
    match Ours::of(key, frozen) {
        Some(Ours { owner: None, .. }) => {}
        _ => return Ok(None),
    }
    frozen.encode_adding(&Frozen::of(&Added(document))?)
}

/// What a session has beside its id and its entries.
struct Added<'d>(&'d Document);

impl Serialize for Added<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut hash = serializer.serialize_struct("Added", 3)?;
        hash.serialize_field(CREATED, &self.0.created.seconds())?;
        hash.serialize_field(MARK, &mark_text(self.0.mark))?;
        if let Some(owned) = &self.0.owned {
            hash.serialize_field(OWNER, &owned.to_parts())?;
        }
        hash.end()
    }
}

/// Writes a stub.
pub(super) fn encode_stub(key: &Key, class: &str, stub: Stub) -> Vec<u8> {
    let mut frozen = hash(class, Limits::default().size, &[(ID, key.as_str())]);
    let root = frozen.root().id();
    let written = frozen
        .insert(root, ENDED, &stub.ends.seconds())
        .and_then(|()| frozen.insert(root, MARK, &mark_text(stub.mark)))
        .and_then(|()| frozen.encode());
    written.expect("three short entries are within every limit")
}

/// What a session of this size may have: one that is larger has more nodes, too.
pub(super) fn limits(max_size: usize) -> Limits {
    let usual = Limits::default();
    Limits {
        size: max_size,
        nodes: usual.nodes.max(max_size / 10),
        ..usual
    }
}

/// A hash of Perl's.
fn hash(class: &str, max_size: usize, entries: &[(&str, &str)]) -> Frozen {
    let entries: BTreeMap<_, _> = entries.iter().copied().collect();
    let frozen = Frozen::of_with(&entries, limits(max_size));
    let mut frozen = frozen.expect("a few entries are within every limit");
    let root = frozen.root().id();
    frozen
        .bless(root, class)
        .expect("the settings have checked the name of the class");
    frozen
}

/// Reads what was found under `key`. A session without a time of creation counts from `now`.
pub(super) fn decode(
    key: &Key,
    payload: &[u8],
    max_size: usize,
    now: Moment,
) -> Result<Content, Refusal> {
    let frozen = Frozen::decode_with(payload, limits(max_size))
        .map_err(|error| proved_or_foreign(key, payload, &error))?;
    let Some(ours) = Ours::of(key, &frozen) else {
        return Err(Refusal::Foreign);
    };
    let mark = ours.mark.and_then(|node| match node.kind() {
        Kind::Bytes(text) | Kind::Utf8(text) => mark_of(text),
        _ => None,
    });
    // What Perl wrote may have none, or that of an older flush.
    let mark = mark.unwrap_or(Mark::NONE);
    if let Some(ended) = ours.ended {
        let ends = seconds(ended).unwrap_or(Moment::from_seconds(0));
        return Ok(stub_or_gone_on(frozen, Stub { ends, mark }, now));
    }
    let created = ours.created.and_then(seconds);
    Ok(Content::Session(Document {
        created: created.map_or(now, |created| created.min(now)),
        dated: created.is_some(),
        mark,
        owned: ours.owner.and_then(owned_in).map(Arc::new),
        entries: Entries::Perl(PerlEntries::within(frozen)),
    }))
}

/// What the engine keeps beside the entries, found in one go.
#[derive(Default)]
struct Ours<'d> {
    id: Option<Node<'d>>,
    created: Option<Node<'d>>,
    ended: Option<Node<'d>>,
    mark: Option<Node<'d>>,
    owner: Option<Node<'d>>,
}

impl<'d> Ours<'d> {
    /// `None`: this is no session of that key.
    fn of(key: &Key, frozen: &'d Frozen) -> Option<Self> {
        let root = frozen.root();
        let (Some(_), Kind::Hash(hash)) = (root.class(), root.kind()) else {
            return None;
        };
        let mut ours = Self::default();
        for entry in hash.iter() {
            let place = match entry.key_bytes() {
                b"id" => &mut ours.id,
                b"__created" => &mut ours.created,
                b"__ended" => &mut ours.ended,
                b"__w" => &mut ours.mark,
                b"__owner" => &mut ours.owner,
                _ => continue,
            };
            // Of a key that is there twice Perl takes the last.
            *place = (!entry.is_placeholder()).then(|| entry.value());
        }
        ours.id.is_some_and(|id| is_key(id, key)).then_some(ours)
    }
}

/// Whatever is no number there, Perl has put there: then it says nothing.
fn seconds(node: Node<'_>) -> Option<Moment> {
    let seconds = node.to::<f64>().ok()?;
    (0.0..1e12)
        .contains(&seconds)
        .then(|| Moment::from_seconds(seconds as u64))
}

/// A stub is an empty session to Perl, which may have gone on with it: what it has put there is a
/// session of its own.
fn stub_or_gone_on(mut frozen: Frozen, stub: Stub, now: Moment) -> Content {
    let root = frozen.root().id();
    // It is there, so it goes.
    drop(frozen.remove(root, ENDED));
    let entries = PerlEntries::within(frozen);
    if entries.len() == 0 {
        return Content::Stub(stub);
    }
    Content::Session(Document {
        created: now,
        dated: false,
        mark: stub.mark,
        owned: None,
        entries: Entries::Perl(entries),
    })
}

/// Reads a whole session that a program in Perl has frozen.
pub(super) fn adopt(frozen: &[u8], max_size: usize) -> Result<PerlEntries, String> {
    let frozen =
        Frozen::decode_with(frozen, limits(max_size)).map_err(|error| error.to_string())?;
    let root = frozen.root();
    match (root.class(), root.kind()) {
        (Some(_), Kind::Hash(_)) => Ok(PerlEntries::within(frozen)),
        (_, kind) => Err(format!("it is no object that is a hash, but {kind:?}")),
    }
}

/// Whose it is. What has not our form says nothing: the name is reserved, but Perl may have used it.
pub(super) fn owned(frozen: &Frozen) -> Option<Owned> {
    owned_in(frozen.root().get(OWNER)?)
}

fn owned_in(node: Node<'_>) -> Option<Owned> {
    let parts = node.to::<OwnedParts>().ok()?;
    parts.try_into().ok()
}

/// The root is an object, a hash, and has the id that is its key.
fn is_session_of(key: &Key, frozen: &Frozen) -> bool {
    Ours::of(key, frozen).is_some()
}

fn is_key(id: Node<'_>, key: &Key) -> bool {
    match id.kind() {
        Kind::Bytes(id) | Kind::Utf8(id) => id == key.as_str().as_bytes(),
        _ => id.to::<String>().is_ok_and(|id| id == key.as_str()),
    }
}

/// What can't be decoded is the session of its key if its bytes hold the id: that is 20 characters
/// at least, which do not stand in a stranger's value by chance.
fn proved_or_foreign(key: &Key, payload: &[u8], error: &storable::Error) -> Refusal {
    let id = key.as_str().as_bytes();
    let proved = recognises(payload) && payload.windows(id.len()).any(|part| part == id);
    match proved {
        true => Refusal::Unreadable(format!("can't be read: {error}")),
        false => Refusal::Foreign,
    }
}

fn mark_text(mark: Mark) -> String {
    let mut text = [0; 11];
    base64url(&mark.0, &mut text);
    text.map(char::from).iter().collect()
}

fn mark_of(text: &[u8]) -> Option<Mark> {
    let mut bits = [0; 8];
    let decoded = URL_SAFE_NO_PAD.decode_slice(text, &mut bits);
    matches!(decoded, Ok(8)).then_some(Mark(bits))
}
