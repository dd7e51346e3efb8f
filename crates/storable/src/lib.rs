//! draft
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

pub use de::from_slice;
pub use document::{Document, NodeId};
pub use error::Error;
pub use header::{ByteOrder, Header, Native};
pub use limits::Limits;
pub use node::{Array, Hash, Hook, KeyValue, Kind, Node, Variable};
pub use ser::to_vec;
pub use value::Value;
