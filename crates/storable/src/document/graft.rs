//! Parts of one document as parts of another: what they lead to comes along, and nothing else.

use std::collections::HashMap;

use super::{ClassId, Document, Entry, NodeId, Rare, Stored, What};
use crate::error::Error;
use crate::wire::{Span, Tied};

/// Adds what `other` holds as a value that can stand in a hash or an array.
pub(super) fn value(document: &mut Document, other: &Document) -> Result<NodeId, Error> {
    let mut graft = Graft::new(document, other);
    let root = graft.node(other.root)?;
    graft.finish()?;
    match other.root().is_container() {
        true => document.push(What::Reference {
            to: root,
            weak: false,
            overloaded: false,
        }),
        false => Ok(root),
    }
}

/// Adds what entries of a hash of `other` hold: keys, values, and what those share. What refers to
/// that hash will refer to `hash`. Says which entries of this document that makes.
pub(super) fn entries(
    document: &mut Document,
    hash: NodeId,
    other: &Document,
    other_hash: NodeId,
    entries: impl IntoIterator<Item = Entry>,
) -> Result<Vec<Entry>, Error> {
    let mut graft = Graft::new(document, other);
    graft.met[other_hash.index()] = Some(hash);
    graft.replaced = Some(other_hash);
    let entries = entries.into_iter().map(|entry| graft.entry(entry));
    let entries = entries.collect::<Result<_, _>>()?;
    graft.finish()?;
    Ok(entries)
}

struct Graft<'a> {
    to: &'a mut Document,
    from: &'a Document,
    /// The new number of each node that was met.
    met: Vec<Option<NodeId>>,
    /// The old numbers of those that have nothing but the new one yet.
    left: Vec<NodeId>,
    /// What a node of the document has taken the place of.
    replaced: Option<NodeId>,
    /// The numbers that the names of its classes have, those that the document knows so far.
    classes: HashMap<&'a [u8], ClassId>,
}

impl<'a> Graft<'a> {
    fn new(to: &'a mut Document, from: &'a Document) -> Self {
        let known = to.classes.iter().map(|name| name.of(&to.text));
        let known: HashMap<_, _> = known.zip((0..).map(ClassId)).collect();
        let names = from.classes.iter().map(|name| name.of(&from.text));
        let classes = names
            .filter_map(|name| Some((name, *known.get(name)?)))
            .collect();
        Self {
            to,
            from,
            met: vec![None; from.nodes.len()],
            left: Vec::new(),
            replaced: None,
            classes,
        }
    }

    fn node(&mut self, old: NodeId) -> Result<NodeId, Error> {
        if let Some(new) = self.met[old.index()] {
            return Ok(new);
        }
        let new = self.to.push(What::Undef)?;
        self.met[old.index()] = Some(new);
        self.left.push(old);
        Ok(new)
    }

    /// Gives every node that has a number what it holds.
    fn finish(mut self) -> Result<(), Error> {
        while let Some(old) = self.left.pop() {
            let stored = self.from.nodes[old.index()];
            let what = self.what(stored.what)?;
            let class = self.class(stored.class)?;
            let new = self.node(old)?;
            self.to.nodes[new.index()] = Stored { what, class };
        }
        Ok(())
    }

    fn class(&mut self, class: ClassId) -> Result<ClassId, Error> {
        let Some(class) = class.index() else {
            return Ok(ClassId::NONE);
        };
        let name = self.from.classes[class].of(&self.from.text);
        if let Some(known) = self.classes.get(name) {
            return Ok(*known);
        }
        let new = self.to.new_class(name)?;
        self.classes.insert(name, new);
        Ok(new)
    }

    fn text(&mut self, span: Span) -> Result<Span, Error> {
        self.to.add_text(span.of(&self.from.text))
    }

    fn entry(&mut self, mut entry: Entry) -> Result<Entry, Error> {
        entry.key.name = self.text(entry.key.name)?;
        entry.value = self.node(entry.value)?;
        Ok(entry)
    }

    fn items(&mut self, items: Span) -> Result<Span, Error> {
        let start = self.to.items.len() as u32;
        for item in &self.from.items[items.range()] {
            let item = self.node(*item)?;
            self.to.items.push(item);
        }
        Ok(Span { start, ..items })
    }

    fn entries(&mut self, entries: Span) -> Result<Span, Error> {
        let start = self.to.entries.len() as u32;
        for entry in &self.from.entries[entries.range()] {
            let entry = self.entry(*entry)?;
            self.to.entries.push(entry);
        }
        Ok(Span { start, ..entries })
    }

    fn what(&mut self, what: What) -> Result<What, Error> {
        Ok(match what {
            What::Bytes(span) => What::Bytes(self.text(span)?),
            What::Utf8(span) => What::Utf8(self.text(span)?),
            What::Reference {
                to,
                weak,
                overloaded,
            } => What::Reference {
                to: self.node(to)?,
                weak,
                // Perl refuses the mark where the class is another, and does without.
                overloaded: overloaded && self.replaced != Some(to),
            },
            What::Array(items) => What::Array(self.items(items)?),
            What::Hash {
                entries,
                restricted,
                flagged,
                room: _,
            } => What::Hash {
                entries: self.entries(entries)?,
                room: 0,
                restricted,
                flagged,
            },
            What::Tied {
                tied,
                object,
                place,
            } => What::Tied {
                tied,
                object: self.node(object)?,
                place: match tied {
                    Tied::Key => self.node(NodeId(place))?.0,
                    _ => place,
                },
            },
            What::Code { text } => What::Code {
                text: self.node(text)?,
            },
            What::Rare(rare) => {
                let rare = self.rare(self.from.rares[rare as usize])?;
                self.to.rares.push(rare);
                What::Rare((self.to.rares.len() - 1) as u32)
            }
            plain => plain,
        })
    }

    fn rare(&mut self, rare: Rare) -> Result<Rare, Error> {
        Ok(match rare {
            Rare::Version { magic, text, utf8 } => Rare::Version {
                magic: self.text(magic)?,
                text: self.text(text)?,
                utf8,
            },
            Rare::Regexp { pattern, modifiers } => Rare::Regexp {
                pattern: self.text(pattern)?,
                modifiers: self.text(modifiers)?,
            },
            Rare::Hook {
                shape,
                frozen,
                list,
                object,
            } => Rare::Hook {
                shape,
                frozen: self.text(frozen)?,
                list: self.items(list)?,
                object: match shape.is_tied() {
                    true => self.node(object)?,
                    false => object,
                },
            },
        })
    }
}
