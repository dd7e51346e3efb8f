//! Strings as Perl sees them: bytes that may be text, and characters.

use std::borrow::Cow;

use crate::error::Error;
use crate::wire::{Key, key};

/// Bytes without Perl's UTF-8 flag, as text: UTF-8 where they are that, as in programs that never
/// decode their input, else Latin-1, as Perl itself takes them.
pub(crate) fn of_bytes(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(latin_1(bytes).collect()),
    }
}

/// Characters of Perl's. They may be ones that Unicode does not have.
pub(crate) fn of_utf8(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes)
        .map_err(|_| Error::value("a string with characters that Unicode does not have"))
}

fn latin_1(bytes: &[u8]) -> impl Iterator<Item = char> {
    bytes.iter().map(|byte| char::from(*byte))
}

impl Key {
    /// The name as text, by the rules for strings; the flags know more.
    pub(crate) fn as_text<'d>(&self, text: &'d [u8]) -> Result<Cow<'d, str>, Error> {
        let bytes = self.name.of(text);
        if bytes.is_ascii() || self.flags & key::UTF8 != 0 {
            of_utf8(bytes).map(Cow::Borrowed)
        } else if self.flags & key::WAS_UTF8 != 0 {
            Ok(Cow::Owned(latin_1(bytes).collect()))
        } else {
            Ok(of_bytes(bytes))
        }
    }

    /// Whether this is its name, as text.
    #[inline]
    pub(crate) fn is(&self, name: &str, text: &[u8]) -> bool {
        let bytes = self.name.of(text);
        if bytes == name.as_bytes() {
            return self.flags & key::WAS_UTF8 == 0 || name.is_ascii();
        }
        !name.is_ascii() && self.as_text(text).is_ok_and(|own| own == name)
    }
}
