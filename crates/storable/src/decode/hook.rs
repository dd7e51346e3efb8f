//! What a class has frozen by itself, and what is tied: items that are followed by more than items.

use super::{Decoder, Open, UNSET};
use crate::document::{ClassId, NodeId, Rare, What};
use crate::error::Error;
use crate::wire::{HookFlags, Shape, Span, Tied};

impl Decoder<'_> {
    /// After the object of something tied: true when a key is still to come.
    pub(super) fn tied_place(&mut self, id: NodeId) -> Result<bool, Error> {
        let What::Tied { tied, .. } = *self.what(id) else {
            return Ok(false);
        };
        match tied {
            Tied::Array | Tied::Hash | Tied::Scalar => {}
            Tied::Key => {
                self.open.pop();
                self.open.push(Open::TiedKey(id));
                return Ok(true);
            }
            Tied::Index => {
                let index = self.reader.n32()?;
                if let What::Tied { place, .. } = self.what(id) {
                    *place = index;
                }
            }
        }
        Ok(false)
    }

    pub(super) fn hook(&mut self, wide: bool, at: usize) -> Result<NodeId, Error> {
        let (flags, shape) = self.reader.hook_head()?;
        let what = self.rare(Rare::Hook {
            shape,
            frozen: Span::default(),
            list: Span::default(),
            object: UNSET,
        });
        let id = self.open(what, ClassId::NONE, at, |id| Open::Hook {
            id,
            wide,
            shape,
            within: 0,
        })?;
        // By now the hook itself is an item of the one around it.
        let start = self.within.len();
        if let Some(Open::Hook { within, .. }) = self.open.last_mut() {
            *within = start;
        }
        if !flags.recurse() {
            self.open.pop();
            self.hook_tail(id, flags, wide, shape, start)?;
        }
        Ok(id)
    }

    /// Class, frozen string and list; true when the object of something tied is still to come.
    pub(super) fn hook_tail(
        &mut self,
        id: NodeId,
        flags: HookFlags,
        wide: bool,
        shape: Shape,
        within: usize,
    ) -> Result<bool, Error> {
        let at = self.reader.at();
        let tail = self.reader.hook_tail(flags, wide)?;
        self.document.nodes[id.index()].class = self.class(tail.class, at)?;
        let start = self.document.items.len() as u32;
        for _ in 0..tail.list {
            let at = self.reader.at();
            let tag = self.reader.hook_tag(tail.wide_tags)?;
            let node = self.tagged(tag, at)?;
            self.document.items.push(node);
        }
        // Perl writes an item within a hook because the list names it, in that order. One that is
        // not named would be lost.
        let mut named = self.document.items[start as usize..].iter();
        let all_named = self.within[within..]
            .iter()
            .all(|item| named.any(|id| id == item));
        self.within.truncate(within);
        if !all_named {
            return Err(Error::malformed(
                at,
                "expected every item of a hook in its list",
            ));
        }
        if let What::Rare(rare) = *self.what(id) {
            let list = Span {
                start,
                len: tail.list,
            };
            self.document.rares[rare as usize] = Rare::Hook {
                shape,
                frozen: tail.frozen,
                list,
                object: UNSET,
            };
        }
        if shape.is_tied() {
            self.open.push(Open::HookObject(id));
        }
        Ok(shape.is_tied())
    }
}
