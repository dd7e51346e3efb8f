//! Scalars as Perl compares them: numbers and text are one thing.

use super::Kind;
use crate::number;
use crate::text::characters;

/// A plain scalar. True and false are the strings that Perl makes of them.
#[derive(Clone, Copy)]
pub(super) enum Scalar<'d> {
    Undef,
    Integer(i64),
    Double(f64),
    Text { bytes: &'d [u8], utf8: bool },
}

impl<'d> Scalar<'d> {
    pub(super) fn of(kind: &Kind<'d>) -> Option<Self> {
        let text = |bytes, utf8| Self::Text { bytes, utf8 };
        Some(match *kind {
            Kind::Undef | Kind::Hole | Kind::ElementUndef => Self::Undef,
            Kind::Integer(number) => Self::Integer(number),
            Kind::Double(number) => Self::Double(number),
            Kind::Bytes(bytes) => text(bytes, false),
            Kind::Utf8(bytes) => text(bytes, true),
            Kind::Yes | Kind::True => text(b"1", false),
            Kind::No | Kind::False => text(b"", false),
            _ => return None,
        })
    }

    pub(super) fn same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Undef, Self::Undef) => true,
            (Self::Undef, _) | (_, Self::Undef) => false,
            (Self::Integer(one), Self::Integer(other)) => one == other,
            (Self::Double(one), Self::Double(other)) => {
                one == other || (one.is_nan() && other.is_nan())
            }
            // As integers: a double has no room for every one of them. Perl freezes most doubles
            // that are integers as those.
            (Self::Integer(integer), Self::Double(double))
            | (Self::Double(double), Self::Integer(integer)) => {
                double.fract() == 0.0 && double as i128 == i128::from(integer)
            }
            (Self::Integer(number), Self::Text { bytes, .. })
            | (Self::Text { bytes, .. }, Self::Integer(number)) => {
                number.to_string().as_bytes() == bytes
            }
            (Self::Double(number), Self::Text { bytes, .. })
            | (Self::Text { bytes, .. }, Self::Double(number)) => {
                number::printed(number).as_bytes() == bytes
            }
            (
                Self::Text { bytes, utf8 },
                Self::Text {
                    bytes: there,
                    utf8: utf8_there,
                },
            ) => characters(bytes, utf8) == characters(there, utf8_there),
        }
    }
}
