//! The entries of a session in hand, of either layout, and single values on their way in and out.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use storable::NodeId;

use super::dancer;
use super::json::{self, JsonEntries};
use super::perl::PerlEntries;
use super::room::in_room;
use crate::{Error, Layout};

/// Names and values. What nobody touches stays as it was read. Cheap to clone; a change makes a copy
/// of its own first.
#[derive(Clone)]
pub(crate) enum Entries {
    Json(Arc<JsonEntries>),
    Perl(PerlEntries),
}

/// One encoded value.
#[derive(Clone)]
pub(crate) enum Value {
    Json(Arc<[u8]>),
    Perl(Arc<storable::Document>),
}

impl Value {
    /// Encodes a value for the entry `name`, which the error names.
    pub(crate) fn encode<T>(layout: Layout, name: &str, value: &T) -> Result<Self, Error>
    where
        T: Serialize + ?Sized,
    {
        let error = |error: &dyn fmt::Display| {
            Error::entry(format!(
                "the value for entry {name:?} can't be stored: {error}"
            ))
        };
        match layout {
            Layout::Native => in_room(|room| {
                let written = serde_json::to_writer(&mut *room, value);
                let json = written.map(|()| Self::Json(room.as_slice().into()));
                json.map_err(|cause| error(&cause))
            }),
            // How large the session may be is asked when it is written.
            Layout::Dancer => {
                match storable::Document::of_with(value, dancer::limits(usize::MAX)) {
                    Ok(document) => Ok(Self::Perl(Arc::new(document))),
                    Err(cause) => Err(error(&cause)),
                }
            }
        }
    }
}

/// The value of an entry, apart from the session that it was found in.
pub(crate) enum Found {
    /// As it was read.
    Read(Bytes),
    /// As it was set since.
    Set(Arc<[u8]>),
    Perl(Arc<storable::Document>, NodeId),
}

impl Found {
    /// Decodes it; `name` is for the error. In Perl an entry that is undefined is as good as none:
    /// `None`, where `T` has no other answer to it.
    pub(crate) fn decode<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let kind = std::any::type_name::<T>();
        let from_json = |text: &[u8]| {
            // The library's own message would quote the value.
            serde_json::from_slice(text).map(Some).map_err(|error| {
                Error::entry(format!(
                    "entry {name:?} holds {}, which can't be read as {kind} (at column {} of it)",
                    json::kind(text),
                    error.column()
                ))
            })
        };
        match self {
            Self::Read(text) => from_json(text),
            Self::Set(text) => from_json(text),
            Self::Perl(document, node) => {
                let node = document
                    .node(*node)
                    .map_err(|_| Error::entry(format!("entry {name:?} is of another session")))?;
                match node.to() {
                    Ok(value) => Ok(Some(value)),
                    Err(_) if node.kind().is_undef() => Ok(None),
                    Err(_) => Err(Error::entry(format!(
                        "entry {name:?} holds {:?}, which can't be read as {kind}",
                        node.referent().unwrap_or(node).kind()
                    ))),
                }
            }
        }
    }
}

impl Entries {
    pub(crate) fn layout(&self) -> Layout {
        match self {
            Self::Json(_) => Layout::Native,
            Self::Perl(_) => Layout::Dancer,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Json(entries) => entries.len(),
            Self::Perl(entries) => entries.len(),
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::Json(entries) => entries.names().map(Into::into).collect(),
            Self::Perl(entries) => entries.names().map(Into::into).collect(),
        }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        match self {
            Self::Json(entries) => entries.contains(name),
            Self::Perl(entries) => entries.find(name).is_some(),
        }
    }

    /// Decodes one entry, and only that one.
    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        match self.find(name) {
            Some(value) => value.decode(name),
            None => Ok(None),
        }
    }

    /// One entry, not decoded.
    pub(crate) fn find(&self, name: &str) -> Option<Found> {
        match self {
            Self::Json(entries) => entries.find(name),
            Self::Perl(entries) => {
                let (document, node) = entries.find(name)?;
                Some(Found::Perl(document, node))
            }
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) -> Result<(), Error> {
        match (self, value) {
            (Self::Json(entries), Value::Json(value)) => Arc::make_mut(entries).set(name, value),
            (Self::Perl(entries), Value::Perl(value)) => entries.set(name, &value)?,
            // An engine has one layout, and a change is made for the engine of its session.
            _ => {
                return Err(Error::refused(format!(
                    "the value for entry {name:?} was encoded for a session of another layout"
                )));
            }
        }
        Ok(())
    }

    pub(crate) fn remove(&mut self, name: &str) {
        match self {
            Self::Json(entries) => Arc::make_mut(entries).remove(name),
            Self::Perl(entries) => entries.remove(name),
        }
    }

    /// For entries that will not be changed any more.
    pub(crate) fn without_index(self) -> Self {
        match self {
            Self::Json(mut entries) if entries.has_index() => {
                Arc::make_mut(&mut entries).drop_index();
                Self::Json(entries)
            }
            others => others,
        }
    }

    pub(crate) fn clear(&mut self) {
        match self {
            Self::Json(entries) => Arc::make_mut(entries).clear(),
            Self::Perl(entries) => entries.clear(),
        }
    }
}

/// Shows names, never values.
impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
