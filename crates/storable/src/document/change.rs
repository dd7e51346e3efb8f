//! Changing a document: keys of hashes, classes of objects.

use serde::Serialize;

use super::{ClassId, Document, Entry, NodeId, What, graft};
use crate::error::Error;
use crate::header::Header;
use crate::limits::Limits;
use crate::node::KeyValue;
use crate::ser;
use crate::text::Name;
use crate::wire::{self, Key, Span, key};

impl Document {
    /// Sets a key of a hash, or of the hash that a reference leads to. Costs as much as looking
    /// through the hash.
    ///
    /// A key that was there keeps its flags; one that was only allowed in a restricted hash is an
    /// ordinary key afterwards. A new key is written as Perl writes a string of characters: as
    /// Latin-1 where it has room, with the flag that says so. The value is a new one: what else
    /// refers to the old one goes on doing so, as after Perl's `delete` and an assignment.
    ///
    /// # Errors
    ///
    /// When there is no hash, when the value has no Perl form, or over the limit of nodes (replaced
    /// ones count until the document is encoded and decoded again). Then nothing has changed.
    pub fn insert<T>(&mut self, hash: NodeId, key: &str, value: &T) -> Result<(), Error>
    where
        T: Serialize + ?Sized,
    {
        self.put(hash, key, |document| ser::value(document, value))
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
        self.put(hash, key, |document| graft::value(document, other))?;
        self.header.minor = self.header.minor.max(other.header.minor);
        Ok(())
    }

    fn put(
        &mut self,
        hash: NodeId,
        key: &str,
        add: impl FnOnce(&mut Self) -> Result<NodeId, Error>,
    ) -> Result<(), Error> {
        let mut hash = self.hash_at(hash)?;
        self.as_read = false;
        let before = self.sizes();
        let value = add(self).inspect_err(|_| self.shrink(before))?;
        self.header.minor = self.header.minor.max(Header::MADE);
        match self.position(hash.entries, key) {
            Some(at) => {
                let entry = &mut self.entries[at];
                entry.value = value;
                if entry.key.flags & key::PLACEHOLDER != 0 {
                    // Perl marks what is only allowed as locked, too; a value that is there is not.
                    entry.key.flags &= !(key::PLACEHOLDER | key::LOCKED);
                }
            }
            None => {
                let key = self.new_key(key).inspect_err(|_| self.shrink(before))?;
                self.append(&mut hash, Entry { key, value });
            }
        }
        Ok(())
    }

    /// Removes a key of a hash, or of the hash that a reference leads to; says whether it was
    /// there. In a restricted hash it is still allowed afterwards, as after Perl's `delete`.
    ///
    /// # Errors
    ///
    /// When there is no hash; in a restricted one, over the limit of nodes.
    pub fn remove(&mut self, hash: NodeId, key: &str) -> Result<bool, Error> {
        let hash = self.hash_at(hash)?;
        let Some(at) = self.position(hash.entries, key) else {
            return Ok(false);
        };
        let found = self.entries[at].key;
        if found.flags & key::PLACEHOLDER != 0 {
            return Ok(false);
        }
        self.as_read = false;
        if hash.restricted {
            let value = self.push(What::ImmortalUndef)?;
            let entry = &mut self.entries[at];
            entry.value = value;
            entry.key.flags = (found.flags & !key::LOCKED) | key::PLACEHOLDER;
            return Ok(true);
        }
        // A damaged input may have a key twice; for Perl it is one.
        let text = &self.text;
        let same = |entry: &Entry| {
            entry.key.is_utf8() == found.is_utf8() && entry.key.name.of(text) == found.name.of(text)
        };
        let kept = keep(&mut self.entries[hash.entries.range()], |entry| {
            !same(entry)
        });
        self.set_len(hash, kept);
        Ok(true)
    }

    /// Removes all keys of a hash, or of the hash that a reference leads to, but those that `keep`
    /// wants.
    ///
    /// # Errors
    ///
    /// When there is no hash.
    pub fn retain(
        &mut self,
        hash: NodeId,
        mut keep: impl FnMut(KeyValue<'_>) -> bool,
    ) -> Result<(), Error> {
        let hash = self.hash_at(hash)?;
        self.as_read = false;
        let mut entries = self.entries[hash.entries.range()].to_vec();
        entries.retain(|entry| keep(KeyValue::new(self, entry)));
        let start = hash.entries.range().start;
        self.entries[start..][..entries.len()].copy_from_slice(&entries);
        self.set_len(hash, entries.len());
        Ok(())
    }

    /// Blesses what a reference refers to, or a node that is no reference, into a class. A label:
    /// whether Perl knows the class is seen when Perl thaws it.
    ///
    /// # Errors
    ///
    /// When the name is none (a letter or `_`, then letters, digits, `_`, `:`, at most 255), when
    /// the node can't have a class, or over the limit of classes.
    pub fn bless(&mut self, node: NodeId, class: &str) -> Result<(), Error> {
        if !wire::is_class_name(class.as_bytes()) || class.len() > Limits::CLASS_NAME {
            return Err(Error::value("this is no name of a class"));
        }
        let id = match self.stored(node)?.what {
            What::Reference { to, .. } => to,
            _ => node,
        };
        let stored = self.stored(id)?;
        if !stored.what.can_be_blessed() {
            return Err(Error::value("a constant of Perl's can't be blessed"));
        }
        self.as_read = false;
        let class = self.class_named(class.as_bytes())?;
        if class != stored.class {
            self.nodes[id.index()].class = class;
            self.forget_overloading(id);
        }
        Ok(())
    }

    /// Perl refuses a reference marked as overloaded whose class is not, and finds out by itself
    /// whether the class of a plain one is.
    fn forget_overloading(&mut self, id: NodeId) {
        for node in &mut self.nodes {
            if let What::Reference { to, overloaded, .. } = &mut node.what
                && *to == id
            {
                *overloaded = false;
            }
        }
    }

    /// The number of a class, a new one if need be.
    fn class_named(&mut self, class: &[u8]) -> Result<ClassId, Error> {
        let known = |name: &Span| name.of(&self.text) == class;
        match self.classes.iter().position(known) {
            Some(number) => Ok(ClassId(number as u16)),
            None => self.new_class(class),
        }
    }

    pub(super) fn new_class(&mut self, class: &[u8]) -> Result<ClassId, Error> {
        if self.classes.len() >= self.limits.classes {
            return Err(Error::limit(None, "too many classes in one document"));
        }
        let name = self.add_text(class)?;
        self.classes.push(name);
        Ok(ClassId((self.classes.len() - 1) as u16))
    }

    pub(crate) fn new_key(&mut self, name: &str) -> Result<Key, Error> {
        let name = Name::of(name);
        let (bytes, flags) = match name.latin_1() {
            Some(latin) if name.utf8().is_ascii() => (latin, 0),
            Some(latin) => (latin, key::WAS_UTF8),
            None => (name.utf8(), key::UTF8),
        };
        let name = self.add_text(bytes)?;
        Ok(Key { name, flags })
    }

    /// Where the entry with this name is; with a name twice, the one that Perl takes.
    fn position(&self, entries: Span, name: &str) -> Option<usize> {
        let range = entries.range();
        Name::of(name)
            .find(&self.entries[range.clone()], &self.text)
            .map(|at| range.start + at)
    }

    pub(super) fn hash_at(&self, id: NodeId) -> Result<HashAt, Error> {
        let id = self.referent(id)?;
        match self.stored(id)?.what {
            What::Hash {
                entries,
                room,
                restricted,
                flagged,
            } => Ok(HashAt {
                id,
                entries,
                room,
                restricted,
                flagged,
            }),
            _ => Err(Error::value("expected a hash here")),
        }
    }

    /// Adds an entry. A hash without room moves to the end first, with room for as many again.
    pub(super) fn append(&mut self, hash: &mut HashAt, entry: Entry) {
        let Span { start, len } = hash.entries;
        if hash.room > 0 && len < 1 << hash.room {
            self.entries[(start + len) as usize] = entry;
        } else {
            hash.room = (2 * len + 2).ilog2() as u8;
            hash.entries.start = self.entries.len() as u32;
            self.entries.extend_from_within(Span { start, len }.range());
            let end = hash.entries.start as usize + (1 << hash.room);
            self.entries.resize(end, entry);
        }
        hash.entries.len += 1;
        hash.flagged |= entry.key.flags != 0;
        self.nodes[hash.id.index()].what = hash.what();
    }

    fn set_len(&mut self, mut hash: HashAt, len: usize) {
        hash.entries.len = len as u32;
        self.nodes[hash.id.index()].what = hash.what();
    }

    pub(super) fn sizes(&self) -> [usize; 6] {
        [
            self.text.len(),
            self.nodes.len(),
            self.items.len(),
            self.entries.len(),
            self.rares.len(),
            self.classes.len(),
        ]
    }

    /// Forgets what was added since, which nothing refers to yet.
    pub(super) fn shrink(&mut self, to: [usize; 6]) {
        let [text, nodes, items, entries, rares, classes] = to;
        self.text.truncate(text);
        self.nodes.truncate(nodes);
        self.items.truncate(items);
        self.entries.truncate(entries);
        self.rares.truncate(rares);
        self.classes.truncate(classes);
    }
}

/// Moves what is kept to the front; how many they are.
fn keep(entries: &mut [Entry], wanted: impl Fn(&Entry) -> bool) -> usize {
    let mut kept = 0;
    for at in 0..entries.len() {
        if wanted(&entries[at]) {
            entries[kept] = entries[at];
            kept += 1;
        }
    }
    kept
}

/// A hash, taken out of its node to be changed.
pub(super) struct HashAt {
    pub(super) id: NodeId,
    pub(super) entries: Span,
    room: u8,
    restricted: bool,
    flagged: bool,
}

impl HashAt {
    fn what(&self) -> What {
        What::Hash {
            entries: self.entries,
            room: self.room,
            restricted: self.restricted,
            flagged: self.flagged,
        }
    }
}
