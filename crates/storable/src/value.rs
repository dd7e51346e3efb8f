//! A tree for those who want one: plain data without sharing, classes and flags.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// Any data that Perl holds, as a tree.
///
/// References are followed and classes forgotten; what is shared is there several times. For
/// everything that Storable says, see [`Document`](crate::Document).
///
/// ```
/// use storable::Value;
///
/// let frozen = storable::to_vec(&("Ann", 41, [1.5]))?;
/// let tree: Value = storable::from_slice(&frozen)?;
/// let Value::Array(elements) = tree else { panic!() };
/// assert_eq!(elements[0], Value::Text("Ann".into()));
/// assert_eq!(elements[1], Value::Integer(41));
/// # Ok::<(), storable::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Undefined.
    #[default]
    Undef,
    /// One of Perl's constants for true and false, or a boolean. Written as `1` and `0`.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A floating point number.
    Double(f64),
    /// A string of characters. A string without the UTF-8 flag is one if it is ASCII.
    Text(String),
    /// A string of bytes.
    Bytes(Vec<u8>),
    /// An array, or a reference to one.
    Array(Vec<Value>),
    /// A hash, or a reference to one.
    Hash(BTreeMap<String, Value>),
}

/// The name by which our deserializer knows that a tree is asked for, which takes bytes as bytes.
pub(crate) const NAME: &str = "$storable::Value";

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("data")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, data: D) -> Result<Value, D::Error> {
        data.deserialize_any(self)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Undef)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Undef)
    }

    fn visit_some<D: Deserializer<'de>>(self, some: D) -> Result<Value, D::Error> {
        Value::deserialize(some)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Value, E> {
        let number = i64::try_from(number);
        number
            .map(Value::Integer)
            .map_err(|_| E::custom("expected an integer up to 2^63 - 1"))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Double(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element()? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut hash = BTreeMap::new();
        while let Some((key, value)) = entries.next_entry::<String, Value>()? {
            // Two keys of Perl's may be one as text: better no answer than half of one.
            if hash.insert(key, value).is_some() {
                return Err(A::Error::custom(
                    "a hash with two keys that are the same text",
                ));
            }
        }
        Ok(Value::Hash(hash))
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Undef => serializer.serialize_unit(),
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Double(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::Array(array) => serializer.collect_seq(array),
            Self::Hash(hash) => serializer.collect_map(hash),
        }
    }
}
