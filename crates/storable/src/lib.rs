//! What Perl's [Storable](https://perldoc.perl.org/Storable) writes, read and written in Rust.
//!
//! `freeze`, `nfreeze`, `store` and `nstore` of Perl have a format of their own, in which sessions,
//! caches and queues lie around the world. This crate reads all of it, and writes it back so that
//! Perl thaws what it should.
//!
//! - [`from_slice`] and [`to_vec`] for a Rust type with [serde](https://serde.rs).
//! - [`Document`] for everything that Storable says: change one key, and objects, shared
//!   references, weak ones, code and flags around it stay as they were.
//! - [`Value`] for a tree of plain data.
//!
//! Nothing in an input is trusted (see [`Limits`]). Nothing is ever executed or loaded: a class
//! name is a label, code is a string. There is no `unsafe`, no recursion while reading, writing or
//! dropping, and an error says at which byte what was expected.
//!
//! ```
//! use storable::Document;
//!
//! // perl -MStorable=nfreeze -e 'print nfreeze(bless {user => "Ann", visits => 41}, "My::Session")'
//! let frozen = b"\x05\x0b\x11\x0bMy::Session\x03\x00\x00\x00\x02\
//!                \x0a\x03Ann\x00\x00\x00\x04user\x08\xa9\x00\x00\x00\x06visits";
//! let mut session = Document::decode(frozen)?;
//! assert_eq!(session.root().class(), Some("My::Session"));
//!
//! let visits: u32 = session.root().get("visits").expect("Perl wrote it").to()?;
//! let root = session.root().id();
//! session.insert(root, "visits", &(visits + 1))?;
//! let frozen = session.encode()?; // for Perl's thaw
//! # assert_eq!(Document::decode(&frozen)?.root().get("visits").unwrap().to::<u8>()?, 42);
//! # Ok::<(), storable::Error>(())
//! ```
//!
//! # What Perl holds, as Rust types
//!
//! A scalar of Perl's has no fixed type, so the type that is asked for decides. References are
//! followed, and classes do not matter.
//!
//! | asked for | what fits |
//! |---|---|
//! | an integer | an integer; a double that is one exactly, up to 2^53; a string that Perl takes for such a number without a warning (`"42"`, `" 42\n"`, `"4.2e1"`, `"0 but true"`); true and false as 1 and 0. Out of range for the type is an error. `u64`, `i128` and `u128` read integers beyond `i64`, which are strings in Perl's format |
//! | a float | any number as above, `"Inf"`, `"NaN"` and the like included |
//! | a string | a string; a number, as Perl prints it (a double with 15 digits); true and false as `"1"` and `""`. Without Perl's UTF-8 flag, bytes are taken as UTF-8 if they are valid UTF-8, else as Latin-1. Characters that Unicode does not have are an error |
//! | bytes | the bytes of a string as Perl holds them; an array of numbers |
//! | `bool` | `1`, `0`, `"1"`, `"0"`, `""`, undef, and Perl's true and false; nothing else |
//! | `Option` | undef is `None`, whatever else `Some` |
//! | `()` | undef |
//! | a sequence, a tuple | an array; elements that do not exist are undef. A tuple takes an array of its own length |
//! | a map, a struct | a hash; keys are strings, and integers, booleans or bytes where those are asked for. Keys that are only allowed in a restricted hash are left out; of two keys that are the same text, as bytes and as characters, a map has the later |
//! | an enum | a string, the variant; a hash with one key, the variant, and its contents |
//! | whatever there is | undef is `()`, strings are text, the rest is what it is |
//!
//! Undef is neither a number nor a string. Code, regular expressions, tied variables, and objects
//! that a class has frozen by itself (`DateTime`, for one) are no Rust type: asking is an error for
//! that value alone, and it stays in the document. So is a value that contains itself, one with more
//! than 64 containers in each other, and one whose shared parts, unfolded, pass the [`Limits`].
//!
//! Types that serde reads through a buffer (flattened, untagged, internally tagged) ask for whatever
//! there is, and judge by themselves: there, a `"42"` is a string and a `1` no boolean.
//!
//! # Rust types, as what Perl gets
//!
//! | Rust | Perl |
//! |---|---|
//! | integers | an integer; beyond `i64` a string of digits, as Perl itself writes them |
//! | `f32`, `f64` | a double, `NaN` and infinities included. In network order a string from which every bit comes back, where Perl's own has 15 digits |
//! | `bool` | `1` and `0` |
//! | `str`, `char` | a string; with the UTF-8 flag unless it is ASCII |
//! | bytes | a string without that flag |
//! | `None`, `()`, unit structs | undef |
//! | sequences, tuples | an array; within others, a reference to it |
//! | maps, structs | a hash; within others, a reference to it. Keys may be strings, characters, integers, booleans and unit variants |
//! | a variant | its name; with contents, a hash with the name as its one key |
//!
//! What Perl wrote and nobody changed is written as Perl would: sharing, cycles, classes and flags
//! as they were. In network order, numbers of native order become what Perl makes of them there:
//! strings where they have no room.

mod assemble;
mod de;
mod decode;
mod document;
mod encode;
mod error;
mod header;
mod limits;
mod node;
mod number;
mod ser;
mod text;
mod value;
mod wire;

pub use assemble::assemble;
pub use de::from_slice;
pub use document::{Document, NodeId};
pub use error::Error;
pub use header::{ByteOrder, Header, Native};
pub use limits::Limits;
pub use node::{Array, Hash, Hook, KeyValue, Kind, Node, Variable};
pub use ser::to_vec;
pub use value::Value;
