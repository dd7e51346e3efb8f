//! Items to nodes: tags, classes, and what is open, on a stack of our own.

mod hook;

use crate::document::{ClassId, Document, Entry, NodeId, Rare, Stored, What, Word};
use crate::error::Error;
use crate::limits::Limits;
use crate::wire::{Class, Item, Key, RESTRICTED, Reader, Shape, Span};

pub(crate) fn document(input: &[u8], limits: Limits) -> Result<Document, Error> {
    if input.len() > limits.size {
        return Err(Error::limit(
            None,
            format!("{} bytes, more than {}", input.len(), limits.size),
        ));
    }
    let reader = Reader::new(input)?;
    let mut document = Document::empty(reader.parsed_header(), limits, input.len() / 8 + 4);
    document.text = input.to_vec();
    document.as_read = true;
    // As many as a hash of short texts has; for others it grows.
    document.entries = Vec::with_capacity(input.len() / 16);
    let decoder = Decoder {
        reader,
        document,
        open: Vec::with_capacity(8),
        owed: 0,
        within: Vec::new(),
    };
    decoder.run()
}

struct Decoder<'a> {
    reader: Reader<'a>,
    document: Document,
    /// What has begun and wants more items, the innermost last.
    open: Vec<Open>,
    /// Bytes that the open arrays and hashes need at least, for what they have announced.
    owed: usize,
    /// The items within the open hooks, which their lists have to name.
    within: Vec<NodeId>,
}

/// Something that has begun, and where its next item goes.
enum Open {
    /// Places in the document's `items`.
    Array {
        next: u32,
        end: u32,
    },
    /// Places in the document's `entries`.
    Hash {
        next: u32,
        end: u32,
        flagged: bool,
    },
    Reference(NodeId),
    Tied(NodeId),
    TiedKey(NodeId),
    Hook {
        id: NodeId,
        wide: bool,
        shape: Shape,
        /// Where its items begin in `within`.
        within: usize,
    },
    /// The last item of a hook on something tied.
    HookObject(NodeId),
}

/// A node that was never seen; every such place is filled before the document is handed out.
const UNSET: NodeId = NodeId(u32::MAX);
/// The least that one item takes.
const ITEM: usize = 1;
/// The least that a value with its key takes.
const ENTRY: usize = 5;

impl Decoder<'_> {
    fn run(mut self) -> Result<Document, Error> {
        loop {
            let open = self.open.len();
            let id = self.node()?;
            if open == 0 {
                self.document.root = id;
            }
            if self.open.len() == open && !self.fill()? {
                break;
            }
        }
        match self.reader.remaining() {
            0 => Ok(self.document),
            more => Err(Error::malformed(
                self.reader.at(),
                format!("expected the end, found {more} more bytes"),
            )),
        }
    }

    /// The innermost open thing has one more item whole; closes what is complete with it. False
    /// when nothing is open any more.
    fn fill(&mut self) -> Result<bool, Error> {
        loop {
            let Some(open) = self.open.last_mut() else {
                return Ok(false);
            };
            match open {
                Open::Array { next, end } => {
                    *next += 1;
                    if next < end {
                        return Ok(true);
                    }
                }
                Open::Hash { next, end, flagged } => {
                    self.document.entries[*next as usize].key = self.reader.key(*flagged)?;
                    *next += 1;
                    if next < end {
                        return Ok(true);
                    }
                }
                Open::Tied(id) => {
                    let id = *id;
                    if self.tied_place(id)? {
                        return Ok(true);
                    }
                }
                Open::Hook {
                    id,
                    wide,
                    shape,
                    within,
                } => {
                    let (id, wide, shape, within) = (*id, *wide, *shape, *within);
                    let flags = self.reader.hook_flags()?;
                    if flags.recurse() {
                        return Ok(true);
                    }
                    self.open.pop();
                    if self.hook_tail(id, flags, wide, shape, within)? {
                        return Ok(true);
                    }
                    continue;
                }
                Open::Reference(_) | Open::TiedKey(_) | Open::HookObject(_) => {}
            }
            self.open.pop();
        }
    }

    /// Reads one item, tells the innermost open thing which node it is, and opens what the item
    /// opens.
    fn node(&mut self) -> Result<NodeId, Error> {
        let at = self.reader.at();
        let mut class = ClassId::NONE;
        let mut item = self.reader.item()?;
        if let Item::Bless(name) = item {
            class = self.class(name, at)?;
            item = self.reader.item()?;
        }
        let what = match item {
            Item::Seen(tag) if class == ClassId::NONE => return self.seen(tag, at),
            Item::Undef => What::Undef,
            Item::ImmortalUndef => What::ImmortalUndef,
            Item::ElementUndef if matches!(self.open.last(), Some(Open::Array { .. })) => {
                What::ElementUndef
            }
            Item::Yes => What::Yes,
            Item::No => What::No,
            Item::True => What::True,
            Item::False => What::False,
            Item::Integer(number) => What::Integer(Word::of_integer(number)),
            Item::Double(number) => What::Double(Word::of_double(number)),
            Item::Bytes(span) => What::Bytes(span),
            Item::Utf8(span) => What::Utf8(span),
            Item::Version(magic) => self.version(magic)?,
            Item::Regexp { pattern, modifiers } => self.rare(Rare::Regexp { pattern, modifiers }),
            Item::Reference { weak, overloaded } => {
                let to = UNSET;
                let what = What::Reference {
                    to,
                    weak,
                    overloaded,
                };
                return self.open(what, class, at, Open::Reference);
            }
            Item::Array { len } => return self.array(len, class, at),
            Item::Hash { len, flags } => return self.hash(len, flags, class, at),
            Item::Tied(tied) => {
                let what = What::Tied {
                    tied,
                    object: UNSET,
                    place: UNSET.0,
                };
                return self.open(what, class, at, Open::Tied);
            }
            Item::Code => return self.code(class, at),
            Item::Hook { wide } if class == ClassId::NONE => return self.hook(wide, at),
            Item::Seen(_) | Item::Bless(_) | Item::Hook { .. } | Item::ElementUndef => {
                return Err(Error::malformed(at, "an item that can't stand here"));
            }
        };
        self.add(what, class, at)
    }

    #[inline]
    fn add(&mut self, what: What, class: ClassId, at: usize) -> Result<NodeId, Error> {
        let id = self.tag(what, class, at)?;
        self.deliver(id);
        Ok(id)
    }

    /// Adds a node that wants items.
    fn open(
        &mut self,
        what: What,
        class: ClassId,
        at: usize,
        open: impl FnOnce(NodeId) -> Open,
    ) -> Result<NodeId, Error> {
        let id = self.add(what, class, at)?;
        if self.open.len() >= self.document.limits.depth {
            return Err(Error::limit(
                at,
                format!("nested deeper than {} levels", self.document.limits.depth),
            ));
        }
        self.open.push(open(id));
        Ok(id)
    }

    /// Gives a node the next tag.
    #[inline]
    fn tag(&mut self, what: What, class: ClassId, at: usize) -> Result<NodeId, Error> {
        let nodes = &mut self.document.nodes;
        if nodes.len() >= self.document.limits.nodes {
            return Err(Error::limit(
                at,
                format!("more than {} nodes", self.document.limits.nodes),
            ));
        }
        if class != ClassId::NONE && !what.can_be_blessed() {
            return Err(Error::malformed(
                at,
                "a constant of Perl's can't be blessed",
            ));
        }
        make_room(nodes, 1, self.reader.remaining() + 1);
        let id = NodeId(nodes.len() as u32);
        nodes.push(Stored { what, class });
        Ok(id)
    }

    #[inline]
    fn deliver(&mut self, id: NodeId) {
        match self.open.last() {
            None => {}
            Some(Open::Hook { .. }) => self.within.push(id),
            Some(Open::Array { next, .. }) => {
                self.document.items[*next as usize] = id;
                self.owed -= ITEM;
            }
            Some(Open::Hash { next, .. }) => {
                self.document.entries[*next as usize].value = id;
                self.owed -= ENTRY;
            }
            Some(Open::Reference(reference)) => {
                if let What::Reference { to, .. } = self.what(*reference) {
                    *to = id;
                }
            }
            Some(Open::Tied(tied)) => {
                if let What::Tied { object, .. } = self.what(*tied) {
                    *object = id;
                }
            }
            Some(Open::TiedKey(tied)) => {
                if let What::Tied { place, .. } = self.what(*tied) {
                    *place = id.0;
                }
            }
            Some(Open::HookObject(hook)) => {
                if let What::Rare(rare) = *self.what(*hook)
                    && let Rare::Hook { object, .. } = &mut self.document.rares[rare as usize]
                {
                    *object = id;
                }
            }
        }
    }

    fn what(&mut self, id: NodeId) -> &mut What {
        &mut self.document.nodes[id.index()].what
    }

    fn seen(&mut self, tag: u32, at: usize) -> Result<NodeId, Error> {
        let id = self.tagged(tag, at)?;
        self.deliver(id);
        Ok(id)
    }

    fn tagged(&self, tag: u32, at: usize) -> Result<NodeId, Error> {
        match self.document.nodes.get(tag as usize) {
            Some(node) if !matches!(node.what, What::ElementUndef) => Ok(NodeId(tag)),
            _ => Err(Error::malformed(
                at,
                format!(
                    "expected the tag of a node so far, below {}, found {tag}",
                    self.document.nodes.len()
                ),
            )),
        }
    }

    fn class(&mut self, class: Class, at: usize) -> Result<ClassId, Error> {
        let classes = &mut self.document.classes;
        match class {
            Class::Index(index) if (index as usize) < classes.len() => Ok(ClassId(index as u16)),
            Class::Index(index) => Err(Error::malformed(
                at,
                format!(
                    "expected a class so far, below {}, found {index}",
                    classes.len()
                ),
            )),
            Class::New(_) if classes.len() >= self.document.limits.classes => Err(Error::limit(
                at,
                format!("more than {} classes", self.document.limits.classes),
            )),
            Class::New(name) => {
                classes.push(name);
                Ok(ClassId((classes.len() - 1) as u16))
            }
        }
    }

    fn array(&mut self, len: u32, class: ClassId, at: usize) -> Result<NodeId, Error> {
        self.announce(len, ITEM, at)?;
        let start = self.document.items.len() as u32;
        let what = What::Array(Span { start, len });
        if len == 0 {
            return self.add(what, class, at);
        }
        let end = start + len;
        let id = self.open(what, class, at, |_| Open::Array { next: start, end })?;
        make_room(&mut self.document.items, len, self.reader.remaining());
        self.document.items.resize(end as usize, UNSET);
        Ok(id)
    }

    fn hash(
        &mut self,
        len: u32,
        flags: Option<u8>,
        class: ClassId,
        at: usize,
    ) -> Result<NodeId, Error> {
        self.announce(len, ENTRY, at)?;
        let start = self.document.entries.len() as u32;
        let flagged = flags.is_some();
        let what = What::Hash {
            entries: Span { start, len },
            room: 0,
            restricted: flags == Some(RESTRICTED),
            flagged,
        };
        if len == 0 {
            return self.add(what, class, at);
        }
        let end = start + len;
        let id = self.open(what, class, at, |_| Open::Hash {
            next: start,
            end,
            flagged,
        })?;
        let entry = Entry {
            key: Key {
                name: Span::default(),
                flags: 0,
            },
            value: UNSET,
        };
        make_room(&mut self.document.entries, len, self.reader.remaining());
        self.document.entries.resize(end as usize, entry);
        Ok(id)
    }

    /// Believes a count only if the bytes that are left suffice for it and for everything that was
    /// announced before.
    fn announce(&mut self, count: u32, each: usize, at: usize) -> Result<(), Error> {
        // One byte of what is owed may be the marker of this very item, which is read already.
        let owed = self.owed.saturating_sub(ITEM);
        let left = self.reader.remaining().saturating_sub(owed);
        match (count as usize).checked_mul(each) {
            Some(needed) if needed <= left => {
                self.owed += needed;
                Ok(())
            }
            _ => Err(Error::malformed(
                at,
                format!("{count} items are announced, but {left} bytes are left for them"),
            )),
        }
    }

    fn version(&mut self, magic: Span) -> Result<What, Error> {
        let at = self.reader.at();
        let (text, utf8) = self.string(at)?;
        Ok(self.rare(Rare::Version { magic, text, utf8 }))
    }

    fn code(&mut self, class: ClassId, at: usize) -> Result<NodeId, Error> {
        let text = NodeId(self.document.nodes.len() as u32 + 1);
        let id = self.add(What::Code { text }, class, at)?;
        let at = self.reader.at();
        let source = match self.string(at)? {
            (span, true) => What::Utf8(span),
            (span, false) => What::Bytes(span),
        };
        self.tag(source, ClassId::NONE, at)?;
        Ok(id)
    }

    fn string(&mut self, at: usize) -> Result<(Span, bool), Error> {
        match self.reader.item()? {
            Item::Bytes(span) => Ok((span, false)),
            Item::Utf8(span) => Ok((span, true)),
            _ => Err(Error::malformed(at, "expected a string")),
        }
    }

    fn rare(&mut self, rare: Rare) -> What {
        self.document.rares.push(rare);
        What::Rare((self.document.rares.len() - 1) as u32)
    }
}

/// Room for `more`. Grows by doubling, but never beyond what the bytes that are left can fill: each
/// element takes one at least.
#[inline]
fn make_room<T>(elements: &mut Vec<T>, more: u32, left: usize) {
    if elements.capacity() - elements.len() < more as usize {
        elements.reserve_exact(elements.len().min(left).max(more as usize));
    }
}
