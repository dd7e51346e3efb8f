//! Writing a document with more keys in its root. That hash ends where the document ends, so what was
//! read and not changed since is copied, and the keys are written behind it.

use super::{Document, Key, Span, What};
use crate::encode;
use crate::error::Error;
use crate::wire::{self, Reader};

impl Document {
    /// Writes the document as if the keys of the hash at the root of `more` had been set in the hash
    /// at its own root. Costs no more than a copy of what was read, and what `more` holds.
    ///
    /// `None` where that can't be done: the document was changed since it was read, its root is no
    /// hash, has one of the keys already or no
    /// room for their flags, its version is too old for `more`, or there would be too
    /// many nodes. Then [`insert`](Self::insert) and [`encode`](Self::encode) do the same, or say what
    /// is wrong.
    ///
    /// ```
    /// # use storable::Document;
    /// let document = Document::decode(b"\x05\x0b\x03\x00\x00\x00\x01\x08\xa9\x00\x00\x00\x06visits")?;
    /// let more = Document::of(&std::collections::BTreeMap::from([("seen", "/")]))?;
    ///
    /// let written = document.encode_adding(&more)?.expect("nothing is in the way");
    /// let thawed = Document::decode(&written)?;
    /// assert_eq!(thawed.root().get("visits").unwrap().to::<u32>()?, 41);
    /// assert_eq!(thawed.root().get("seen").unwrap().to::<String>()?, "/");
    /// # Ok::<(), storable::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When it gets larger or deeper than the limits of this document allow, or `more` is no hash.
    pub fn encode_adding(&self, more: &Document) -> Result<Option<Vec<u8>>, Error> {
        let added = more.hash_at(more.root)?.entries;
        let What::Hash {
            entries, flagged, ..
        } = self.nodes[self.root.index()].what
        else {
            return Ok(None);
        };
        let (text, more_text) = (&self.text, &more.text);
        let is_there = |name: Span| {
            let mut there = self.entries[entries.range()].iter();
            there.any(|entry| entry.key.name.of(text) == name.of(more_text))
        };
        let can_stand = |key: Key| (flagged || key.flags == 0) && !is_there(key.name);
        let mut keys = more.entries[added.range()].iter().map(|entry| entry.key);
        let fits = self.as_read
            && self.header.minor >= more.header.minor
            && self.nodes.len() + more.nodes.len() <= self.limits.nodes
            && keys.all(can_stand);
        match self.root_count() {
            Some(count) if fits => encode::behind(self, count, more, added).map(Some),
            _ => Ok(None),
        }
    }

    /// Where in the text the root, if it is a hash, says how many keys it has.
    fn root_count(&self) -> Option<usize> {
        let mut reader = Reader::new(&self.text).ok()?;
        let mut start = reader.at();
        if let wire::Item::Bless(_) = reader.item().ok()? {
            start = reader.at();
        }
        match self.text.get(start)? {
            3 => Some(start + 1),
            // Between the two stand the flags of the hash.
            25 => Some(start + 2),
            _ => None,
        }
    }
}
