//! Changing a document: keys of hashes, classes of objects.

use serde::Serialize;

use super::{ClassId, Document, Entry, NodeId, What, graft};
use crate::error::Error;
use crate::limits::Limits;
use crate::ser;
use crate::wire::{self, Key, Span, key};

impl Document {
    /// Sets a key of a hash, or of the hash that a reference leads to. A key that was there keeps
    /// its flags.
    ///
    /// A key that is new is written as Perl writes a string of characters: as Latin-1 where it has
    /// room, with the flag that says so.
    ///
    /// # Errors
    ///
    /// When there is no hash, when the value has no Perl form, or over the limit of nodes. Then
    /// nothing has changed.
    pub fn insert<T>(&mut self, hash: NodeId, key: &str, value: &T) -> Result<(), Error>
    where
        T: Serialize + ?Sized,
    {
        let hash = self.hash_at(hash)?;
        let value = ser::value(self, value)?;
        self.put(hash, key, value)
    }

    fn put(&mut self, hash: HashAt, key: &str, value: NodeId) -> Result<(), Error> {
        match self.position(hash.entries, key) {
            Some(at) => {
                let entry = &mut self.entries[at];
                entry.value = value;
                entry.key.flags &= !key::PLACEHOLDER;
            }
            None => {
                let key = self.new_key(key)?;
                self.append(hash, Entry { key, value });
            }
        }
        Ok(())
    }

    /// Sets a key of a hash as [`insert`](Self::insert), to all that another document holds: its
    /// classes, what is shared within it, its flags.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert), and over the limit of classes.
    pub fn insert_document(
        &mut self,
        hash: NodeId,
        key: &str,
        other: &Document,
    ) -> Result<(), Error> {
        let hash = self.hash_at(hash)?;
        let value = graft::value(self, other)?;
        self.put(hash, key, value)
    }

    /// Removes a key of a hash, or of the hash that a reference leads to; says whether it was
    /// there.
    ///
    /// # Errors
    ///
    /// When there is no hash.
    pub fn remove(&mut self, hash: NodeId, key: &str) -> Result<bool, Error> {
        let mut hash = self.hash_at(hash)?;
        let mut found = false;
        // More than once only in a damaged input that has a key twice: Perl takes the last.
        while let Some(at) = self.position(hash.entries, key) {
            found |= self.entries[at].key.flags & key::PLACEHOLDER == 0;
            self.entries
                .copy_within(at + 1..hash.entries.range().end, at);
            hash.entries.len -= 1;
            self.nodes[hash.id.index()].what = hash.what();
        }
        Ok(found)
    }

    /// Blesses a node, or what a reference leads to, into a class. A label: whether Perl knows the
    /// class is seen when Perl thaws it.
    ///
    /// # Errors
    ///
    /// When the name is none (a letter or `_`, then letters, digits, `_`, `:`, at most 255), when
    /// the node can't have a class, or over the limit of classes.
    pub fn bless(&mut self, node: NodeId, class: &str) -> Result<(), Error> {
        if !wire::is_class_name(class.as_bytes()) || class.len() > Limits::CLASS_NAME {
            return Err(Error::value("this is no name of a class"));
        }
        let id = self.referent(node)?;
        if !self.stored(id)?.what.can_be_blessed() {
            return Err(Error::value("a constant of Perl's can't be blessed"));
        }
        self.nodes[id.index()].class = self.class_named(class.as_bytes())?;
        Ok(())
    }

    /// The number of a class, a new one if need be.
    pub(super) fn class_named(&mut self, class: &[u8]) -> Result<ClassId, Error> {
        let known = |name: &Span| name.of(&self.text) == class;
        let number = match self.classes.iter().position(known) {
            Some(number) => number,
            None if self.classes.len() >= self.limits.classes => {
                return Err(Error::limit(None, "too many classes in one document"));
            }
            None => {
                let name = self.add_text(class)?;
                self.classes.push(name);
                self.classes.len() - 1
            }
        };
        Ok(ClassId(number as u16))
    }

    pub(crate) fn new_key(&mut self, name: &str) -> Result<Key, Error> {
        let latin: Option<Vec<u8>> = name.chars().map(|c| u8::try_from(c).ok()).collect();
        let (bytes, flags) = match &latin {
            _ if name.is_ascii() => (name.as_bytes(), 0),
            Some(latin) => (latin.as_slice(), key::WAS_UTF8),
            None => (name.as_bytes(), key::UTF8),
        };
        let name = self.add_text(bytes)?;
        Ok(Key { name, flags })
    }

    /// Where the last entry with this name is: with a name twice, the one that Perl takes.
    pub(crate) fn position(&self, entries: Span, name: &str) -> Option<usize> {
        let range = entries.range();
        self.entries[range.clone()]
            .iter()
            .rposition(|entry| entry.key.is(name, &self.text))
            .map(|at| range.start + at)
    }

    fn hash_at(&self, id: NodeId) -> Result<HashAt, Error> {
        let id = self.referent(id)?;
        match self.stored(id)?.what {
            What::Hash {
                entries,
                restricted,
                flagged,
            } => Ok(HashAt {
                id,
                entries,
                restricted,
                flagged,
            }),
            _ => Err(Error::value("expected a hash here")),
        }
    }

    /// Adds an entry; a hash that has no room behind it moves to the end first.
    fn append(&mut self, mut hash: HashAt, entry: Entry) {
        if hash.entries.range().end != self.entries.len() {
            let start = self.entries.len() as u32;
            self.entries.extend_from_within(hash.entries.range());
            hash.entries.start = start;
        }
        self.entries.push(entry);
        hash.entries.len += 1;
        hash.flagged |= entry.key.flags != 0;
        self.nodes[hash.id.index()].what = hash.what();
    }
}

/// A hash, taken out of its node to be changed.
struct HashAt {
    id: NodeId,
    entries: Span,
    restricted: bool,
    flagged: bool,
}

impl HashAt {
    fn what(&self) -> What {
        What::Hash {
            entries: self.entries,
            restricted: self.restricted,
            flagged: self.flagged,
        }
    }
}
