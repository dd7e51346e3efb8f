//! The entries of a session in the native layout: split, not decoded. What nobody touches keeps its
//! bytes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::entries::Found;
use super::room::in_room;
use super::scan::Scan;

/// Names and values in the order they were first set.
#[derive(Clone, Default)]
pub(crate) struct JsonEntries {
    /// The payload that the pieces of the entries point into.
    source: Bytes,
    items: Items,
    /// Where each name is; only while a session of many entries is changed.
    index: Option<Box<Index>>,
}

/// Few of them are here, and not in an allocation of their own.
type Items = SmallVec<[Item; 8]>;
type Index = HashMap<Box<str>, usize>;

/// With so many entries, looking a name up one by one is slower than keeping an index.
const MANY: usize = 32;

#[derive(Clone)]
struct Item {
    name: Piece,
    value: Piece,
}

/// A piece of JSON: still where it was read, or made since.
#[derive(Clone)]
enum Piece {
    At { start: u32, end: u32 },
    Own(Arc<[u8]>),
}

impl Piece {
    fn at(start: usize, end: usize) -> Self {
        // Far more than Redis takes as a value.
        let [start, end] = [start, end].map(|at| u32::try_from(at).unwrap_or(u32::MAX));
        Self::At { start, end }
    }
}

impl JsonEntries {
    /// The entries found in `payload`, of which `raw` is a part.
    pub(super) fn within(payload: &Bytes, raw: &RawEntries<'_>) -> Self {
        let base = payload.as_ptr().addr();
        let piece = |part: &RawValue| {
            let start = part.get().as_ptr().addr() - base;
            Piece::at(start, start + part.get().len())
        };
        let items = raw.0.iter().map(|(name, value)| Item {
            name: piece(name),
            value: piece(value),
        });
        Self {
            items: items.collect(),
            source: payload.clone(),
            index: None,
        }
    }

    /// The entries that begin where the scan is, if they are plain.
    pub(super) fn scanned(payload: &Bytes, scan: &mut Scan<'_>) -> Option<Self> {
        let mut entries = Self {
            items: Items::new(),
            source: payload.clone(),
            index: None,
        };
        scan.pass(b"{")?;
        if scan.pass(b"}").is_some() {
            return Some(entries);
        }
        loop {
            let start = scan.at();
            scan.string()?;
            let name = Piece::at(start, scan.at());
            scan.pass(b":")?;
            let start = scan.at();
            scan.value()?;
            let value = Piece::at(start, scan.at());
            entries.items.push(Item { name, value });
            if scan.pass(b",").is_none() {
                scan.pass(b"}")?;
                return Some(entries);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.items.iter().map(|item| self.name(item))
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// One value, apart from the others.
    pub(super) fn find(&self, name: &str) -> Option<Found> {
        let at = self.position(name)?;
        Some(match &self.items[at].value {
            Piece::At { start, end } => {
                Found::Read(self.source.slice(*start as usize..*end as usize))
            }
            Piece::Own(value) => Found::Set(Arc::clone(value)),
        })
    }

    /// The bytes of one value.
    pub(super) fn text_of(&self, name: &str) -> Option<&[u8]> {
        let at = self.position(name)?;
        Some(self.text(&self.items[at].value))
    }

    /// `value` is JSON already.
    pub(crate) fn set(&mut self, name: &str, value: Arc<[u8]>) {
        if self.index.is_none() && self.items.len() >= MANY {
            let mut index = Index::with_capacity(self.items.len() + 1);
            for (name, at) in self.names().zip(0..) {
                // Of a name that another tool has put there twice, the first one counts.
                index.entry(name.into()).or_insert(at);
            }
            self.index = Some(Box::new(index));
        }
        let value = Piece::Own(value);
        if let Some(at) = self.position(name) {
            self.items[at].value = value;
            return;
        }
        if let Some(index) = &mut self.index {
            index.insert(name.into(), self.items.len());
        }
        let name = Piece::Own(quoted(name));
        self.items.push(Item { name, value });
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if !self.contains(name) {
            return;
        }
        self.index = None;
        let mut items = std::mem::take(&mut self.items);
        items.retain(|item| self.name(item) != name);
        self.items = items;
    }

    pub(super) fn has_index(&self) -> bool {
        self.index.is_some()
    }

    pub(super) fn drop_index(&mut self) {
        self.index = None;
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.index = None;
    }

    /// How long the payload was that they were read from.
    pub(super) fn read_len(&self) -> usize {
        self.source.len()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut before = b'{';
        for item in &self.items {
            out.push(before);
            out.extend_from_slice(self.text(&item.name));
            out.push(b':');
            out.extend_from_slice(self.text(&item.value));
            before = b',';
        }
        if self.items.is_empty() {
            out.push(b'{');
        }
        out.push(b'}');
    }

    fn position(&self, name: &str) -> Option<usize> {
        match &self.index {
            None => self.items.iter().position(|item| self.is(item, name)),
            Some(index) => index.get(name).copied(),
        }
    }

    /// Whether an entry has this name.
    fn is(&self, item: &Item, name: &str) -> bool {
        match self.text(&item.name) {
            [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => inner == name.as_bytes(),
            _ => self.name(item) == name,
        }
    }

    fn name<'a>(&'a self, item: &'a Item) -> Cow<'a, str> {
        let text = std::str::from_utf8(self.text(&item.name)).unwrap_or_default();
        match text.get(1..text.len().saturating_sub(1)) {
            Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
            _ => serde_json::from_str(text).map_or(Cow::Borrowed(""), Cow::Owned),
        }
    }

    fn text<'a>(&'a self, piece: &'a Piece) -> &'a [u8] {
        match piece {
            Piece::At { start, end } => &self.source[*start as usize..*end as usize],
            Piece::Own(value) => value,
        }
    }
}

/// Shows names, never values.
impl fmt::Debug for JsonEntries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// The entries as they stand in a payload, borrowed from it.
pub(super) struct RawEntries<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for RawEntries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Pairs)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = RawEntries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of entries")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(RawEntries(pairs))
    }
}

/// A name as JSON has it.
fn quoted(name: &str) -> Arc<[u8]> {
    let plain = |byte: &u8| *byte >= b' ' && !matches!(byte, b'"' | b'\\');
    if name.as_bytes().iter().all(plain) {
        return in_room(|room| {
            room.push(b'"');
            room.extend_from_slice(name.as_bytes());
            room.push(b'"');
            room.as_slice().into()
        });
    }
    serde_json::Value::from(name)
        .to_string()
        .into_bytes()
        .into()
}

/// What a piece of JSON is, in one word for an error.
pub(super) fn kind(text: &[u8]) -> &'static str {
    match text.first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}
