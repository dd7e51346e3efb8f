//! What is inside a container while serde asks for it: elements, entries, variants, keys.

use serde::de::{
    self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Budget, Deserializer, visit_integer, visit_text};
use crate::error::Error;
use crate::node::{KeyValue, Kind, Node};
use crate::number::{self, Number};

/// Deserializes the value at `node`, one visit poorer.
fn value<'d, S: DeserializeSeed<'d>>(
    seed: S,
    node: Node<'d>,
    budget: &Budget,
) -> Result<S::Value, Error> {
    let bytes = match node.referent()?.kind() {
        Kind::Bytes(text) | Kind::Utf8(text) | Kind::Version { text, .. } => text.len(),
        _ => 0,
    };
    budget.visit(bytes)?;
    seed.deserialize(Deserializer { node, budget })
}

/// Deserializes the name of an entry.
fn key<'d, S: DeserializeSeed<'d>>(
    seed: S,
    entry: KeyValue<'d>,
    budget: &Budget,
) -> Result<S::Value, Error> {
    budget.visit(entry.key_bytes().len())?;
    seed.deserialize(KeyDeserializer(entry))
}

pub(super) struct Elements<'b, I> {
    pub(super) items: I,
    pub(super) budget: &'b Budget,
}

impl<'d, I: ExactSizeIterator<Item = Node<'d>>> SeqAccess<'d> for Elements<'_, I> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'d>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let node = self.items.next();
        node.map(|node| value(seed, node, self.budget)).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

pub(super) struct Pairs<'d, 'b, I> {
    pub(super) entries: I,
    pub(super) value: Option<Node<'d>>,
    pub(super) budget: &'b Budget,
}

impl<'d, I: Iterator<Item = KeyValue<'d>>> MapAccess<'d> for Pairs<'d, '_, I> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'d>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some(entry) = self.entries.find(|entry| !entry.is_placeholder()) else {
            return Ok(None);
        };
        self.value = Some(entry.value());
        key(seed, entry, self.budget).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'d>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let node = self.value.take();
        let node = node.ok_or_else(|| Error::value("a value was asked for before its key"))?;
        value(seed, node, self.budget)
    }
}

/// A variant with its contents: the only entry of a hash.
pub(super) struct Variant<'d, 'b> {
    pub(super) entry: KeyValue<'d>,
    pub(super) budget: &'b Budget,
}

impl<'d, 'b> EnumAccess<'d> for Variant<'d, 'b> {
    type Error = Error;
    type Variant = Deserializer<'d, 'b>;

    fn variant_seed<S: DeserializeSeed<'d>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), Error> {
        let contents = Deserializer {
            node: self.entry.value(),
            budget: self.budget,
        };
        Ok((key(seed, self.entry, self.budget)?, contents))
    }
}

impl<'d> VariantAccess<'d> for Deserializer<'d, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        de::Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'d>>(self, seed: S) -> Result<S::Value, Error> {
        value(seed, self.node, self.budget)
    }

    fn tuple_variant<V: Visitor<'d>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_tuple(self, len, visitor)
    }

    fn struct_variant<V: Visitor<'d>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_map(self, visitor)
    }
}

/// The name of an entry: text, and a number or a boolean where one is asked for.
struct KeyDeserializer<'d>(KeyValue<'d>);

impl<'d> KeyDeserializer<'d> {
    fn integer<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, Error> {
        match number::parse(self.0.key_bytes()) {
            Some(number @ (Number::Integer(_) | Number::Large(_))) => {
                visit_integer(number, visitor)
            }
            _ => Err(Error::value("expected a key that is an integer")),
        }
    }
}

impl<'d> de::Deserializer<'d> for KeyDeserializer<'d> {
    type Error = Error;

    same! { integer:
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_any<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, Error> {
        visit_text(self.0.key()?, visitor)
    }

    fn deserialize_bool<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.key_bytes() {
            b"1" => visitor.visit_bool(true),
            b"0" | b"" => visitor.visit_bool(false),
            _ => Err(Error::value("expected a key that is a boolean: 1, 0 or ''")),
        }
    }

    fn deserialize_bytes<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_bytes(self.0.key_bytes())
    }

    same! { deserialize_bytes: deserialize_byte_buf }

    fn deserialize_option<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'d>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'d>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.0.key()?.into_deserializer())
    }

    forward_to_deserialize_any! {
        <V: Visitor<'d>>
        f32 f64 char str string unit unit_struct seq tuple tuple_struct map
        struct identifier ignored_any
    }
}
