//! Keys of one document's hash for another's.

use super::{Document, Entry, NodeId, graft};
use crate::error::Error;
use crate::node::{Hash, KeyValue, Kind, Node};
use crate::wire::key;

/// A key to be taken, and its place in the hash that gets it, if it has one there.
struct Taken {
    entry: Entry,
    place: Option<usize>,
}

impl Document {
    /// Sets keys of a hash, or of the hash that a reference leads to, to the values that the hash at
    /// the root of `other` has under those of its keys that `wanted` says yes to.
    ///
    /// What the values share among each other stays shared, and classes come along. What refers to
    /// the other hash refers to this one. What the values do not lead to takes no room. Costs as
    /// much as looking through all of `other` and this hash.
    ///
    /// Keys are the same where their [characters](KeyValue::characters) are. A key that was there
    /// keeps its flags; a new one, or one that was only allowed in a restricted hash, has those that
    /// it has in `other`. Keys that are only allowed there are not offered.
    ///
    /// # Errors
    ///
    /// When one of the two is no hash, or over the limit of nodes or classes. Then nothing has
    /// changed.
    pub fn take(
        &mut self,
        hash: NodeId,
        other: &Document,
        wanted: impl FnMut(&KeyValue<'_>) -> bool,
    ) -> Result<(), Error> {
        let mut hash = self.hash_at(hash)?;
        let other_hash = other.hash_at(other.root)?.id;
        let taken = wanted_of(self.as_hash(hash.id)?, other.as_hash(other_hash)?, wanted);
        self.as_read = false;
        let before = self.sizes();
        let entries = taken.iter().map(|taken| taken.entry);
        let entries = graft::entries(self, hash.id, other, other_hash, entries)
            .inspect_err(|_| self.shrink(before))?;
        for (taken, entry) in taken.iter().zip(entries) {
            let Some(place) = taken.place else {
                self.append(&mut hash, entry);
                continue;
            };
            let there = &mut self.entries[hash.entries.range().start + place];
            match there.key.flags & key::PLACEHOLDER {
                0 => there.value = entry.value,
                _ => *there = entry,
            }
        }
        self.header.minor = self.header.minor.max(other.header.minor);
        Ok(())
    }

    fn as_hash(&self, id: NodeId) -> Result<Hash<'_>, Error> {
        match Node::new(self, id).kind() {
            Kind::Hash(hash) => Ok(hash),
            _ => Err(Error::value("expected a hash here")),
        }
    }
}

fn wanted_of(
    hash: Hash<'_>,
    other: Hash<'_>,
    mut wanted: impl FnMut(&KeyValue<'_>) -> bool,
) -> Vec<Taken> {
    let (places, last) = (hash.positions(), other.positions());
    let mut taken = Vec::new();
    for (at, entry) in other.iter().enumerate() {
        let name = entry.characters();
        if last.get(&name) == Some(&at) && !entry.is_placeholder() && wanted(&entry) {
            taken.push(Taken {
                entry: entry.stored(),
                place: places.get(&name).copied(),
            });
        }
    }
    taken
}
