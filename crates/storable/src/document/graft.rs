//! All of one document as a part of another: every number moves by what was there before.

use super::{ClassId, Document, Entry, NodeId, Rare, Stored, What};
use crate::error::Error;
use crate::wire::{Span, Tied};

/// Adds what `other` holds as a value that can stand in a hash or an array.
pub(super) fn value(document: &mut Document, other: &Document) -> Result<NodeId, Error> {
    if document.nodes.len() + other.nodes.len() > document.limits.nodes {
        return Err(Error::limit(None, "too many nodes in one document"));
    }
    let text = document.add_text(&other.text)?;
    let shift = Shift {
        text: text.start,
        nodes: document.nodes.len() as u32,
        items: document.items.len() as u32,
        entries: document.entries.len() as u32,
        rares: document.rares.len() as u32,
    };
    let mut classes = Vec::with_capacity(other.classes.len());
    for name in &other.classes {
        classes.push(document.class_named(name.of(&other.text))?);
    }
    document.nodes.extend(other.nodes.iter().map(|node| {
        Stored {
            what: shift.what(node.what),
            class: node
                .class
                .index()
                .map_or(ClassId::NONE, |class| classes[class]),
        }
    }));
    document
        .items
        .extend(other.items.iter().map(|id| shift.node(*id)));
    document.entries.extend(other.entries.iter().map(|entry| {
        let mut key = entry.key;
        key.name = shift.text(key.name);
        let value = shift.node(entry.value);
        Entry { key, value }
    }));
    document
        .rares
        .extend(other.rares.iter().map(|rare| shift.rare(*rare)));
    let root = shift.node(other.root);
    match other.root().is_container() {
        true => document.push(What::Reference {
            to: root,
            weak: false,
            overloaded: false,
        }),
        false => Ok(root),
    }
}

/// By how much numbers move.
struct Shift {
    text: u32,
    nodes: u32,
    items: u32,
    entries: u32,
    rares: u32,
}

impl Shift {
    fn text(&self, span: Span) -> Span {
        by(self.text, span)
    }

    /// A number that is none stays so.
    fn node(&self, id: NodeId) -> NodeId {
        NodeId(id.0.saturating_add(self.nodes))
    }

    fn what(&self, what: What) -> What {
        match what {
            What::Bytes(span) => What::Bytes(self.text(span)),
            What::Utf8(span) => What::Utf8(self.text(span)),
            What::Reference {
                to,
                weak,
                overloaded,
            } => What::Reference {
                to: self.node(to),
                weak,
                overloaded,
            },
            What::Array(items) => What::Array(by(self.items, items)),
            What::Hash {
                entries,
                room,
                restricted,
                flagged,
            } => What::Hash {
                entries: by(self.entries, entries),
                room,
                restricted,
                flagged,
            },
            What::Tied {
                tied,
                object,
                place,
            } => What::Tied {
                tied,
                object: self.node(object),
                place: match tied {
                    Tied::Key => self.node(NodeId(place)).0,
                    _ => place,
                },
            },
            What::Code { text } => What::Code {
                text: self.node(text),
            },
            What::Rare(rare) => What::Rare(rare + self.rares),
            plain => plain,
        }
    }

    fn rare(&self, rare: Rare) -> Rare {
        match rare {
            Rare::Version { magic, text, utf8 } => Rare::Version {
                magic: self.text(magic),
                text: self.text(text),
                utf8,
            },
            Rare::Regexp { pattern, modifiers } => Rare::Regexp {
                pattern: self.text(pattern),
                modifiers: self.text(modifiers),
            },
            Rare::Hook {
                shape,
                frozen,
                list,
                object,
            } => Rare::Hook {
                shape,
                frozen: self.text(frozen),
                list: by(self.items, list),
                object: self.node(object),
            },
        }
    }
}

fn by(shift: u32, span: Span) -> Span {
    Span {
        start: span.start + shift,
        len: span.len,
    }
}
