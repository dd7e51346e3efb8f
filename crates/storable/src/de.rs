//! Nodes to Rust types: the Perl-minded conversions, one direction. `ser` is the other.

#[macro_use]
mod same;
mod parts;

use std::borrow::Cow;
use std::cell::Cell;

use serde::de::{self, Deserialize, DeserializeOwned, IntoDeserializer, Visitor};

use self::parts::{Elements, Pairs, Variant};
use crate::document::Document;
use crate::error::Error;
use crate::node::{Kind, Node};
use crate::number::{self, Number};
use crate::text;
use crate::value;

/// Reads a frozen structure as a Rust type, within the default [`Limits`](crate::Limits).
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct Session { user: String, visits: u32 }
///
/// // perl -MStorable=nfreeze -e 'print nfreeze({user => "Ann", visits => "41"})'
/// let frozen = b"\x05\x0b\x03\x00\x00\x00\x02\x0a\x0241\x00\x00\x00\x06visits\
///                \x0a\x03Ann\x00\x00\x00\x04user";
/// let session: Session = storable::from_slice(frozen)?;
/// assert_eq!((session.user.as_str(), session.visits), ("Ann", 41));
/// # Ok::<(), storable::Error>(())
/// ```
///
/// # Errors
///
/// As [`Document::decode`], and as [`Node::to`].
pub fn from_slice<T: DeserializeOwned>(input: &[u8]) -> Result<T, Error> {
    Document::decode(input)?.root().to()
}

pub(crate) fn from_node<'d, T: Deserialize<'d>>(node: Node<'d>) -> Result<T, Error> {
    let limits = node.document().limits;
    let budget = Budget {
        values: Cell::new(limits.nodes),
        bytes: Cell::new(limits.size),
        depth: Cell::new(limits.depth.min(DEEPEST)),
    };
    T::deserialize(Deserializer {
        node,
        budget: &budget,
    })
}

/// What one conversion may still do. Shared nodes are visited each time they are met, so that the
/// size of the document does not bound it.
struct Budget {
    values: Cell<usize>,
    /// Of the strings that were visited.
    bytes: Cell<usize>,
    depth: Cell<usize>,
}

/// A conversion recurses, by the nature of serde; not so deep that it needs much stack.
const DEEPEST: usize = 128;

impl Budget {
    fn visit(&self, bytes: usize) -> Result<(), Error> {
        let values = self.values.get().checked_sub(1);
        let bytes = self.bytes.get().checked_sub(bytes);
        let (Some(values), Some(bytes)) = (values, bytes) else {
            return Err(Error::limit(
                None,
                "more values than the limits allow, shared ones counted each time",
            ));
        };
        self.values.set(values);
        self.bytes.set(bytes);
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Deserializer<'d, 'b> {
    node: Node<'d>,
    budget: &'b Budget,
}

impl<'d> Deserializer<'d, '_> {
    /// What the node is, references followed.
    fn kind(&self) -> Result<Kind<'d>, Error> {
        match self.node.kind() {
            Kind::Reference { .. } => Ok(self.node.referent()?.kind()),
            kind => Ok(kind),
        }
    }

    fn unexpected(&self, expected: &str) -> Error {
        let found = self.node.referent().unwrap_or(self.node);
        Error::value(format!("expected {expected}, found {}", found.kind_name()))
    }

    fn number(&self, expected: &str) -> Result<Number, Error> {
        match self.kind()? {
            Kind::Integer(number) => Ok(Number::Integer(number.into())),
            Kind::Double(number) => Ok(Number::Double(number)),
            Kind::Yes | Kind::True => Ok(Number::Integer(1)),
            Kind::No | Kind::False => Ok(Number::Integer(0)),
            Kind::Bytes(text) | Kind::Utf8(text) | Kind::Version { text, .. } => {
                number::parse(text).ok_or_else(|| {
                    let len = text.len();
                    Error::value(format!(
                        "expected {expected}, found a string of {len} bytes that is no number"
                    ))
                })
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    fn integer<V: Visitor<'d>>(&self, visitor: V) -> Result<V::Value, Error> {
        let expected = "an integer";
        let number = match self.number(expected)? {
            Number::Double(number) => {
                Number::Integer(number::integral(number).ok_or_else(|| {
                    Error::value("expected an integer, found a number that is not exactly one")
                })?)
            }
            number => number,
        };
        visit_integer(number, visitor)
    }

    fn double<V: Visitor<'d>>(&self, visitor: V) -> Result<V::Value, Error> {
        match self.number("a number")? {
            Number::Integer(number) => visitor.visit_f64(number as f64),
            Number::Large(number) => visitor.visit_f64(number as f64),
            Number::Double(number) => visitor.visit_f64(number),
        }
    }

    /// The string that Perl makes of a scalar.
    fn text(&self) -> Result<Cow<'d, str>, Error> {
        Ok(match self.kind()? {
            Kind::Bytes(bytes) => text::of_bytes(bytes),
            Kind::Utf8(bytes) => text::of_utf8(bytes)?.into(),
            Kind::Version { text, utf8, .. } => match utf8 {
                true => text::of_utf8(text)?.into(),
                false => text::of_bytes(text),
            },
            Kind::Integer(number) => number.to_string().into(),
            Kind::Double(number) => number::printed(number).into(),
            Kind::Yes | Kind::True => "1".into(),
            Kind::No | Kind::False => "".into(),
            _ => return Err(self.unexpected("a string")),
        })
    }

    fn boolean(&self) -> Result<bool, Error> {
        match self.kind()? {
            Kind::Undef | Kind::Hole | Kind::ElementUndef | Kind::No | Kind::False => Ok(false),
            Kind::Integer(0) | Kind::Bytes(b"" | b"0") | Kind::Utf8(b"" | b"0") => Ok(false),
            Kind::Yes | Kind::True => Ok(true),
            Kind::Integer(1) | Kind::Bytes(b"1") | Kind::Utf8(b"1") => Ok(true),
            _ => Err(self.unexpected("a boolean: 1, 0, '' or undef")),
        }
    }

    /// Enters a container: deeper by it and the reference to it for as long as `visit` runs.
    fn within<R>(&self, visit: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
        let depth = &self.budget.depth;
        match depth.get().checked_sub(2) {
            Some(left) => depth.set(left),
            None => {
                return Err(Error::value(
                    "a value that contains itself, or is nested too deep for a conversion",
                ));
            }
        }
        let result = visit();
        depth.set(depth.get() + 2);
        result
    }

    fn any<V: Visitor<'d>>(self, visitor: V, bytes_as_text: bool) -> Result<V::Value, Error> {
        match self.kind()? {
            Kind::Undef | Kind::Hole | Kind::ElementUndef => visitor.visit_unit(),
            Kind::Yes | Kind::True => visitor.visit_bool(true),
            Kind::No | Kind::False => visitor.visit_bool(false),
            Kind::Integer(number) => visitor.visit_i64(number),
            Kind::Double(number) => visitor.visit_f64(number),
            Kind::Bytes(bytes) if !bytes_as_text && !bytes.is_ascii() => {
                visitor.visit_borrowed_bytes(bytes)
            }
            Kind::Bytes(_) | Kind::Utf8(_) | Kind::Version { .. } => {
                visit_text(self.text()?, visitor)
            }
            Kind::Array(array) => self.within(|| {
                visitor.visit_seq(Elements {
                    items: array.iter(),
                    budget: self.budget,
                })
            }),
            Kind::Hash(hash) => self.within(|| {
                visitor.visit_map(Pairs {
                    entries: hash.iter(),
                    value: None,
                    budget: self.budget,
                })
            }),
            _ => Err(self.unexpected("a scalar, an array or a hash")),
        }
    }
}

fn visit_text<'d, V: Visitor<'d>>(text: Cow<'d, str>, visitor: V) -> Result<V::Value, Error> {
    match text {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

fn visit_integer<'d, V: Visitor<'d>>(number: Number, visitor: V) -> Result<V::Value, Error> {
    let number = match number {
        Number::Integer(number) => number,
        Number::Large(number) => return visitor.visit_u128(number),
        Number::Double(_) => return Err(Error::value("expected an integer")),
    };
    if let Ok(number) = i64::try_from(number) {
        visitor.visit_i64(number)
    } else if let Ok(number) = u64::try_from(number) {
        visitor.visit_u64(number)
    } else {
        visitor.visit_i128(number)
    }
}

impl<'d> de::Deserializer<'d> for Deserializer<'d, '_> {
    type Error = Error;

    same! { integer:
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }
    same! { double: deserialize_f32 deserialize_f64 }

    fn deserialize_any<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, Error> {
        self.any(visitor, true)
    }

    fn deserialize_bool<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.boolean()?)
    }

    fn deserialize_str<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, Error> {
        visit_text(self.text()?, visitor)
    }

    same! { deserialize_str: deserialize_string deserialize_char deserialize_identifier }

    fn deserialize_bytes<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.kind()? {
            Kind::Bytes(bytes) | Kind::Utf8(bytes) | Kind::Version { text: bytes, .. } => {
                visitor.visit_borrowed_bytes(bytes)
            }
            Kind::Array(_) => self.deserialize_any(visitor),
            _ => visitor.visit_byte_buf(self.text()?.into_owned().into_bytes()),
        }
    }

    same! { deserialize_bytes: deserialize_byte_buf }

    fn deserialize_option<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.kind()? {
            Kind::Undef | Kind::Hole | Kind::ElementUndef => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.kind()? {
            Kind::Undef | Kind::Hole | Kind::ElementUndef => visitor.visit_unit(),
            _ => Err(self.unexpected("undef")),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'d>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'d>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match name {
            value::NAME => self.any(visitor, false),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.kind()? {
            Kind::Array(_) => self.deserialize_any(visitor),
            _ => Err(self.unexpected("an array")),
        }
    }

    fn deserialize_tuple<V: Visitor<'d>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        match self.kind()? {
            // Serde would leave the rest where it is, without a word.
            Kind::Array(array) if array.len() > len => Err(Error::value(format!(
                "expected an array of {len}, found one of {}",
                array.len()
            ))),
            _ => self.deserialize_seq(visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'d>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.kind()? {
            Kind::Hash(_) => self.deserialize_any(visitor),
            _ => Err(self.unexpected("a hash")),
        }
    }

    fn deserialize_struct<V: Visitor<'d>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'d>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.kind()? {
            Kind::Hash(hash) => {
                let mut present = hash.iter().filter(|entry| !entry.is_placeholder());
                match (present.next(), present.next()) {
                    (Some(entry), None) => self.within(|| {
                        visitor.visit_enum(Variant {
                            entry,
                            budget: self.budget,
                        })
                    }),
                    _ => Err(Error::value("expected a hash with one key, the variant")),
                }
            }
            _ => visitor.visit_enum(self.text()?.into_deserializer()),
        }
    }

    /// What is ignored is not even walked through.
    fn deserialize_ignored_any<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}
