//! Nodes to items: tags and classes are numbered anew, in the order in which they are written, so
//! that it does not matter which part of a document has gone or moved.

use crate::document::{Document, NodeId, Rare, What};
use crate::error::Error;
use crate::limits::Limits;
use crate::wire::{Class, HookTail, Item, RESTRICTED, Shape, Span, Tied, Writer};

pub(crate) fn document(document: &Document) -> Result<Vec<u8>, Error> {
    let capacity = document.text.len() + document.nodes.len() + 16;
    let mut encoder = Encoder {
        writer: Writer::new(&document.header, &document.text, capacity),
        limits: document.limits,
        document,
        tags: vec![0; document.nodes.len()],
        next_tag: 0,
        classes: vec![0; document.classes.len()],
        next_class: 0,
        open: Vec::new(),
    };
    encoder.run(Some(document.root))?;
    encoder.finish()
}

/// What `base` was read from, where the number of keys of its root stands at `count`, and behind that
/// the entries `added` of another document's hash.
pub(crate) fn behind(
    base: &Document,
    count: usize,
    more: &Document,
    added: Span,
) -> Result<Vec<u8>, Error> {
    let What::Hash {
        entries, flagged, ..
    } = base.nodes[base.root.index()].what
    else {
        unreachable!("the root is a hash")
    };
    let mut out = Vec::with_capacity(base.text.len() + more.text.len() + 16 * more.nodes.len());
    out.extend_from_slice(&base.text);
    let mut encoder = Encoder {
        writer: Writer::behind(out, &base.header, &more.text),
        limits: base.limits,
        tags: vec![0; more.nodes.len()],
        next_tag: base.nodes.len() as u32,
        classes: vec![0; more.classes.len()],
        next_class: base.classes.len() as u32,
        open: Vec::new(),
        document: more,
    };
    encoder.writer.n32_at(count, entries.len + added.len);
    let (next, end) = (added.range().start, added.range().end);
    if let Some(first) = more.entries[added.range()].first() {
        let first = encoder.open(Open::Hash { next, end, flagged }, first.value)?;
        encoder.run(first)?;
    }
    encoder.finish()
}

struct Encoder<'a> {
    document: &'a Document,
    writer: Writer<'a>,
    limits: Limits,
    /// One more than the tag of each node that has one.
    tags: Vec<u32>,
    next_tag: u32,
    /// One more than the index of each class that has one.
    classes: Vec<u32>,
    next_class: u32,
    /// What has begun and has more items, the innermost last.
    open: Vec<Open>,
}

/// Something that has begun, and which of its items is written now.
enum Open {
    Array {
        next: usize,
        end: usize,
    },
    Hash {
        next: usize,
        end: usize,
        flagged: bool,
    },
    Reference,
    Tied {
        tied: Tied,
        place: u32,
    },
    Hook(HookOpen),
}

#[derive(Clone, Copy)]
struct HookOpen {
    id: NodeId,
    shape: Shape,
    frozen: Span,
    list: Span,
    object: NodeId,
    /// How much of the list is known to be written.
    written: usize,
}

impl Encoder<'_> {
    fn run(&mut self, mut next: Option<NodeId>) -> Result<(), Error> {
        while let Some(id) = next {
            next = match self.node(id)? {
                Some(child) => Some(child),
                None => self.close(),
            };
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<u8>, Error> {
        let (len, most) = (self.writer.len(), self.limits.size);
        if len > most {
            return Err(Error::limit(None, format!("{len} bytes, more than {most}")));
        }
        Ok(self.writer.finish())
    }

    /// Writes one item; the first node inside it, if there is one.
    fn node(&mut self, id: NodeId) -> Result<Option<NodeId>, Error> {
        let stored = self.document.nodes[id.index()];
        // There is only one immortal undef, and yet Perl numbers it each time.
        let immortal = matches!(stored.what, What::ImmortalUndef | What::ElementUndef);
        if let Some(tag) = self.tags[id.index()].checked_sub(1)
            && !immortal
        {
            self.writer.item(Item::Seen(tag));
            return Ok(None);
        }
        self.tag(id);
        if let Some(hook) = self.as_hook(id, stored.what) {
            return self.hook(hook);
        }
        if let Some(class) = stored.class.index() {
            let class = self.class(class);
            self.writer.item(Item::Bless(class));
        }
        match stored.what {
            What::Reference {
                to,
                weak,
                overloaded,
            } => {
                self.writer.item(Item::Reference { weak, overloaded });
                self.open(Open::Reference, to)
            }
            What::Array(items) => self.array(items),
            What::Hash {
                entries,
                restricted,
                flagged,
                ..
            } => self.hash(entries, restricted, flagged),
            What::Tied {
                tied,
                object,
                place,
            } => {
                self.writer.item(Item::Tied(tied));
                self.open(Open::Tied { tied, place }, object)
            }
            leaf => {
                let item = self.leaf(leaf);
                self.writer.item(item);
                Ok(None)
            }
        }
    }

    /// The item of what has no nodes inside, after what stands before it.
    fn leaf(&mut self, what: What) -> Item {
        match what {
            What::Undef => Item::Undef,
            What::ImmortalUndef => Item::ImmortalUndef,
            What::ElementUndef => Item::ElementUndef,
            What::Yes => Item::Yes,
            What::No => Item::No,
            What::True => Item::True,
            What::False => Item::False,
            What::Integer(number) => Item::Integer(number.integer()),
            What::Double(number) => Item::Double(number.double()),
            What::Bytes(span) => Item::Bytes(span),
            What::Utf8(span) => Item::Utf8(span),
            What::Code { text } => {
                self.writer.item(Item::Code);
                self.tag(text);
                self.leaf(self.document.nodes[text.index()].what)
            }
            What::Rare(rare) => match self.document.rares[rare as usize] {
                Rare::Version { magic, text, utf8 } => {
                    self.writer.item(Item::Version(magic));
                    match utf8 {
                        true => Item::Utf8(text),
                        false => Item::Bytes(text),
                    }
                }
                Rare::Regexp { pattern, modifiers } => Item::Regexp { pattern, modifiers },
                Rare::Hook { .. } => unreachable!("hooks are written by `hook`"),
            },
            What::Reference { .. } | What::Array(_) | What::Hash { .. } | What::Tied { .. } => {
                unreachable!("what has nodes inside is written by `node`")
            }
        }
    }

    fn as_hook(&self, id: NodeId, what: What) -> Option<HookOpen> {
        let What::Rare(rare) = what else { return None };
        match self.document.rares[rare as usize] {
            Rare::Hook {
                shape,
                frozen,
                list,
                object,
            } => Some(HookOpen {
                id,
                shape,
                frozen,
                list,
                object,
                written: 0,
            }),
            Rare::Version { .. } | Rare::Regexp { .. } => None,
        }
    }

    /// What comes after an item that is whole; closes what is complete with it.
    fn close(&mut self) -> Option<NodeId> {
        loop {
            match self.open.last_mut()? {
                Open::Array { next, end } => {
                    *next += 1;
                    if next < end {
                        return Some(self.document.items[*next]);
                    }
                }
                Open::Hash { next, end, flagged } => {
                    self.writer.key(self.document.entries[*next].key, *flagged);
                    *next += 1;
                    if next < end {
                        return Some(self.document.entries[*next].value);
                    }
                }
                Open::Reference => {}
                Open::Tied { tied, place } => {
                    let (tied, place) = (*tied, *place);
                    match tied {
                        Tied::Key => {
                            self.open.pop();
                            self.open.push(Open::Reference);
                            return Some(NodeId(place));
                        }
                        Tied::Index => self.writer.n32(place),
                        Tied::Array | Tied::Hash | Tied::Scalar => {}
                    }
                }
                Open::Hook(hook) => {
                    if let Some(next) = untagged(hook, self.document, &self.tags) {
                        self.writer.hook_recurse(hook.shape, false);
                        return Some(next);
                    }
                    let hook = *hook;
                    self.open.pop();
                    match self.hook_tail(hook, false) {
                        Some(object) => return Some(object),
                        None => continue,
                    }
                }
            }
            self.open.pop();
        }
    }

    fn open(&mut self, open: Open, first: NodeId) -> Result<Option<NodeId>, Error> {
        if self.open.len() >= self.limits.depth {
            return Err(Error::limit(
                None,
                format!("nested deeper than {} levels", self.limits.depth),
            ));
        }
        self.open.push(open);
        Ok(Some(first))
    }

    fn tag(&mut self, id: NodeId) {
        self.next_tag += 1;
        // The first one counts: a later one is of a node that is written anew each time.
        let tag = &mut self.tags[id.index()];
        if *tag == 0 {
            *tag = self.next_tag;
        }
    }

    fn class(&mut self, class: usize) -> Class {
        match self.classes[class].checked_sub(1) {
            Some(index) => Class::Index(index),
            None => {
                self.next_class += 1;
                self.classes[class] = self.next_class;
                Class::New(self.document.classes[class])
            }
        }
    }

    fn array(&mut self, items: Span) -> Result<Option<NodeId>, Error> {
        self.writer.item(Item::Array { len: items.len });
        let (next, end) = (items.range().start, items.range().end);
        match self.document.items[items.range()].first() {
            Some(first) => self.open(Open::Array { next, end }, *first),
            None => Ok(None),
        }
    }

    fn hash(
        &mut self,
        entries: Span,
        restricted: bool,
        flagged: bool,
    ) -> Result<Option<NodeId>, Error> {
        let flags = if restricted { RESTRICTED } else { 0 };
        self.writer.item(Item::Hash {
            len: entries.len,
            flags: flagged.then_some(flags),
        });
        let (next, end) = (entries.range().start, entries.range().end);
        match self.document.entries[entries.range()].first() {
            Some(first) => self.open(Open::Hash { next, end, flagged }, first.value),
            None => Ok(None),
        }
    }

    fn hook(&mut self, mut hook: HookOpen) -> Result<Option<NodeId>, Error> {
        self.writer.item(Item::Hook { wide: false });
        match untagged(&mut hook, self.document, &self.tags) {
            Some(first) => {
                self.writer.hook_recurse(hook.shape, true);
                self.open(Open::Hook(hook), first)
            }
            None => Ok(self.hook_tail(hook, true)),
        }
    }

    /// The rest of a hook; the object that a tied shape ends with.
    fn hook_tail(&mut self, hook: HookOpen, first: bool) -> Option<NodeId> {
        let class = self.document.nodes[hook.id.index()]
            .class
            .index()
            .expect("a hook has a class");
        let tail = HookTail {
            class: self.class(class),
            frozen: hook.frozen,
            list: hook.list.len,
            wide_tags: false,
        };
        let items = &self.document.items[hook.list.range()];
        let tags = items.iter().map(|id| self.tags[id.index()] - 1);
        self.writer.hook_tail(hook.shape, first, tail, tags);
        hook.shape.is_tied().then(|| {
            self.open.push(Open::Reference);
            hook.object
        })
    }
}

/// The first node of a hook's list that is not written yet.
fn untagged(hook: &mut HookOpen, document: &Document, tags: &[u32]) -> Option<NodeId> {
    let left = &document.items[hook.list.range()][hook.written..];
    let at = left.iter().position(|id| tags[id.index()] == 0)?;
    hook.written += at;
    Some(left[at])
}
