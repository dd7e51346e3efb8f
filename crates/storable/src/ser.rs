//! Rust types to nodes. `de` is the other direction.

mod containers;

use serde::Serialize;
use serde::ser;

use self::containers::{Elements, Pairs, variant_hash};
use crate::document::{Document, NodeId, What, Word};
use crate::error::Error;

/// Freezes a Rust value in native order, as Perl's `freeze`. For network order see
/// [`Document::set_header`].
///
/// ```
/// let frozen = storable::to_vec(&["a", "b"])?;
/// assert_eq!(frozen[..2], [0x04, 0x0b]);
/// assert_eq!(storable::from_slice::<Vec<String>>(&frozen)?, ["a", "b"]);
/// # Ok::<(), storable::Error>(())
/// ```
///
/// # Errors
///
/// When the value has no Perl form (see the tables in the [crate's documentation](crate)), or is
/// over the default [`Limits`](crate::Limits).
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    Document::of(value)?.encode()
}

/// Adds a value as what the frozen reference refers to.
pub(crate) fn root<T: Serialize + ?Sized>(
    document: &mut Document,
    value: &T,
) -> Result<NodeId, Error> {
    Ok(value.serialize(Serializer(document))?.id)
}

/// Adds a value as one that stands in a hash or an array: of a container, a reference to it.
pub(crate) fn value<T: Serialize + ?Sized>(
    document: &mut Document,
    value: &T,
) -> Result<NodeId, Error> {
    let added = value.serialize(Serializer(document))?;
    if !added.container {
        return Ok(added.id);
    }
    document.push(What::Reference {
        to: added.id,
        weak: false,
        overloaded: false,
    })
}

/// A node that was added.
struct Added {
    id: NodeId,
    /// Whether it can only be referred to.
    container: bool,
}

struct Serializer<'a>(&'a mut Document);

impl<'a> Serializer<'a> {
    fn scalar(self, what: What) -> Result<Added, Error> {
        Ok(Added {
            id: self.0.push(what)?,
            container: false,
        })
    }

    fn bytes(self, bytes: &[u8]) -> Result<Added, Error> {
        let span = self.0.add_text(bytes)?;
        self.scalar(What::Bytes(span))
    }

    /// Integers beyond `i64` are strings of digits, as Perl writes them.
    fn integer(self, number: impl TryInto<i64> + ToString + Copy) -> Result<Added, Error> {
        match number.try_into() {
            Ok(number) => self.scalar(What::Integer(Word::of_integer(number))),
            Err(_) => self.bytes(number.to_string().as_bytes()),
        }
    }

    fn array(self, len: usize) -> Elements<'a> {
        Elements {
            document: self.0,
            // Reserved as announced, but not on the word of a value alone.
            items: Vec::with_capacity(len.min(1024)),
            variant: None,
        }
    }

    fn hash(self, len: usize) -> Pairs<'a> {
        Pairs {
            document: self.0,
            entries: Vec::with_capacity(len.min(1024)),
            key: None,
            variant: None,
        }
    }
}

impl<'a> ser::Serializer for Serializer<'a> {
    type Ok = Added;
    type Error = Error;
    type SerializeSeq = Elements<'a>;
    type SerializeTuple = Elements<'a>;
    type SerializeTupleStruct = Elements<'a>;
    type SerializeTupleVariant = Elements<'a>;
    type SerializeMap = Pairs<'a>;
    type SerializeStruct = Pairs<'a>;
    type SerializeStructVariant = Pairs<'a>;

    fn serialize_bool(self, value: bool) -> Result<Added, Error> {
        self.integer(i64::from(value))
    }

    fn serialize_i8(self, value: i8) -> Result<Added, Error> {
        self.integer(value)
    }

    fn serialize_i16(self, value: i16) -> Result<Added, Error> {
        self.integer(value)
    }

    fn serialize_i32(self, value: i32) -> Result<Added, Error> {
        self.integer(value)
    }

    fn serialize_i64(self, value: i64) -> Result<Added, Error> {
        self.integer(value)
    }

    fn serialize_i128(self, value: i128) -> Result<Added, Error> {
        self.integer(value)
    }

    fn serialize_u8(self, value: u8) -> Result<Added, Error> {
        self.integer(value)
    }

    fn serialize_u16(self, value: u16) -> Result<Added, Error> {
        self.integer(value)
    }

    fn serialize_u32(self, value: u32) -> Result<Added, Error> {
        self.integer(value)
    }

    fn serialize_u64(self, value: u64) -> Result<Added, Error> {
        self.integer(value)
    }

    fn serialize_u128(self, value: u128) -> Result<Added, Error> {
        self.integer(value)
    }

    fn serialize_f32(self, value: f32) -> Result<Added, Error> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<Added, Error> {
        self.scalar(What::Double(Word::of_double(value)))
    }

    fn serialize_char(self, value: char) -> Result<Added, Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<Added, Error> {
        if value.is_ascii() {
            return self.bytes(value.as_bytes());
        }
        let span = self.0.add_text(value.as_bytes())?;
        self.scalar(What::Utf8(span))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Added, Error> {
        self.bytes(value)
    }

    fn serialize_none(self) -> Result<Added, Error> {
        self.scalar(What::Undef)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Added, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Added, Error> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Added, Error> {
        self.serialize_none()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Added, Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Added, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Added, Error> {
        let contents = self::value(self.0, value)?;
        variant_hash(self.0, variant, contents)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Elements<'a>, Error> {
        Ok(self.array(len.unwrap_or(0)))
    }

    fn serialize_tuple(self, len: usize) -> Result<Elements<'a>, Error> {
        Ok(self.array(len))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        len: usize,
    ) -> Result<Elements<'a>, Error> {
        Ok(self.array(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Elements<'a>, Error> {
        let variant = Some(variant);
        Ok(Elements {
            variant,
            ..self.array(len)
        })
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Pairs<'a>, Error> {
        Ok(self.hash(len.unwrap_or(0)))
    }

    fn serialize_struct(self, _name: &'static str, len: usize) -> Result<Pairs<'a>, Error> {
        Ok(self.hash(len))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Pairs<'a>, Error> {
        let variant = Some(variant);
        Ok(Pairs {
            variant,
            ..self.hash(len)
        })
    }
}
