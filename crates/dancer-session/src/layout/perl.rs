//! The entries of a session in the Dancer layout: the keys of one hash of Perl's, beside those that
//! the engine keeps there for itself.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use storable::{Document, Kind, NodeId};

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
    pub(super) fn document(&self) -> &Document {
        &self.document
    }

    pub(crate) fn len(&self) -> usize {
        self.names().count()
    }

    /// Whether each key has a name, and one of its own.
    pub(super) fn are_named(&self) -> bool {
        let Kind::Hash(hash) = self.document.root().kind() else {
            return true;
        };
        let there = hash.iter().filter(|entry| !entry.is_placeholder());
        let names: HashSet<_> = there.clone().filter_map(|entry| entry.key().ok()).collect();
        names.len() == there.count()
    }

    /// A name that is no text of Unicode's can't be asked for either.
    pub(crate) fn names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let hash = match self.document.root().kind() {
            Kind::Hash(hash) => Some(hash),
            _ => None,
        };
        hash.into_iter()
            .flat_map(|hash| hash.iter())
            .filter(|entry| !entry.is_placeholder())
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
}
