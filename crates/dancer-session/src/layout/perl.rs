//! The entries of a session in the Dancer layout: the keys of one hash of Perl's, beside those that
//! the engine keeps there for itself.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use storable::{Document, KeyValue, Kind, Node, NodeId};

use crate::Error;
use crate::change::RESERVED;

/// A session as Perl's Storable has it. Cheap to clone; a change makes a copy of its own first.
#[derive(Clone)]
pub(crate) struct PerlEntries {
    document: Arc<Document>,
    /// How many nodes it had when none of them was replaced yet.
    fresh: usize,
}

impl PerlEntries {
    /// The entries of a document whose root is a hash.
    pub(super) fn within(document: Document) -> Self {
        let fresh = document.nodes();
        let document = Arc::new(document);
        Self { document, fresh }
    }

    /// The whole hash.
    pub(crate) fn document(&self) -> &Document {
        &self.document
    }

    pub(crate) fn len(&self) -> usize {
        self.names().count()
    }

    /// Whether each key has a name, and one of its own.
    pub(super) fn are_named(&self) -> bool {
        let names: HashSet<_> = self.iter().filter_map(|entry| entry.key().ok()).collect();
        names.len() == self.iter().count()
    }

    /// A name that is no text of Unicode's can't be asked for either.
    pub(crate) fn names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.iter()
            .filter_map(|entry| entry.key().ok())
            .filter(|name| !RESERVED.contains(&name.as_ref()))
    }

    pub(crate) fn find(&self, name: &str) -> Option<(Arc<Document>, NodeId)> {
        if RESERVED.contains(&name) {
            return None;
        }
        let id = self.document.root().get(name)?.id();
        Some((Arc::clone(&self.document), id))
    }

    pub(crate) fn set(&mut self, name: &str, value: &Document) -> Result<(), Error> {
        let document = Arc::make_mut(&mut self.document);
        // What was replaced is only in the way; a session is changed often.
        if document.nodes() > 2 * self.fresh + 1000 && document.compact().is_ok() {
            self.fresh = document.nodes();
        }
        let root = document.root().id();
        document
            .insert_document(root, name, value)
            .map_err(|error| {
                Error::refused(format!(
                    "entry {name:?} does not fit into the session: {error}"
                ))
            })
    }

    pub(crate) fn remove(&mut self, name: &str) {
        // It may be there twice, as bytes and as characters.
        while self.find(name).is_some() {
            let document = Arc::make_mut(&mut self.document);
            let root = document.root().id();
            // It is a hash, or nothing had been found in it.
            drop(document.remove(root, name));
        }
    }

    pub(crate) fn clear(&mut self) {
        let document = Arc::make_mut(&mut self.document);
        let root = document.root().id();
        let ours = |name: &[u8]| RESERVED.iter().any(|own| own.as_bytes() == name);
        // The root is a hash, or there are no entries at all.
        drop(document.retain(root, |entry| ours(entry.key_bytes())));
    }

    pub(crate) fn get(&self, name: &str) -> Option<Node<'_>> {
        self.document.root().get(name)
    }

    /// Whether both are one and the same, not only equal.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.document, &other.document)
    }

    /// The keys of all entries, in characters; also of those whose name is no text of Unicode's.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Box<[u8]>> {
        self.by_key().into_keys().map(|key| key.into())
    }

    /// The keys of those entries that are not the same in both, or only in one of them.
    pub(crate) fn differing(&self, other: &Self) -> HashSet<Box<[u8]>> {
        if self.is(other) {
            return HashSet::new();
        }
        let (one, mut two) = (self.by_key(), other.by_key());
        let mut differing = HashSet::new();
        for (key, value) in one {
            if !two.remove(&key).is_some_and(|other| value.same(other)) {
                differing.insert(key.into());
            }
        }
        differing.extend(two.into_keys().map(Into::into));
        differing
    }

    /// These entries, with what the engine keeps beside those of `there`.
    pub(crate) fn with_ours_of(&self, there: &Self) -> Result<Self, Error> {
        // What else the engine keeps, it writes anew with each flush.
        let nothing = |entries: &Self| {
            let foreign = || super::dancer::owned(&entries.document).is_none();
            let kept = |entry: KeyValue<'_>| match entry.key_bytes() {
                b"__ended" => true,
                // Whose session it is, each flush says again; what else stands there was Perl's.
                b"__owner" => foreign(),
                _ => false,
            };
            !entries.iter().any(kept)
        };
        if nothing(self) && nothing(there) {
            return Ok(self.clone());
        }
        self.merged_with(there, |_| true)
    }

    /// Those of these entries whose keys are `mine`, and all others of `there`.
    pub(crate) fn merged_with(
        &self,
        there: &Self,
        mine: impl Fn(&[u8]) -> bool,
    ) -> Result<Self, Error> {
        let stays = |entry: &KeyValue<'_>| !is_ours(entry) && mine(&entry.characters());
        let mut document = Document::clone(&self.document);
        let root = document.root().id();
        let merged = document
            .retain(root, |entry| entry.key_bytes() == ID || stays(&entry))
            // What was taken out counts until then.
            .and_then(|()| document.compact())
            .and_then(|()| {
                let root = document.root().id();
                document.take(root, &there.document, |entry| {
                    entry.key_bytes() != ID && !stays(entry)
                })
            });
        merged.map_err(|error| {
            Error::refused(format!(
                "the session does not fit together with what another request has stored: {error}"
            ))
        })?;
        Ok(Self::within(document))
    }

    fn by_key(&self) -> HashMap<Cow<'_, [u8]>, Node<'_>> {
        self.iter()
            .filter(|entry| !is_reserved(entry))
            .map(|entry| (entry.characters(), entry.value()))
            .collect()
    }

    fn iter(&self) -> impl Iterator<Item = KeyValue<'_>> {
        let hash = match self.document.root().kind() {
            Kind::Hash(hash) => Some(hash),
            _ => None,
        };
        let entries = hash.into_iter().flat_map(|hash| hash.iter());
        entries.filter(|entry| !entry.is_placeholder())
    }
}

const ID: &[u8] = b"id";

/// Shows names, never values.
impl fmt::Debug for PerlEntries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

fn is_reserved(entry: &KeyValue<'_>) -> bool {
    let key = entry.key_bytes();
    RESERVED.iter().any(|name| name.as_bytes() == key)
}

/// Whether the engine keeps this beside the entries. The id is the application's to see.
fn is_ours(entry: &KeyValue<'_>) -> bool {
    is_reserved(entry) && entry.key_bytes() != ID
}
