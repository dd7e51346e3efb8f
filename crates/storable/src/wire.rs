//! The format, one item at a time: header, markers, lengths. What items mean together is `decode`
//! and `encode`; serde and recursion are elsewhere. One file although it is long: it is the
//! specification, and reading and writing stand side by side.
//!
//! ```text
//! document := [ "pst0" ] header item
//!
//! header   := 05 minor                                       network order
//!           | 04 minor n byteorder[n] int long pointer [nv]  native; nv since minor 2
//!
//! item     := 00 tag                     a node seen before; 4 bytes, always big-endian
//!           | 05 | 14 | 31               undef, the immortal undef (a hole), the same as an element
//!           | 15 | 16 | 34 | 35          the immortal yes and no; true and false since minor 12
//!           | 08 n8 | 06 iv | 09 i32     integer: 128 more than it is, native, big-endian
//!           | 07 nv                      double
//!           | 10 n8 bytes | 01 n32 bytes byte string
//!           | 23 n8 bytes | 24 n32 bytes UTF-8 string
//!           | 04 | 20 | 27 | 28  item    reference: plain, overloaded, weak, both
//!           | 02 n32 item*               array
//!           | 03 n32 (item key)*         hash
//!           | 25 flags n32 (item flags key)*          hash with flags
//!           | 17 len name item           blessed into a new class
//!           | 18 index item              blessed into a class named before
//!           | 19 hook                    frozen by the class itself
//!           | 11 | 12 | 13  item         tied array, hash, scalar
//!           | 21 item item | 22 item n32 tied element of a hash, of an array
//!           | 26 string                  code, as source text; the text is a node of its own
//!           | 29 n8 bytes string | 30 n32 bytes string     version string; what it prints as
//!           | 32 flags n pattern n8 modifiers              regular expression
//!           | 33 marker n64 …            any of the above with a length of 8 bytes
//!
//! key      := n32 bytes
//! hook     := flags [extra] (item flags)* class n frozen [n tag*] [item]
//! ```
//!
//! `n32` and `n64` are in the order that the header names, `n8` is one byte, `n` is `n8` or `n32`
//! as a flag says, `len` and `index` are one byte or, after 0x80, an `n32`. Each item but 00, 17,
//! 18, 29 and 30 is a *node* and gets the next tag, counted from 0, when its marker is read.

use crate::error::Error;
use crate::header::{ByteOrder, Header, Native};
use crate::limits::Limits;

/// A part of the text that items are read from or written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl Span {
    pub(crate) fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start as usize..][..self.len as usize]
    }

    pub(crate) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..(self.start + self.len) as usize
    }
}

/// One item, without what is inside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Item {
    Seen(u32),
    Undef,
    ImmortalUndef,
    ElementUndef,
    Yes,
    No,
    True,
    False,
    Integer(i64),
    Double(f64),
    Bytes(Span),
    Utf8(Span),
    Reference {
        weak: bool,
        overloaded: bool,
    },
    Array {
        len: u32,
    },
    /// With `flags`, each key has flags, too.
    Hash {
        len: u32,
        flags: Option<u8>,
    },
    Bless(Class),
    /// Followed by `hook_flags` and the rest of a hook.
    Hook {
        wide: bool,
    },
    Tied(Tied),
    Code,
    Version(Span),
    Regexp {
        pattern: Span,
        modifiers: Span,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    New(Span),
    Index(u32),
}

/// What is tied: the item that follows is the object it is tied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tied {
    Array,
    Hash,
    Scalar,
    /// Followed by the key, an item as well.
    Key,
    /// Followed by the index, an `n32`.
    Index,
}

/// Key of a hash, with the flags `key::*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) name: Span,
    pub(crate) flags: u8,
}

/// Flags of a key.
pub(crate) mod key {
    /// The bytes of the key are UTF-8.
    pub(crate) const UTF8: u8 = 0x01;
    /// They are Latin-1 now, and were characters when the program stored them.
    pub(crate) const WAS_UTF8: u8 = 0x02;
    /// The value is read-only (in a restricted hash).
    pub(crate) const LOCKED: u8 = 0x04;
    /// The key is a scalar of its own. Only for hashes that Perl stores in another form anyway.
    pub(super) const SCALAR: u8 = 0x08;
    /// The key is allowed in the restricted hash, and not there.
    pub(crate) const PLACEHOLDER: u8 = 0x10;
}

/// The only flag of a hash: no keys may be added.
pub(crate) const RESTRICTED: u8 = 0x01;

/// Flags of a hook, as they stand in the input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HookFlags(u8);

impl HookFlags {
    const SHAPE: u8 = 0x03;
    const EXTRA: u8 = 0x03;
    const LARGE_CLASS: u8 = 0x04;
    const LARGE_FROZEN: u8 = 0x08;
    const LARGE_LIST: u8 = 0x10;
    const INDEX: u8 = 0x20;
    const RECURSE: u8 = 0x40;
    const LIST: u8 = 0x80;

    /// Another item follows first, one that the list will name, then flags again.
    pub(crate) fn recurse(self) -> bool {
        self.has(Self::RECURSE)
    }

    fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

/// What kind of thing a class has frozen; a tied one is followed by the object it is tied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Scalar = 0,
    Array = 1,
    Hash = 2,
    TiedScalar = 4,
    TiedArray = 5,
    TiedHash = 6,
}

impl Shape {
    pub(crate) fn is_tied(self) -> bool {
        matches!(self, Self::TiedScalar | Self::TiedArray | Self::TiedHash)
    }

    fn flags(self) -> u8 {
        if self.is_tied() {
            HookFlags::EXTRA
        } else {
            self as u8
        }
    }
}

/// What follows the last flags of a hook, but for the tags of its list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HookTail {
    pub(crate) class: Class,
    pub(crate) frozen: Span,
    pub(crate) list: u32,
    /// Whether the tags of the list have 8 bytes.
    pub(crate) wide_tags: bool,
}

const MAGIC: &[u8] = b"pst0";
const MAJOR: u8 = 2;
pub(crate) const NEWEST_MINOR: u8 = Header::BOOLEANS;
const LARGE: u8 = 0x80;

/// Reads items; each method that fails names the place and what was expected there.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    header: Header,
    order: ByteOrder,
}

impl<'a> Reader<'a> {
    /// Reads the header. The input is at most 16 MiB long, so that every place fits a `Span`.
    pub(crate) fn new(input: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Self {
            input,
            at: 0,
            header: Header::network(),
            order: ByteOrder::Big,
        };
        reader.header()?;
        Ok(reader)
    }

    fn header(&mut self) -> Result<(), Error> {
        if self.input.starts_with(MAGIC) {
            self.header.file = true;
            self.at = MAGIC.len();
        } else if self.input.starts_with(b"perl-store") {
            return Err(Error::unsupported(0, "a file of Storable before 0.7"));
        }
        let start = self.at;
        let [first] = self.take("the byte of version and byte order")?;
        match first >> 1 {
            MAJOR => {}
            0 | 1 => {
                return Err(Error::unsupported(
                    start,
                    "the format of Storable before 0.7, or not Storable's at all",
                ));
            }
            3 => return Err(Error::unsupported(start, "a major version newer than 2")),
            _ => return Err(Error::malformed(start, "expected a header of Storable")),
        }
        let [minor] = self.take("the minor version")?;
        if minor > NEWEST_MINOR {
            return Err(Error::unsupported(
                start + 1,
                format!("format 2.{minor}; the newest known is 2.{NEWEST_MINOR}"),
            ));
        }
        self.header.minor = minor;
        if first & 1 == 0 {
            let native = self.native(minor)?;
            self.order = native.order;
            self.header.native = Some(native);
        }
        Ok(())
    }

    fn native(&mut self, minor: u8) -> Result<Native, Error> {
        let start = self.at;
        let [len] = self.take("the length of the byte order")?;
        let (order, integer) = match self.bytes(usize::from(len), "the byte order")? {
            b"12345678" => (ByteOrder::Little, 8),
            b"87654321" => (ByteOrder::Big, 8),
            b"1234" => (ByteOrder::Little, 4),
            b"4321" => (ByteOrder::Big, 4),
            _ => return Err(Error::unsupported(start, "a byte order nobody uses today")),
        };
        let start = self.at;
        let [int, long, pointer] = self.take("the sizes of int, long and pointer")?;
        let double = match minor {
            0 | 1 => 8,
            _ => self.take::<1>("the size of a double")?[0],
        };
        if int != 4 || double != 8 {
            return Err(Error::unsupported(
                start,
                format!("ints of {int} and doubles of {double} bytes; 4 and 8 are read"),
            ));
        }
        Ok(Native {
            order,
            integer,
            long,
            pointer,
        })
    }

    pub(crate) fn parsed_header(&self) -> Header {
        self.header
    }

    /// Where the next byte is read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn remaining(&self) -> usize {
        self.input.len() - self.at
    }

    #[inline]
    pub(crate) fn item(&mut self) -> Result<Item, Error> {
        let start = self.at;
        let [marker] = self.take("an item")?;
        Ok(match marker {
            0 => Item::Seen(u32::from_be_bytes(self.take("the tag of a node")?)),
            1 => Item::Bytes(self.long_string()?),
            2 => Item::Array { len: self.n32()? },
            3 => Item::Hash {
                len: self.n32()?,
                flags: None,
            },
            4 => reference(false, false),
            5 => Item::Undef,
            6 => Item::Integer(self.native_integer(start)?),
            7 => Item::Double(self.native_double(start)?),
            8 => {
                let [byte] = self.take("a small integer")?;
                Item::Integer(i64::from(byte) - 128)
            }
            9 => {
                let bytes = self.take("an integer of 4 bytes")?;
                Item::Integer(i64::from(i32::from_be_bytes(bytes)))
            }
            10 => Item::Bytes(self.short_string()?),
            11 => Item::Tied(Tied::Array),
            12 => Item::Tied(Tied::Hash),
            13 => Item::Tied(Tied::Scalar),
            14 => Item::ImmortalUndef,
            15 => Item::Yes,
            16 => Item::No,
            17 => {
                let len = self.byte_or_n32()?;
                Item::Bless(self.class_name(len)?)
            }
            18 => Item::Bless(Class::Index(self.byte_or_n32()?)),
            19 => Item::Hook { wide: false },
            20 => reference(false, true),
            21 => Item::Tied(Tied::Key),
            22 => Item::Tied(Tied::Index),
            23 => Item::Utf8(self.short_string()?),
            24 => Item::Utf8(self.long_string()?),
            25 => self.flagged_hash()?,
            26 => Item::Code,
            27 => reference(true, false),
            28 => reference(true, true),
            29 => Item::Version(self.short_string()?),
            30 => Item::Version(self.long_string()?),
            31 => Item::ElementUndef,
            32 => self.regexp()?,
            33 => self.wide(start)?,
            34 => Item::True,
            35 => Item::False,
            _ => {
                return Err(Error::malformed(
                    start,
                    format!("expected a marker from 0 to 35, found {marker}"),
                ));
            }
        })
    }

    fn flagged_hash(&mut self) -> Result<Item, Error> {
        let start = self.at;
        let [flags] = self.take("the flags of a hash")?;
        if flags & !RESTRICTED != 0 {
            return Err(Error::malformed(
                start,
                format!("expected flags of a hash, 0 or 1, found {flags:#x}"),
            ));
        }
        let len = self.n32()?;
        Ok(Item::Hash {
            len,
            flags: Some(flags),
        })
    }

    fn regexp(&mut self) -> Result<Item, Error> {
        let start = self.at;
        let [flags] = self.take("the flags of a regular expression")?;
        let pattern = match flags {
            0 => self.short_string()?,
            1 => self.long_string()?,
            _ => {
                return Err(Error::malformed(
                    start,
                    format!("expected flags of a regular expression, 0 or 1, found {flags:#x}"),
                ));
            }
        };
        let modifiers = self.short_string()?;
        Ok(Item::Regexp { pattern, modifiers })
    }

    /// Perl writes these for what has more than 2^31 parts, which no limit here lets through; read
    /// all the same, as Perl reads short ones. Perl itself reads its large hashes with flags as if
    /// they had none.
    fn wide(&mut self, start: usize) -> Result<Item, Error> {
        let [marker] = self.take("the marker of a large item")?;
        if marker == 19 {
            return Ok(Item::Hook { wide: true });
        }
        if !matches!(marker, 0..=3 | 24) {
            return Err(Error::malformed(
                start,
                format!("expected a large item, marker 0 to 3, 19 or 24, found {marker}"),
            ));
        }
        let len = self.n64()?;
        Ok(match marker {
            0 => Item::Seen(len),
            1 => Item::Bytes(self.string(len)?),
            2 => Item::Array { len },
            3 => Item::Hash { len, flags: None },
            _ => Item::Utf8(self.string(len)?),
        })
    }

    fn native_integer(&mut self, start: usize) -> Result<i64, Error> {
        let expected = "a native integer";
        match self.header.native {
            Some(Native { integer: 8, .. }) => {
                let bytes = self.take(expected)?;
                Ok(match self.order {
                    ByteOrder::Little => i64::from_le_bytes(bytes),
                    ByteOrder::Big => i64::from_be_bytes(bytes),
                })
            }
            Some(_) => {
                let bytes = self.take(expected)?;
                Ok(i64::from(match self.order {
                    ByteOrder::Little => i32::from_le_bytes(bytes),
                    ByteOrder::Big => i32::from_be_bytes(bytes),
                }))
            }
            None => Err(native_in_network(start)),
        }
    }

    fn native_double(&mut self, start: usize) -> Result<f64, Error> {
        if self.header.native.is_none() {
            return Err(native_in_network(start));
        }
        let bytes = self.take("a double")?;
        Ok(match self.order {
            ByteOrder::Little => f64::from_le_bytes(bytes),
            ByteOrder::Big => f64::from_be_bytes(bytes),
        })
    }

    /// The key that follows a value.
    #[inline]
    pub(crate) fn key(&mut self, flagged: bool) -> Result<Key, Error> {
        let start = self.at;
        let flags = match flagged {
            true => self.take::<1>("the flags of a key")?[0],
            false => 0,
        };
        let known = key::UTF8 | key::WAS_UTF8 | key::LOCKED | key::PLACEHOLDER;
        let both = key::UTF8 | key::WAS_UTF8;
        if flags & !known != 0 || flags & both == both {
            return Err(Error::malformed(
                start,
                match flags & key::SCALAR {
                    0 => "expected flags of a key",
                    _ => "a key that is a scalar of its own is not read",
                },
            ));
        }
        let name = self.long_string()?;
        Ok(Key { name, flags })
    }

    /// What a hook begins with: its flags, and the kind of thing that was frozen.
    pub(crate) fn hook_head(&mut self) -> Result<(HookFlags, Shape), Error> {
        let flags = self.hook_flags()?;
        let shape = match flags.0 & HookFlags::SHAPE {
            0 => Shape::Scalar,
            1 => Shape::Array,
            2 => Shape::Hash,
            _ => match self.take("the kind of a tied object")? {
                [4] => Shape::TiedScalar,
                [5] => Shape::TiedArray,
                [6] => Shape::TiedHash,
                [other] => {
                    return Err(Error::malformed(
                        self.at - 1,
                        format!("expected the kind of a tied object, 4 to 6, found {other}"),
                    ));
                }
            },
        };
        Ok((flags, shape))
    }

    /// The flags after an item within a hook.
    pub(crate) fn hook_flags(&mut self) -> Result<HookFlags, Error> {
        Ok(HookFlags(self.take::<1>("the flags of a hook")?[0]))
    }

    /// Class and frozen string, after flags that are not `recurse`.
    pub(crate) fn hook_tail(&mut self, flags: HookFlags, wide: bool) -> Result<HookTail, Error> {
        let number = self.n(flags.has(HookFlags::LARGE_CLASS))?;
        let class = match flags.has(HookFlags::INDEX) {
            true => Class::Index(number),
            false => self.class_name(number)?,
        };
        let frozen = match wide {
            true => self.n64()?,
            false => self.n(flags.has(HookFlags::LARGE_FROZEN))?,
        };
        let frozen = self.string(frozen)?;
        let mut list = 0;
        let mut wide_tags = false;
        if flags.has(HookFlags::LIST) {
            list = self.n(flags.has(HookFlags::LARGE_LIST))?;
            // A negative length says that the tags are large.
            wide_tags = flags.has(HookFlags::LARGE_LIST) && list > i32::MAX as u32;
            if wide_tags {
                list = list.wrapping_neg();
            }
        }
        Ok(HookTail {
            class,
            frozen,
            list,
            wide_tags,
        })
    }

    /// One tag of the list at the end of a hook.
    pub(crate) fn hook_tag(&mut self, wide: bool) -> Result<u32, Error> {
        match wide {
            true => self.n64(),
            false => Ok(u32::from_be_bytes(self.take("a tag of a hook's list")?)),
        }
    }

    fn class_name(&mut self, len: u32) -> Result<Class, Error> {
        let start = self.at;
        if len as usize > Limits::CLASS_NAME {
            return Err(Error::limit(
                start,
                format!(
                    "a class name of {len} bytes, more than {}",
                    Limits::CLASS_NAME
                ),
            ));
        }
        let name = self.string(len)?;
        if !is_class_name(name.of(self.input)) {
            return Err(Error::malformed(start, "expected the name of a class"));
        }
        Ok(Class::New(name))
    }

    fn short_string(&mut self) -> Result<Span, Error> {
        let [len] = self.take("the length of a string")?;
        self.string(u32::from(len))
    }

    fn long_string(&mut self) -> Result<Span, Error> {
        let len = self.n32()?;
        self.string(len)
    }

    #[inline]
    fn string(&mut self, len: u32) -> Result<Span, Error> {
        let start = self.at as u32;
        self.bytes(len as usize, "the bytes of a string")?;
        Ok(Span { start, len })
    }

    fn n(&mut self, large: bool) -> Result<u32, Error> {
        match large {
            true => self.n32(),
            false => Ok(u32::from(self.take::<1>("a length")?[0])),
        }
    }

    fn byte_or_n32(&mut self) -> Result<u32, Error> {
        match self.take("a length or an index")? {
            [byte] if byte & LARGE == 0 => Ok(u32::from(byte)),
            _ => self.n32(),
        }
    }

    /// A length or an index. Those above 2^31 are refused where they are used: nothing is that
    /// long here.
    #[inline]
    pub(crate) fn n32(&mut self) -> Result<u32, Error> {
        let bytes = self.take("a length of 4 bytes")?;
        Ok(match self.order {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        })
    }

    fn n64(&mut self) -> Result<u32, Error> {
        let start = self.at;
        let bytes = self.take("a length of 8 bytes")?;
        let len = match self.order {
            ByteOrder::Little => u64::from_le_bytes(bytes),
            ByteOrder::Big => u64::from_be_bytes(bytes),
        };
        u32::try_from(len)
            .map_err(|_| Error::malformed(start, format!("length or tag {len} can't be true")))
    }

    #[inline]
    fn take<const N: usize>(&mut self, expected: &str) -> Result<[u8; N], Error> {
        match self.input[self.at..].first_chunk::<N>() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => Err(self.cut_short(expected, N)),
        }
    }

    #[inline]
    fn bytes(&mut self, len: usize, expected: &str) -> Result<&'a [u8], Error> {
        match self.input[self.at..].get(..len) {
            Some(bytes) => {
                self.at += len;
                Ok(bytes)
            }
            None => Err(self.cut_short(expected, len)),
        }
    }

    #[cold]
    fn cut_short(&self, expected: &str, len: usize) -> Error {
        let left = self.remaining();
        Error::malformed(
            self.at,
            format!("expected {expected} ({len} bytes), but {left} are left"),
        )
    }
}

fn reference(weak: bool, overloaded: bool) -> Item {
    Item::Reference { weak, overloaded }
}

fn native_in_network(at: usize) -> Error {
    Error::malformed(at, "a number of native order in network order")
}

/// A label, never looked up: letters, digits, `_` and `:`, not starting with a digit or `:`.
pub(crate) fn is_class_name(name: &[u8]) -> bool {
    matches!(name, [first, rest @ ..]
        if (first.is_ascii_alphabetic() || *first == b'_')
            && rest.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':')))
}

/// Writes items; of several forms it takes the one that Perl takes.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    text: &'a [u8],
    out: Vec<u8>,
    native: Option<Native>,
    order: ByteOrder,
}

impl<'a> Writer<'a> {
    /// Writes the header. `text` is what the spans of the items lie in.
    pub(crate) fn new(header: &Header, text: &'a [u8], capacity: usize) -> Self {
        let mut out = Vec::with_capacity(capacity);
        if header.file {
            out.extend_from_slice(MAGIC);
        }
        out.push(MAJOR << 1 | u8::from(header.native.is_none()));
        out.push(header.minor);
        if let Some(native) = header.native {
            let digits: &[u8] = match (native.order, native.integer) {
                (ByteOrder::Little, 8) => b"\x0812345678",
                (ByteOrder::Big, 8) => b"\x0887654321",
                (ByteOrder::Little, _) => b"\x041234",
                (ByteOrder::Big, _) => b"\x044321",
            };
            out.extend_from_slice(digits);
            out.extend_from_slice(&[4, native.long, native.pointer]);
            if header.minor >= 2 {
                out.push(8);
            }
        }
        Self::behind(out, header, text)
    }

    /// Goes on behind what is written already, with this header.
    pub(crate) fn behind(out: Vec<u8>, header: &Header, text: &'a [u8]) -> Self {
        Self {
            text,
            out,
            native: header.native,
            order: header.native.map_or(ByteOrder::Big, |native| native.order),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    #[inline]
    pub(crate) fn item(&mut self, item: Item) {
        match item {
            Item::Seen(tag) => {
                self.out.push(0);
                self.out.extend_from_slice(&tag.to_be_bytes());
            }
            Item::Undef => self.out.push(5),
            Item::ImmortalUndef => self.out.push(14),
            Item::ElementUndef => self.out.push(31),
            Item::Yes => self.out.push(15),
            Item::No => self.out.push(16),
            Item::True => self.out.push(34),
            Item::False => self.out.push(35),
            Item::Integer(number) => self.integer(number),
            Item::Double(number) => self.double(number),
            Item::Bytes(span) => self.string(10, 1, span.of(self.text)),
            Item::Utf8(span) => self.string(23, 24, span.of(self.text)),
            Item::Reference { weak, overloaded } => self.out.push(match (weak, overloaded) {
                (false, false) => 4,
                (false, true) => 20,
                (true, false) => 27,
                (true, true) => 28,
            }),
            Item::Array { len } => {
                self.out.push(2);
                self.n32(len);
            }
            Item::Hash { len, flags } => {
                match flags {
                    None => self.out.push(3),
                    Some(flags) => self.out.extend_from_slice(&[25, flags]),
                }
                self.n32(len);
            }
            Item::Bless(class) => self.bless(class),
            // Followed by `hook_recurse` or `hook_tail`.
            Item::Hook { .. } => self.out.push(19),
            Item::Tied(tied) => self.out.push(match tied {
                Tied::Array => 11,
                Tied::Hash => 12,
                Tied::Scalar => 13,
                Tied::Key => 21,
                Tied::Index => 22,
            }),
            Item::Code => self.out.push(26),
            Item::Version(span) => self.string(29, 30, span.of(self.text)),
            Item::Regexp { pattern, modifiers } => {
                let long = pattern.len > 255;
                self.out.extend_from_slice(&[32, u8::from(long)]);
                self.n(pattern.len, long);
                self.out.extend_from_slice(pattern.of(self.text));
                self.n(modifiers.len, false);
                self.out.extend_from_slice(modifiers.of(self.text));
            }
        }
    }

    #[inline]
    pub(crate) fn key(&mut self, key: Key, flagged: bool) {
        if flagged {
            self.out.push(key.flags);
        }
        self.n32(key.name.len);
        self.out.extend_from_slice(key.name.of(self.text));
    }

    /// Items that were read, in the same order of bytes.
    pub(crate) fn as_read(&mut self, items: &[u8]) {
        self.out.extend_from_slice(items);
    }

    fn bless(&mut self, class: Class) {
        let number = match class {
            Class::New(name) => {
                self.out.push(17);
                name.len
            }
            Class::Index(index) => {
                self.out.push(18);
                index
            }
        };
        if number < u32::from(LARGE) {
            self.out.push(number as u8);
        } else {
            self.out.push(LARGE);
            self.n32(number);
        }
        if let Class::New(name) = class {
            self.out.extend_from_slice(name.of(self.text));
        }
    }

    /// Announces another item within a hook; `first` when nothing but the marker is written yet.
    pub(crate) fn hook_recurse(&mut self, shape: Shape, first: bool) {
        self.hook_flags(shape, HookFlags::RECURSE, first);
    }

    /// The rest of a hook, but for the item that a tied shape ends with.
    pub(crate) fn hook_tail(
        &mut self,
        shape: Shape,
        first: bool,
        tail: HookTail,
        tags: impl Iterator<Item = u32>,
    ) {
        let (number, mut flags) = match tail.class {
            Class::New(name) => (name.len, 0),
            Class::Index(index) => (index, HookFlags::INDEX),
        };
        for (flag, applies) in [
            (HookFlags::LARGE_CLASS, number > 255),
            (HookFlags::LARGE_FROZEN, tail.frozen.len > 255),
            (HookFlags::LIST, tail.list > 0),
            (HookFlags::LARGE_LIST, tail.list > 255),
        ] {
            flags |= if applies { flag } else { 0 };
        }
        self.hook_flags(shape, flags, first);
        self.n(number, number > 255);
        if let Class::New(name) = tail.class {
            self.out.extend_from_slice(name.of(self.text));
        }
        self.n(tail.frozen.len, tail.frozen.len > 255);
        self.out.extend_from_slice(tail.frozen.of(self.text));
        if tail.list > 0 {
            self.n(tail.list, tail.list > 255);
        }
        for tag in tags {
            self.out.extend_from_slice(&tag.to_be_bytes());
        }
    }

    fn hook_flags(&mut self, shape: Shape, flags: u8, first: bool) {
        self.out.push(shape.flags() | flags);
        if first && shape.is_tied() {
            self.out.push(shape as u8);
        }
    }

    #[inline]
    fn integer(&mut self, number: i64) {
        if let Ok(small) = i8::try_from(number) {
            self.out.extend_from_slice(&[8, (small as u8) ^ 0x80]);
            return;
        }
        match (self.native, i32::try_from(number)) {
            (Some(Native { integer: 8, .. }), _) => {
                self.out.push(6);
                self.out
                    .extend_from_slice(&self.ordered(number.to_le_bytes()));
            }
            (Some(_), Ok(number)) => {
                self.out.push(6);
                self.out
                    .extend_from_slice(&self.ordered(number.to_le_bytes()));
            }
            (None, Ok(number)) => {
                self.out.push(9);
                self.out.extend_from_slice(&number.to_be_bytes());
            }
            // What has no room is written as text, as Perl does.
            (_, Err(_)) => self.string(10, 1, number.to_string().as_bytes()),
        }
    }

    fn double(&mut self, number: f64) {
        if self.native.is_some() {
            self.out.push(7);
            self.out
                .extend_from_slice(&self.ordered(number.to_le_bytes()));
        } else {
            self.string(10, 1, crate::number::exact(number).as_bytes());
        }
    }

    fn string(&mut self, short: u8, long: u8, bytes: &[u8]) {
        if let Ok(len) = u8::try_from(bytes.len()) {
            self.out.extend_from_slice(&[short, len]);
        } else {
            self.out.push(long);
            self.n32(bytes.len() as u32);
        }
        self.out.extend_from_slice(bytes);
    }

    fn n(&mut self, number: u32, large: bool) {
        match large {
            true => self.n32(number),
            false => self.out.push(number as u8),
        }
    }

    #[inline]
    pub(crate) fn n32(&mut self, number: u32) {
        self.out
            .extend_from_slice(&self.ordered(number.to_le_bytes()));
    }

    /// Puts another number in the place of one that is written already.
    pub(crate) fn n32_at(&mut self, at: usize, number: u32) {
        let number = self.ordered(number.to_le_bytes());
        self.out[at..at + number.len()].copy_from_slice(&number);
    }

    #[inline]
    fn ordered<const N: usize>(&self, mut little: [u8; N]) -> [u8; N] {
        if self.order == ByteOrder::Big {
            little.reverse();
        }
        little
    }
}
