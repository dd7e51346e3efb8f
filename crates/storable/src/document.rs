//! The document: everything that a frozen structure says, as nodes in one place.
//!
//! Nodes point at each other by number, text lies in one buffer, so that sharing and cycles cost
//! nothing, a document of any depth is dropped without recursion, and a scalar costs no allocation.

use std::fmt;

use serde::Serialize;

use crate::decode;
use crate::encode;
use crate::error::Error;
use crate::header::Header;
use crate::limits::Limits;
use crate::node::Node;
use crate::ser;
use crate::wire::{self, Key, Shape, Span, Tied, key};

/// A frozen structure, read and kept whole.
///
/// What is not changed is written so that Perl thaws the same: objects with their classes, what
/// classes have frozen by themselves, shared and cyclic references, weak ones, restricted hashes,
/// code, all of it inert. Nothing is executed and no class is looked up.
///
/// ```
/// use storable::Document;
///
/// // perl -MStorable=nfreeze -e 'print nfreeze({visits => 41})'
/// let frozen = b"\x05\x0b\x03\x00\x00\x00\x01\x08\xa9\x00\x00\x00\x06visits";
/// let mut document = Document::decode(frozen)?;
///
/// let root = document.root().id();
/// let visits: u32 = document.root().get("visits").unwrap().to()?;
/// document.insert(root, "visits", &(visits + 1))?;
/// document.insert(root, "seen", &["/", "/cart"])?;
/// document.remove(root, "no such key")?;
///
/// let thawed = Document::decode(&document.encode()?)?;
/// assert_eq!(thawed.root().get("visits").unwrap().to::<u32>()?, 42);
/// assert_eq!(thawed.root().get("seen").unwrap().to::<Vec<String>>()?, ["/", "/cart"]);
/// # Ok::<(), storable::Error>(())
/// ```
#[derive(Clone)]
pub struct Document {
    pub(crate) header: Header,
    pub(crate) limits: Limits,
    /// The input, then whatever was added.
    pub(crate) text: Vec<u8>,
    /// In a document that was read, a node's number is its tag.
    pub(crate) nodes: Vec<Stored>,
    /// What arrays and the lists of hooks refer to.
    pub(crate) items: Vec<NodeId>,
    /// What hashes refer to.
    pub(crate) entries: Vec<Entry>,
    pub(crate) rares: Vec<Rare>,
    pub(crate) classes: Vec<Span>,
    pub(crate) root: NodeId,
}

/// Number of a node within its document. It stays the node's as long as the document lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A node, and the class it is blessed into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored {
    pub(crate) what: What,
    pub(crate) class: ClassId,
}

/// Number of a class name in the table of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClassId(pub(crate) u16);

impl ClassId {
    pub(crate) const NONE: Self = Self(u16::MAX);

    pub(crate) fn index(self) -> Option<usize> {
        (self != Self::NONE).then_some(usize::from(self.0))
    }
}

/// What a node is, in 12 bytes: documents have many nodes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    Undef,
    ImmortalUndef,
    ElementUndef,
    Yes,
    No,
    True,
    False,
    Integer(Word),
    Double(Word),
    Bytes(Span),
    Utf8(Span),
    Reference {
        to: NodeId,
        weak: bool,
        overloaded: bool,
    },
    /// A part of `items`.
    Array(Span),
    /// A part of `entries`. `flagged` when the hash or one of its keys has flags.
    Hash {
        entries: Span,
        restricted: bool,
        flagged: bool,
    },
    Tied {
        tied: Tied,
        object: NodeId,
        /// Number of a node, the key, or an index.
        place: u32,
    },
    Code {
        text: NodeId,
    },
    /// In `rares`.
    Rare(u32),
}

/// 64 bits that may stand anywhere, so that a node need not stand at a multiple of 8.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word([u8; 8]);

impl Word {
    pub(crate) fn of_integer(number: i64) -> Self {
        Self(number.to_ne_bytes())
    }

    pub(crate) fn of_double(number: f64) -> Self {
        Self(number.to_ne_bytes())
    }

    pub(crate) fn integer(self) -> i64 {
        i64::from_ne_bytes(self.0)
    }

    pub(crate) fn double(self) -> f64 {
        f64::from_ne_bytes(self.0)
    }
}

const _: () = assert!(size_of::<Stored>() == 16);

/// One key of a hash and its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) value: NodeId,
}

/// What is too large for every node to have room for it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rare {
    Version {
        magic: Span,
        text: Span,
        utf8: bool,
    },
    Regexp {
        pattern: Span,
        modifiers: Span,
    },
    Hook {
        shape: Shape,
        frozen: Span,
        /// A part of `items`.
        list: Span,
        /// What it is tied to, when the shape is tied.
        object: NodeId,
    },
}

impl Document {
    /// Reads what `freeze`, `nfreeze`, `store` or `nstore` have written, within the default
    /// [`Limits`].
    ///
    /// # Errors
    ///
    /// When the bytes are no whole document of Storable's, of a version or machine that is not
    /// read, or over a limit; see [`Error`].
    pub fn decode(input: &[u8]) -> Result<Self, Error> {
        Self::decode_with(input, Limits::default())
    }

    /// Reads within limits of your own. The document keeps them: [`encode`](Self::encode) and
    /// [`Node::to`] go by them, too.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    pub fn decode_with(input: &[u8], limits: Limits) -> Result<Self, Error> {
        decode::document(input, limits.under_ceiling())
    }

    /// A document of a Rust value, in native order; [`set_header`](Self::set_header) changes that.
    /// A struct or a map becomes a hash, as if Perl had said `freeze({…})`.
    ///
    /// # Errors
    ///
    /// When the value has no Perl form (see the tables in the [crate's documentation](crate)).
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        let mut document = Self::empty(Header::native(), Limits::default(), 0);
        document.root = ser::root(&mut document, value)?;
        Ok(document)
    }

    pub(crate) fn empty(header: Header, limits: Limits, capacity: usize) -> Self {
        Self {
            header,
            limits,
            text: Vec::new(),
            nodes: Vec::with_capacity(capacity),
            items: Vec::new(),
            entries: Vec::new(),
            rares: Vec::new(),
            classes: Vec::new(),
            root: NodeId(0),
        }
    }

    /// Writes the document, in the dialect of its [`header`](Self::header).
    ///
    /// # Errors
    ///
    /// When changes have made it larger or deeper than its limits allow.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        encode::document(self)
    }

    /// What the frozen reference refers to: for `freeze({…})` the hash.
    pub fn root(&self) -> Node<'_> {
        Node::new(self, self.root)
    }

    /// The node with this number.
    ///
    /// # Errors
    ///
    /// When the number is of another document, larger than this one.
    pub fn node(&self, id: NodeId) -> Result<Node<'_>, Error> {
        self.stored(id)?;
        Ok(Node::new(self, id))
    }

    /// Dialect and version.
    pub fn header(&self) -> Header {
        self.header
    }

    /// From now on the document is written in this dialect.
    ///
    /// In network order, doubles and large integers are written as text, as Perl does, and thaw as
    /// strings.
    pub fn set_header(&mut self, header: Header) {
        self.header = header;
    }

    /// Sets a key of a hash, or of the hash that a reference leads to. A key that was there keeps
    /// its flags.
    ///
    /// A key that is new is written as Perl writes a string of characters: as Latin-1 where it has
    /// room, with the flag that says so.
    ///
    /// # Errors
    ///
    /// When there is no hash, when the value has no Perl form, or over the limit of nodes. Then
    /// nothing has changed.
    pub fn insert<T>(&mut self, hash: NodeId, key: &str, value: &T) -> Result<(), Error>
    where
        T: Serialize + ?Sized,
    {
        let hash = self.hash_at(hash)?;
        let value = ser::value(self, value)?;
        match self.position(hash.entries, key) {
            Some(at) => {
                let entry = &mut self.entries[at];
                entry.value = value;
                entry.key.flags &= !key::PLACEHOLDER;
            }
            None => {
                let key = self.new_key(key)?;
                self.append(hash, Entry { key, value });
            }
        }
        Ok(())
    }

    /// Removes a key of a hash, or of the hash that a reference leads to; says whether it was
    /// there.
    ///
    /// # Errors
    ///
    /// When there is no hash.
    pub fn remove(&mut self, hash: NodeId, key: &str) -> Result<bool, Error> {
        let mut hash = self.hash_at(hash)?;
        let mut found = false;
        // More than once only in a damaged input that has a key twice: Perl takes the last.
        while let Some(at) = self.position(hash.entries, key) {
            found |= self.entries[at].key.flags & key::PLACEHOLDER == 0;
            self.entries
                .copy_within(at + 1..hash.entries.range().end, at);
            hash.entries.len -= 1;
            self.nodes[hash.id.index()].what = hash.what();
        }
        Ok(found)
    }

    /// Blesses a node, or what a reference leads to, into a class. A label: whether Perl knows the
    /// class is seen when Perl thaws it.
    ///
    /// # Errors
    ///
    /// When the name is none (a letter or `_`, then letters, digits, `_`, `:`, at most 255), when
    /// the node can't have a class, or over the limit of classes.
    pub fn bless(&mut self, node: NodeId, class: &str) -> Result<(), Error> {
        if !wire::is_class_name(class.as_bytes()) || class.len() > Limits::CLASS_NAME {
            return Err(Error::value("this is no name of a class"));
        }
        let id = self.referent(node)?;
        if !self.stored(id)?.what.can_be_blessed() {
            return Err(Error::value("a constant of Perl's can't be blessed"));
        }
        let known = |name: &Span| name.of(&self.text) == class.as_bytes();
        let number = match self.classes.iter().position(known) {
            Some(number) => number,
            None if self.classes.len() >= self.limits.classes => {
                return Err(Error::limit(None, "too many classes in one document"));
            }
            None => {
                let name = self.add_text(class.as_bytes())?;
                self.classes.push(name);
                self.classes.len() - 1
            }
        };
        self.nodes[id.index()].class = ClassId(number as u16);
        Ok(())
    }

    pub(crate) fn stored(&self, id: NodeId) -> Result<Stored, Error> {
        self.nodes
            .get(id.index())
            .copied()
            .ok_or_else(|| Error::value("there is no such node in this document"))
    }

    /// Where references lead, followed to the end.
    pub(crate) fn referent(&self, mut id: NodeId) -> Result<NodeId, Error> {
        for _ in 0..=self.limits.depth {
            match self.stored(id)?.what {
                What::Reference { to, .. } => id = to,
                _ => return Ok(id),
            }
        }
        Err(Error::value("a reference that leads to itself"))
    }

    pub(crate) fn push(&mut self, what: What) -> Result<NodeId, Error> {
        if self.nodes.len() >= self.limits.nodes {
            return Err(Error::limit(None, "too many nodes in one document"));
        }
        let id = NodeId(self.nodes.len() as u32);
        let class = ClassId::NONE;
        self.nodes.push(Stored { what, class });
        Ok(id)
    }

    pub(crate) fn add_text(&mut self, text: &[u8]) -> Result<Span, Error> {
        let start = self.text.len();
        if start + text.len() > u32::MAX as usize {
            return Err(Error::limit(None, "too much text in one document"));
        }
        self.text.extend_from_slice(text);
        Ok(Span {
            start: start as u32,
            len: text.len() as u32,
        })
    }

    pub(crate) fn new_key(&mut self, name: &str) -> Result<Key, Error> {
        let latin: Option<Vec<u8>> = name.chars().map(|c| u8::try_from(c).ok()).collect();
        let (bytes, flags) = match &latin {
            _ if name.is_ascii() => (name.as_bytes(), 0),
            Some(latin) => (latin.as_slice(), key::WAS_UTF8),
            None => (name.as_bytes(), key::UTF8),
        };
        let name = self.add_text(bytes)?;
        Ok(Key { name, flags })
    }

    /// Where the last entry with this name is: with a name twice, the one that Perl takes.
    pub(crate) fn position(&self, entries: Span, name: &str) -> Option<usize> {
        let range = entries.range();
        self.entries[range.clone()]
            .iter()
            .rposition(|entry| entry.key.is(name, &self.text))
            .map(|at| range.start + at)
    }

    fn hash_at(&self, id: NodeId) -> Result<HashAt, Error> {
        let id = self.referent(id)?;
        match self.stored(id)?.what {
            What::Hash {
                entries,
                restricted,
                flagged,
            } => Ok(HashAt {
                id,
                entries,
                restricted,
                flagged,
            }),
            _ => Err(Error::value("expected a hash here")),
        }
    }

    /// Adds an entry; a hash that has no room behind it moves to the end first.
    fn append(&mut self, mut hash: HashAt, entry: Entry) {
        if hash.entries.range().end != self.entries.len() {
            let start = self.entries.len() as u32;
            self.entries.extend_from_within(hash.entries.range());
            hash.entries.start = start;
        }
        self.entries.push(entry);
        hash.entries.len += 1;
        hash.flagged |= entry.key.flags != 0;
        self.nodes[hash.id.index()].what = hash.what();
    }
}

/// A hash, taken out of its node to be changed.
struct HashAt {
    id: NodeId,
    entries: Span,
    restricted: bool,
    flagged: bool,
}

impl HashAt {
    fn what(&self) -> What {
        What::Hash {
            entries: self.entries,
            restricted: self.restricted,
            flagged: self.flagged,
        }
    }
}

impl What {
    /// Everything but the values that Perl has only one of.
    pub(crate) fn can_be_blessed(self) -> bool {
        !matches!(
            self,
            Self::ImmortalUndef | Self::ElementUndef | Self::Yes | Self::No
        )
    }
}

/// Shape only: values of a document may be secrets.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("header", &self.header)
            .field("nodes", &self.nodes.len())
            .field("root", &self.root())
            .finish_non_exhaustive()
    }
}
