//! Changes to a session as operations, so that they can be applied again to what another request
//! has stored meanwhile.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::layout::{Entries, Value};
use crate::text::Text;
use crate::{Adopted, Error, Layout};

/// One operation of a request on the entries of its session.
#[derive(Clone)]
pub(crate) enum Change {
    Set {
        name: Name,
        value: Value,
    },
    /// `there`: whether the request saw such an entry.
    Remove {
        name: Name,
        there: bool,
    },
    Clear,
    Update {
        name: Name,
        step: Arc<Step>,
    },
    /// All that a program in Perl has done.
    Adopt(Adopted),
}

/// The name of an entry.
type Name = Text<22>;

/// Takes the stored value of an entry to the new one; `None` takes the entry out.
type Step = dyn Fn(&Entries, &str) -> Result<Option<Value>, Error> + Send + Sync;

impl Change {
    pub(crate) fn set(layout: Layout, name: &str, value: &impl Serialize) -> Result<Self, Error> {
        settable(name)?;
        Ok(Self::Set {
            name: name.into(),
            value: Value::encode(layout, name, value)?,
        })
    }

    pub(crate) fn remove(name: &str, there: bool) -> Self {
        let name = name.into();
        Self::Remove { name, there }
    }

    pub(crate) fn update<T, F>(name: &str, f: F) -> Result<Self, Error>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>) -> Option<T> + Send + Sync + 'static,
    {
        settable(name)?;
        let step = move |entries: &Entries, name: &str| {
            let new = f(entries.get::<T>(name)?);
            new.map(|new| Value::encode(entries.layout(), name, &new))
                .transpose()
        };
        Ok(Self::Update {
            name: name.into(),
            step: Arc::new(step),
        })
    }

    pub(crate) fn apply(&self, entries: &mut Entries) -> Result<(), Error> {
        match self {
            Self::Set { name, value } => entries.set(name, value.clone())?,
            Self::Remove { name, .. } => entries.remove(name),
            Self::Clear => entries.clear(),
            Self::Adopt(adopted) => adopted.apply(entries)?,
            Self::Update { name, step } => match step(entries, name)? {
                Some(value) => entries.set(name, value)?,
                None => entries.remove(name),
            },
        }
        Ok(())
    }

    /// Whether this is worth a flush by itself. Taking out what nobody has seen goes along with
    /// other changes, in case another request has put it there meanwhile.
    pub(crate) fn matters(&self) -> bool {
        !matches!(self, Self::Remove { there: false, .. })
    }

    /// Whether applying this a second time, over whatever was stored since, gives another result
    /// than applying it once: then it must not be done on suspicion.
    pub(crate) fn counts(&self) -> bool {
        match self {
            Self::Update { .. } => true,
            Self::Adopt(adopted) => adopted.counts(),
            Self::Set { .. } | Self::Remove { .. } | Self::Clear => false,
        }
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set { name, .. } => write!(f, "Set({name})"),
            Self::Remove { name, .. } => write!(f, "Remove({name})"),
            Self::Clear => f.write_str("Clear"),
            Self::Update { name, .. } => write!(f, "Update({name})"),
            Self::Adopt(adopted) => adopted.fmt(f),
        }
    }
}

/// Names that the Dancer layout keeps beside the entries. They are reserved in every layout, or a
/// session could not be moved from one to the other.
pub(crate) const RESERVED: [&str; 5] = ["id", "__created", "__owner", "__w", "__ended"];

fn settable(name: &str) -> Result<(), Error> {
    if RESERVED.contains(&name) {
        return Err(Error::refused(format!(
            "the entry name {name:?} is reserved for the session engine (so are {}): choose another",
            RESERVED.join(", ")
        )));
    }
    Ok(())
}
