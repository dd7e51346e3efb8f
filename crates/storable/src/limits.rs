//! How much of an input is believed: bounds that are on by default.

/// Bounds on what is read and written.
///
/// Nothing in an input is trusted, its lengths least of all. Besides these bounds, a length that an
/// input declares is checked against the bytes that are left, counting what every open container
/// still has to get, before anything is allocated for it; so memory is bounded by a small multiple
/// of the input's size, whatever the input says.
///
/// Each bound has a ceiling; a larger value means the ceiling.
///
/// ```
/// # use storable::{Document, Limits};
/// let small = Limits { size: 64 * 1024, ..Limits::default() };
/// let document = Document::decode_with(b"\x05\x0b\x08\x82", small)?;
/// assert_eq!(document.root().to::<u8>()?, 2);
/// # Ok::<(), storable::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Size of the encoded form in bytes, read or written, and of all strings that one conversion to
    /// a Rust type may visit, shared ones counted each time. Default 1 MiB, at most 16 MiB.
    pub size: usize,
    /// How deep arrays, hashes, references and the like may stand in each other; a hash in a hash
    /// counts two, as Perl puts a reference between. Default 128, at most 250: Perl's own Storable
    /// stops writing hashes that stand deeper than 256.
    pub depth: usize,
    /// Number of nodes (scalars, references, containers) in a document, and number of values that
    /// one conversion to a Rust type may visit, shared ones counted each time. Default 100 000, at
    /// most 1 000 000.
    pub nodes: usize,
    /// Number of class names that a document may define. Default 64, at most 65 535.
    pub classes: usize,
}

impl Limits {
    /// The longest class name, in bytes. A class name is a letter or `_`, then letters, digits,
    /// `_` and `:`.
    pub const CLASS_NAME: usize = 255;

    pub(crate) const CEILING: Self = Self {
        size: 16 << 20,
        depth: 250,
        nodes: 1_000_000,
        classes: 65_535,
    };

    pub(crate) fn under_ceiling(self) -> Self {
        Self {
            size: self.size.min(Self::CEILING.size),
            depth: self.depth.min(Self::CEILING.depth),
            nodes: self.nodes.min(Self::CEILING.nodes),
            classes: self.classes.min(Self::CEILING.classes),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            size: 1 << 20,
            depth: 128,
            nodes: 100_000,
            classes: 64,
        }
    }
}
