//! Strings as Perl sees them: bytes that may be text, and characters.

use std::borrow::Cow;

use crate::document::Entry;
use crate::error::Error;
use crate::wire::{Key, key};

/// Bytes without Perl's UTF-8 flag, as text: UTF-8 where they are that, as in programs that never
/// decode their input, else Latin-1, as Perl itself takes them.
pub(crate) fn of_bytes(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(latin_1(bytes)),
    }
}

/// Characters of Perl's. They may be ones that Unicode does not have.
pub(crate) fn of_utf8(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes)
        .map_err(|_| Error::value("a string with characters that Unicode does not have"))
}

/// The characters of a string in Perl's UTF-8, by which Perl compares. Without the flag, each byte
/// is one.
pub(crate) fn characters(bytes: &[u8], utf8: bool) -> Cow<'_, [u8]> {
    match utf8 || bytes.is_ascii() {
        true => Cow::Borrowed(bytes),
        false => Cow::Owned(latin_1(bytes).into_bytes()),
    }
}

fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

impl Key {
    pub(crate) fn is_utf8(&self) -> bool {
        self.flags & key::UTF8 != 0
    }

    pub(crate) fn was_utf8(&self) -> bool {
        self.flags & key::WAS_UTF8 != 0
    }

    /// The name as text, by the rules for strings; the flags know more.
    pub(crate) fn as_text<'d>(&self, text: &'d [u8]) -> Result<Cow<'d, str>, Error> {
        let bytes = self.name.of(text);
        if self.is_utf8() {
            of_utf8(bytes).map(Cow::Borrowed)
        } else if self.was_utf8() && !bytes.is_ascii() {
            Ok(Cow::Owned(latin_1(bytes)))
        } else {
            Ok(of_bytes(bytes))
        }
    }
}

/// A name that is looked for among the keys of a hash.
pub(crate) struct Name<'a> {
    utf8: &'a [u8],
    /// The same in Latin-1, if it has room there.
    latin_1: Option<Cow<'a, [u8]>>,
}

impl<'a> Name<'a> {
    pub(crate) fn of(name: &'a str) -> Self {
        let latin_1 = match name.is_ascii() {
            true => Some(Cow::Borrowed(name.as_bytes())),
            false => name.chars().map(|c| u8::try_from(c).ok()).collect(),
        };
        let utf8 = name.as_bytes();
        Self { utf8, latin_1 }
    }

    pub(crate) fn utf8(&self) -> &[u8] {
        self.utf8
    }

    pub(crate) fn latin_1(&self) -> Option<&[u8]> {
        self.latin_1.as_deref()
    }

    /// Where it is: first as the characters that Perl sees, then as bytes that are its UTF-8. From
    /// the end, because of a key that a damaged input has twice Perl takes the last.
    pub(crate) fn find(&self, entries: &[Entry], text: &[u8]) -> Option<usize> {
        let latin_1 = self.latin_1();
        let characters = entries.iter().rposition(|Entry { key, .. }| {
            let bytes = key.name.of(text);
            match key.is_utf8() {
                true => bytes == self.utf8,
                false => latin_1 == Some(bytes),
            }
        });
        if characters.is_some() || self.utf8.is_ascii() {
            return characters;
        }
        entries.iter().rposition(|Entry { key, .. }| {
            !key.is_utf8() && !key.was_utf8() && key.name.of(text) == self.utf8
        })
    }
}
