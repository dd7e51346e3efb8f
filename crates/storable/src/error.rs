//! The one error of this crate: opaque, with the place in the bytes and what was expected there.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::de::{Expected, Unexpected};

/// Why bytes could not be read, or a value not be written or converted.
///
/// Its text never shows a value from the document, only kinds, lengths and places, so that it can go
/// into a log. What a type's own `Deserialize` says of a value is passed on as it is.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    offset: Option<usize>,
    message: Cow<'static, str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Malformed,
    Unsupported,
    Limit,
    Value,
}

impl Error {
    /// The bytes are not what Storable writes: cut short, damaged, or something else altogether.
    pub fn is_malformed(&self) -> bool {
        self.0.kind == Kind::Malformed
    }

    /// The bytes are Storable's, of a version or a machine that this crate does not read.
    pub fn is_unsupported(&self) -> bool {
        self.0.kind == Kind::Unsupported
    }

    /// A bound of [`Limits`](crate::Limits) was passed.
    pub fn is_limit(&self) -> bool {
        self.0.kind == Kind::Limit
    }

    /// A value does not fit the Rust type that was asked for, or the Rust value has no Perl form.
    /// The document is as it was.
    pub fn is_value(&self) -> bool {
        self.0.kind == Kind::Value
    }

    /// Where in the input it was noticed, counted in bytes from 0. `None` when writing and when
    /// converting.
    pub fn offset(&self) -> Option<usize> {
        self.0.offset
    }

    pub(crate) fn malformed(offset: usize, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Malformed, Some(offset), message.into())
    }

    pub(crate) fn unsupported(offset: usize, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Unsupported, Some(offset), message.into())
    }

    pub(crate) fn limit(
        offset: impl Into<Option<usize>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Kind::Limit, offset.into(), message.into())
    }

    pub(crate) fn value(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Value, None, message.into())
    }

    #[cold]
    fn new(kind: Kind, offset: Option<usize>, message: Cow<'static, str>) -> Self {
        Self(Box::new(Inner {
            kind,
            offset,
            message,
        }))
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.offset {
            Some(offset) => write!(f, "at byte {offset}: {}", self.0.message),
            None => f.write_str(&self.0.message),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "storable::Error({:?}: {self})", self.0.kind)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::value(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::value(format!("expected {expected}, found {}", unnamed(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::value(format!(
            "expected {expected}, found {} that is not one",
            unnamed(found)
        ))
    }

    fn unknown_variant(_found: &str, expected: &'static [&'static str]) -> Self {
        Self::value(format!(
            "expected one of the variants {}",
            expected.join(", ")
        ))
    }

    fn unknown_field(_found: &str, expected: &'static [&'static str]) -> Self {
        Self::value(format!("expected only the keys {}", expected.join(", ")))
    }
}

impl serde::ser::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::value(message.to_string())
    }
}

/// What serde found instead, without its value: errors go into logs, values do not.
fn unnamed(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(_) => "a boolean".into(),
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer".into(),
        Unexpected::Float(_) => "a floating point number".into(),
        Unexpected::Char(_) => "a character".into(),
        Unexpected::Str(text) => format!("a string of {} bytes", text.len()),
        Unexpected::Bytes(bytes) => format!("a byte string of {} bytes", bytes.len()),
        Unexpected::Unit => "undef".into(),
        // Its text may be the value.
        Unexpected::Other(_) => "something else".into(),
        other => other.to_string(),
    }
}
