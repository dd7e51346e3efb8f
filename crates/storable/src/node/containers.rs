//! What is inside a node: the elements of an array, the keys of a hash, the parts of a hook.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use super::{Node, Variable};
use crate::document::{Document, Entry, NodeId};
use crate::error::Error;
use crate::text::{self, Name};
use crate::wire::{Shape, key};

/// What a class has frozen by itself.
#[derive(Clone, Copy)]
pub struct Hook<'d> {
    pub(super) document: &'d Document,
    pub(super) list: &'d [NodeId],
    pub(super) frozen: &'d [u8],
    pub(super) shape: Shape,
    pub(super) object: NodeId,
}

/// The elements of an array.
#[derive(Clone, Copy)]
pub struct Array<'d> {
    pub(super) document: &'d Document,
    pub(super) items: &'d [NodeId],
}

/// The keys and values of a hash, in the order in which they were stored.
#[derive(Clone, Copy)]
pub struct Hash<'d> {
    pub(super) document: &'d Document,
    pub(super) entries: &'d [Entry],
    pub(super) restricted: bool,
}

/// A key of a hash and what stands there.
#[derive(Clone, Copy)]
pub struct KeyValue<'d> {
    pub(super) document: &'d Document,
    entry: &'d Entry,
}

impl<'d> Array<'d> {
    /// The number of elements, those that do not exist included.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The element at an index counted from 0.
    pub fn get(&self, index: usize) -> Option<Node<'d>> {
        let id = *self.items.get(index)?;
        Some(Node::new(self.document, id))
    }

    /// The elements, from the first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Node<'d>> + use<'d> {
        let document = self.document;
        self.items.iter().map(move |id| Node::new(document, *id))
    }
}

impl<'d> Hash<'d> {
    /// The number of keys, those that are only allowed included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether no keys may be added (`Hash::Util::lock_keys`).
    pub fn is_restricted(&self) -> bool {
        self.restricted
    }

    /// The value of a key, looked for from the end. Two keys of Perl's may be the same text, as bytes
    /// and as characters: then it is the one that is characters.
    pub fn get(&self, key: &str) -> Option<Node<'d>> {
        let found = Name::of(key).find(self.entries, &self.document.text)?;
        let found = &self.entries[found];
        (found.key.flags & key::PLACEHOLDER == 0).then(|| Node::new(self.document, found.value))
    }

    /// The keys with their values, those that are only allowed included.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = KeyValue<'d>> + Clone + use<'d> {
        let document = self.document;
        self.entries
            .iter()
            .map(move |entry| KeyValue { document, entry })
    }

    /// Where each key is, by its characters. A damaged input may have a key twice; then Perl takes
    /// the last.
    pub(crate) fn positions(&self) -> HashMap<Cow<'d, [u8]>, usize> {
        let keys = self.iter().map(|entry| entry.characters());
        keys.zip(0..).collect()
    }

    pub(crate) fn at(&self, position: usize) -> KeyValue<'d> {
        KeyValue::new(self.document, &self.entries[position])
    }
}

impl<'d> KeyValue<'d> {
    pub(crate) fn new(document: &'d Document, entry: &'d Entry) -> Self {
        Self { document, entry }
    }

    pub(crate) fn stored(&self) -> Entry {
        *self.entry
    }

    /// The key as text: as UTF-8 where Perl says or the bytes are that, else as Latin-1.
    ///
    /// # Errors
    ///
    /// When it has characters that Unicode does not have.
    pub fn key(&self) -> Result<Cow<'d, str>, Error> {
        self.entry.key.as_text(&self.document.text)
    }

    /// The bytes of the key as Perl holds them.
    pub fn key_bytes(&self) -> &'d [u8] {
        self.entry.key.name.of(&self.document.text)
    }

    /// The characters of the key, in Perl's UTF-8. Two keys are one for Perl if these are equal, and
    /// only then, whatever their bytes and flags.
    pub fn characters(&self) -> Cow<'d, [u8]> {
        text::characters(self.key_bytes(), self.is_utf8())
    }

    /// Whether the bytes of the key are characters in UTF-8.
    pub fn is_utf8(&self) -> bool {
        self.entry.key.is_utf8()
    }

    /// Whether the bytes of the key are Latin-1 and were characters for the program.
    pub fn was_utf8(&self) -> bool {
        self.entry.key.was_utf8()
    }

    /// Whether the value is read-only in a restricted hash.
    pub fn is_locked(&self) -> bool {
        self.entry.key.flags & key::LOCKED != 0
    }

    /// Whether the key is only allowed in a restricted hash, and not there.
    pub fn is_placeholder(&self) -> bool {
        self.entry.key.flags & key::PLACEHOLDER != 0
    }

    /// The value.
    pub fn value(&self) -> Node<'d> {
        Node::new(self.document, self.entry.value)
    }
}

impl<'d> Hook<'d> {
    /// The string that the class has made of the object.
    pub fn frozen(&self) -> &'d [u8] {
        self.frozen
    }

    /// What the class has asked to be stored with it.
    pub fn list(&self) -> impl ExactSizeIterator<Item = Node<'d>> + use<'d> {
        let document = self.document;
        self.list.iter().map(move |id| Node::new(document, *id))
    }

    /// What is tied, and to which object, if what was frozen is a tied variable.
    pub fn tied(&self) -> Option<(Variable<'d>, Node<'d>)> {
        let variable = match self.shape {
            Shape::Scalar | Shape::Array | Shape::Hash => return None,
            Shape::TiedScalar => Variable::Scalar,
            Shape::TiedArray => Variable::Array,
            Shape::TiedHash => Variable::Hash,
        };
        Some((variable, Node::new(self.document, self.object)))
    }
}

impl fmt::Debug for Array<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Array({} elements)", self.items.len())
    }
}

impl fmt::Debug for Hash<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({} keys)", self.entries.len())
    }
}

impl fmt::Debug for Hook<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (frozen, list) = (self.frozen.len(), self.list.len());
        write!(f, "Hook({frozen} bytes, {list} nodes)")
    }
}

impl fmt::Debug for KeyValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyValue({:?})", self.value())
    }
}
