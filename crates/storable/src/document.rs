//! The document: everything that a frozen structure says, as nodes in one place.
//!
//! Nodes point at each other by number, text lies in one buffer, so that sharing and cycles cost
//! nothing, a document of any depth is dropped without recursion, and a scalar costs no allocation.

mod adding;
mod change;
mod graft;
mod take;
mod tied;

use std::fmt;

use serde::Serialize;

use crate::decode;
use crate::encode;
use crate::error::Error;
use crate::header::Header;
use crate::limits::Limits;
use crate::node::Node;
use crate::ser;
use crate::wire::{self, Key, Shape, Span, Tied};

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
    /// Whether the text is the whole of what the document says.
    pub(crate) as_read: bool,
}

/// Number of a node within its document. It stays the node's as long as the document lives; in
/// another document it is another node's, or nobody's.
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
    /// A part of `entries`. `flagged` when the hash or one of its keys has flags; `room`: the part
    /// has room for 2 to the power of this many entries, if that is more than it has.
    Hash {
        entries: Span,
        room: u8,
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
        Self::of_with(value, Limits::default())
    }

    /// As [`of`](Self::of), within limits of your own, which the document keeps.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub fn of_with<T: Serialize + ?Sized>(value: &T, limits: Limits) -> Result<Self, Error> {
        let mut document = Self::empty(Header::native(), limits.under_ceiling(), 0);
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
            as_read: false,
        }
    }

    /// The number of nodes, those included that nothing refers to since they were replaced.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Drops what nothing refers to any more. **The numbers of nodes change.**
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode); then the document is as it was.
    pub fn compact(&mut self) -> Result<(), Error> {
        *self = Self::decode_with(&self.encode()?, self.limits)?;
        Ok(())
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

    /// From now on the document is written in this dialect. Its minor version is raised to what is
    /// in the document.
    ///
    /// In network order, doubles and large integers are written as text, as Perl does, and thaw as
    /// strings.
    ///
    /// # Errors
    ///
    /// For a version or a machine that is not read either: minors above 12, integers of other than
    /// 4 or 8 bytes.
    pub fn set_header(&mut self, mut header: Header) -> Result<(), Error> {
        let machine = header
            .native
            .is_none_or(|native| matches!(native.integer, 4 | 8));
        if header.minor > wire::NEWEST_MINOR || !machine {
            return Err(Error::value("a header that nobody reads"));
        }
        let boolean = |node: &Stored| matches!(node.what, What::True | What::False);
        self.as_read = false;
        header.minor = header.minor.max(match self.nodes.iter().any(boolean) {
            true => Header::BOOLEANS,
            false => Header::MADE,
        });
        self.header = header;
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
