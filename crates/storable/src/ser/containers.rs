//! Arrays and hashes while serde hands out what is in them.

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::{Added, Serializer, value};
use crate::document::{Document, Entry, NodeId, What};
use crate::error::Error;
use crate::text;
use crate::wire::{Key, Span};

/// An array that grows.
pub(super) struct Elements<'a> {
    pub(super) document: &'a mut Document,
    pub(super) items: Vec<NodeId>,
    pub(super) variant: Option<&'static str>,
}

impl Elements<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), Error> {
        let id = value(self.document, element)?;
        self.items.push(id);
        Ok(())
    }

    fn finish(self) -> Result<Added, Error> {
        let Self {
            document, items, ..
        } = self;
        let span = Span {
            start: document.items.len() as u32,
            len: items.len() as u32,
        };
        document.items.extend(items);
        finish(document, What::Array(span), self.variant)
    }
}

/// A hash that grows.
pub(super) struct Pairs<'a> {
    pub(super) document: &'a mut Document,
    pub(super) entries: Vec<Entry>,
    pub(super) key: Option<Key>,
    pub(super) variant: Option<&'static str>,
}

impl Pairs<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, key: Key, value: &T) -> Result<(), Error> {
        let value = self::value(self.document, value)?;
        self.entries.push(Entry { key, value });
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        let key = self.document.new_key(name)?;
        self.push(key, value)
    }

    fn finish(self) -> Result<Added, Error> {
        let what = hash(self.document, &self.entries);
        finish(self.document, what, self.variant)
    }
}

fn hash(document: &mut Document, entries: &[Entry]) -> What {
    let span = Span {
        start: document.entries.len() as u32,
        len: entries.len() as u32,
    };
    document.entries.extend_from_slice(entries);
    What::Hash {
        entries: span,
        room: 0,
        restricted: false,
        flagged: entries.iter().any(|entry| entry.key.flags != 0),
    }
}

/// Adds the name of an entry: what Perl would make of the value as a string.
fn key<T: Serialize + ?Sized>(document: &mut Document, key: &T) -> Result<Key, Error> {
    let nodes = document.nodes.len();
    let added = key.serialize(Serializer(document))?;
    let what = document.nodes[added.id.index()].what;
    // The node was only on the way to the text.
    document.nodes.truncate(nodes);
    match what {
        What::Bytes(name) => Ok(Key { name, flags: 0 }),
        What::Utf8(name) => {
            let name = text::of_utf8(name.of(&document.text))?.to_owned();
            document.new_key(&name)
        }
        What::Integer(number) => document.new_key(&number.integer().to_string()),
        _ => Err(Error::value(
            "expected a string or an integer as the key of a hash",
        )),
    }
}

/// Adds a container, as the contents of a variant if it is that.
fn finish(document: &mut Document, what: What, variant: Option<&str>) -> Result<Added, Error> {
    let id = document.push(what)?;
    let Some(variant) = variant else {
        return Ok(Added {
            id,
            container: true,
        });
    };
    let contents = document.push(What::Reference {
        to: id,
        weak: false,
        overloaded: false,
    })?;
    variant_hash(document, variant, contents)
}

/// A variant with contents is a hash with one key.
pub(super) fn variant_hash(
    document: &mut Document,
    variant: &str,
    contents: NodeId,
) -> Result<Added, Error> {
    let key = document.new_key(variant)?;
    let entry = Entry {
        key,
        value: contents,
    };
    let what = hash(document, &[entry]);
    finish(document, what, None)
}

impl SerializeSeq for Elements<'_> {
    type Ok = Added;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), Error> {
        self.push(element)
    }

    fn end(self) -> Result<Added, Error> {
        self.finish()
    }
}

impl SerializeTuple for Elements<'_> {
    type Ok = Added;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), Error> {
        self.push(element)
    }

    fn end(self) -> Result<Added, Error> {
        self.finish()
    }
}

impl SerializeTupleStruct for Elements<'_> {
    type Ok = Added;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, field: &T) -> Result<(), Error> {
        self.push(field)
    }

    fn end(self) -> Result<Added, Error> {
        self.finish()
    }
}

impl SerializeTupleVariant for Elements<'_> {
    type Ok = Added;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, field: &T) -> Result<(), Error> {
        self.push(field)
    }

    fn end(self) -> Result<Added, Error> {
        self.finish()
    }
}

impl SerializeMap for Pairs<'_> {
    type Ok = Added;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = Some(self::key(self.document, key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = self.key.take();
        let key = key.ok_or_else(|| Error::value("a value was given before its key"))?;
        self.push(key, value)
    }

    fn end(self) -> Result<Added, Error> {
        self.finish()
    }
}

impl SerializeStruct for Pairs<'_> {
    type Ok = Added;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.field(name, value)
    }

    fn end(self) -> Result<Added, Error> {
        self.finish()
    }
}

impl SerializeStructVariant for Pairs<'_> {
    type Ok = Added;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.field(name, value)
    }

    fn end(self) -> Result<Added, Error> {
        self.finish()
    }
}
