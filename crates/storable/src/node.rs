//! Looking at a document: a node, what it is, and what it leads to.

mod containers;
mod same;
mod scalar;

use std::fmt;

use serde::Deserialize;

use crate::de;
use crate::document::{Document, NodeId, Rare, Stored, What};
use crate::error::Error;
use crate::wire::Tied;

pub use self::containers::{Array, Hash, Hook, KeyValue};

/// One node of a [`Document`]: a scalar, a reference, a container.
///
/// Where a hash or an array is asked for, references are followed: in Perl a value that is a hash
/// is a reference to one.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    document: &'d Document,
    id: NodeId,
}

/// What a node is. One kind for each thing that Storable can say.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Kind<'d> {
    /// A scalar that is undefined.
    Undef,
    /// Perl's one constant `undef`; in an array, an element that does not exist.
    Hole,
    /// Perl's constant `undef` as an element that exists.
    ElementUndef,
    /// Perl's constant for true, which is `1` and `"1"`.
    Yes,
    /// Perl's constant for false, which is `0` and `""`.
    No,
    /// A boolean, true (Perl 5.36 and later, stored by Storable 3.27 and later).
    True,
    /// A boolean, false.
    False,
    /// An integer. Integers beyond `i64` are strings, as Perl writes them.
    Integer(i64),
    /// A floating point number.
    Double(f64),
    /// A string without the UTF-8 flag.
    Bytes(&'d [u8]),
    /// A string with the UTF-8 flag: Perl's UTF-8, which also knows characters that Unicode does
    /// not.
    Utf8(&'d [u8]),
    /// A version string as `v5.36.0`.
    Version {
        /// How it stood in the source.
        magic: &'d [u8],
        /// The string that it is.
        text: &'d [u8],
        /// Whether the string has the UTF-8 flag.
        utf8: bool,
    },
    /// A reference.
    Reference {
        /// What it refers to.
        to: Node<'d>,
        /// Whether it does not keep that alive.
        weak: bool,
        /// Whether that is an object whose class overloads operators.
        overloaded: bool,
    },
    /// An array.
    Array(Array<'d>),
    /// A hash.
    Hash(Hash<'d>),
    /// Code, as source text. It is never run.
    Code(Node<'d>),
    /// A regular expression.
    Regexp {
        /// The pattern.
        pattern: &'d [u8],
        /// Its modifiers, as `msix`.
        modifiers: &'d [u8],
    },
    /// A variable tied to an object.
    Tied {
        /// What is tied.
        variable: Variable<'d>,
        /// The object it is tied to.
        object: Node<'d>,
    },
    /// An object that its class has frozen by a method of its own (`STORABLE_freeze`).
    Hook(Hook<'d>),
}

/// What is tied.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Variable<'d> {
    /// An array.
    Array,
    /// A hash.
    Hash,
    /// A scalar.
    Scalar,
    /// The element of a tied hash with this key.
    Key(Node<'d>),
    /// The element of a tied array with this index.
    Index(u32),
}

impl<'d> Node<'d> {
    pub(crate) fn new(document: &'d Document, id: NodeId) -> Self {
        Self { document, id }
    }

    /// The number of this node: two nodes with one number are the same variable of Perl's.
    pub fn id(self) -> NodeId {
        self.id
    }

    /// The class it is blessed into.
    pub fn class(self) -> Option<&'d str> {
        let class = self.document.classes[self.stored().class.index()?];
        Some(
            std::str::from_utf8(class.of(&self.document.text))
                .expect("names of classes are checked to be ASCII"),
        )
    }

    /// What it is.
    pub fn kind(self) -> Kind<'d> {
        let document = self.document;
        let text = &document.text;
        let node = |id| Node::new(document, id);
        match self.stored().what {
            What::Undef => Kind::Undef,
            What::ImmortalUndef => Kind::Hole,
            What::ElementUndef => Kind::ElementUndef,
            What::Yes => Kind::Yes,
            What::No => Kind::No,
            What::True => Kind::True,
            What::False => Kind::False,
            What::Integer(number) => Kind::Integer(number.integer()),
            What::Double(number) => Kind::Double(number.double()),
            What::Bytes(span) => Kind::Bytes(span.of(text)),
            What::Utf8(span) => Kind::Utf8(span.of(text)),
            What::Reference {
                to,
                weak,
                overloaded,
            } => Kind::Reference {
                to: node(to),
                weak,
                overloaded,
            },
            What::Array(items) => Kind::Array(Array {
                document,
                items: &document.items[items.range()],
            }),
            What::Hash {
                entries,
                restricted,
                ..
            } => Kind::Hash(Hash {
                document,
                entries: &document.entries[entries.range()],
                restricted,
            }),
            What::Tied {
                tied,
                object,
                place,
            } => Kind::Tied {
                variable: match tied {
                    Tied::Array => Variable::Array,
                    Tied::Hash => Variable::Hash,
                    Tied::Scalar => Variable::Scalar,
                    Tied::Key => Variable::Key(node(NodeId(place))),
                    Tied::Index => Variable::Index(place),
                },
                object: node(object),
            },
            What::Code { text } => Kind::Code(node(text)),
            What::Rare(rare) => self.rare(document.rares[rare as usize]),
        }
    }

    fn rare(self, rare: Rare) -> Kind<'d> {
        let document = self.document;
        let source = &document.text;
        match rare {
            Rare::Version { magic, text, utf8 } => Kind::Version {
                magic: magic.of(source),
                text: text.of(source),
                utf8,
            },
            Rare::Regexp { pattern, modifiers } => Kind::Regexp {
                pattern: pattern.of(source),
                modifiers: modifiers.of(source),
            },
            Rare::Hook {
                shape,
                frozen,
                list,
                object,
            } => Kind::Hook(Hook {
                document,
                list: &document.items[list.range()],
                frozen: frozen.of(source),
                shape,
                object,
            }),
        }
    }

    /// The node that this reference leads to in the end, or this node if it is none.
    ///
    /// # Errors
    ///
    /// When references lead back to themselves.
    pub fn referent(self) -> Result<Self, Error> {
        let id = self.document.referent(self.id)?;
        Ok(Self::new(self.document, id))
    }

    /// The value of a key, if this is a hash or leads to one.
    pub fn get(self, key: &str) -> Option<Node<'d>> {
        match self.referent().ok()?.kind() {
            Kind::Hash(hash) => hash.get(key),
            _ => None,
        }
    }

    /// The value as a Rust type, by the conversions in the [crate's documentation](crate).
    ///
    /// # Errors
    ///
    /// When it can't be that type, contains itself, or passes the limits of the document; the
    /// document is as it was.
    pub fn to<T: Deserialize<'d>>(self) -> Result<T, Error> {
        de::from_node(self)
    }

    /// Whether this value and another, most often of another document, are the same to a Perl
    /// program.
    ///
    /// These do not count: the order of keys; whether text, or a key, has the UTF-8 flag; whether a
    /// number is an integer, a double or the string that Perl prints for it (true is `1`, false is
    /// `""`); which of the ways of being undefined it is; keys that are only allowed in a restricted
    /// hash; and whether a reference is marked as overloaded, which follows from the class.
    ///
    /// All else does: classes, weak references, what is tied and to what, restricted hashes and the
    /// locks of their keys, what hooks have frozen, the text of code, of regular expressions and of
    /// version strings. So does sharing: one variable in two places is not two variables that are
    /// equal. A reference is not the same as what it refers to. Costs as much as the two hold.
    pub fn same(self, other: Node<'_>) -> bool {
        same::same(self, other)
    }

    pub(crate) fn document(self) -> &'d Document {
        self.document
    }

    pub(crate) fn stored(self) -> &'d Stored {
        &self.document.nodes[self.id.index()]
    }

    /// Whether it can only be referred to, and not stand in a hash or an array itself.
    pub(crate) fn is_container(self) -> bool {
        if self.class().is_some() {
            return true;
        }
        match self.kind() {
            Kind::Array(_) | Kind::Hash(_) | Kind::Code(_) | Kind::Regexp { .. } => true,
            Kind::Tied { variable, .. } => matches!(variable, Variable::Array | Variable::Hash),
            _ => false,
        }
    }

    /// The kind in a word or two, for messages.
    pub(crate) fn kind_name(self) -> &'static str {
        self.kind().name()
    }
}

impl Kind<'_> {
    /// Whether it is undefined, in whatever way.
    pub fn is_undef(&self) -> bool {
        matches!(self, Self::Undef | Self::Hole | Self::ElementUndef)
    }

    fn name(&self) -> &'static str {
        match self {
            Kind::Undef | Kind::Hole | Kind::ElementUndef => "undef",
            Kind::Yes | Kind::No | Kind::True | Kind::False => "a boolean",
            Kind::Integer(_) => "an integer",
            Kind::Double(_) => "a floating point number",
            Kind::Bytes(_) => "a byte string",
            Kind::Utf8(_) => "a string",
            Kind::Version { .. } => "a version string",
            Kind::Reference { .. } => "a reference",
            Kind::Array(_) => "an array",
            Kind::Hash(_) => "a hash",
            Kind::Code(_) => "code",
            Kind::Regexp { .. } => "a regular expression",
            Kind::Tied { .. } => "a tied variable",
            Kind::Hook(_) => "an object frozen by its class",
        }
    }
}

/// What it is and how long; not its value, which may be a secret.
impl fmt::Debug for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) | Self::Utf8(bytes) => {
                write!(f, "{} of {} bytes", self.name(), bytes.len())
            }
            Self::Array(array) => array.fmt(f),
            Self::Hash(hash) => hash.fmt(f),
            Self::Hook(hook) => hook.fmt(f),
            _ => f.write_str(self.name()),
        }
    }
}

/// Kind and class only: values of a document may be secrets.
impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class() {
            Some(class) => write!(f, "Node({}, blessed as {class})", self.kind_name()),
            None => write!(f, "Node({})", self.kind_name()),
        }
    }
}
