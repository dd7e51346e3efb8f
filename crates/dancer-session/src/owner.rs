//! Whose a session is: what an application says of the owner, what the payload keeps of that, and what
//! the owner's own list of sessions shows.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Error;
use crate::id::{Entropy, random_handle};
use crate::lifetime::Moment;

/// The user whom a session belongs to, for [`Session::set_owner`](crate::Session::set_owner): a name
/// that the application chooses, and a description by which the owner knows the session again.
///
/// ```
/// use dancer_session::Owner;
///
/// let owner = Owner::from("user:42").described("Firefox on Linux, Berlin");
/// assert_eq!(owner.name(), "user:42");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    name: String,
    description: String,
}

impl Owner {
    /// What the owner's list says of this session: device, program, place. At most 255 bytes.
    #[must_use]
    pub fn described(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// The name that all sessions of this owner have in common.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the owner's list says; empty if nothing was said.
    pub fn description(&self) -> &str {
        &self.description
    }
}

impl<T: Into<String>> From<T> for Owner {
    /// The owner of this name, which never changes and is nobody else's: the number of the user, not
    /// the e-mail address. From 1 to 255 bytes.
    fn from(name: T) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
        }
    }
}

/// One session in the list of its owner; see
/// [`SessionEngine::sessions_of`](crate::SessionEngine::sessions_of).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedSession {
    /// By this [`destroy_one`](crate::SessionEngine::destroy_one) ends it.
    pub handle: OwnedHandle,
    /// When the session began.
    pub created: SystemTime,
    /// When it got its owner: the log-in.
    pub since: SystemTime,
    /// What was said of it at the log-in.
    pub description: String,
}

/// What names a session in the list of its owner, from log-in to log-out, in every process and also
/// after a `renew`: 12 characters of base64url. It is no id and gives nobody the session, so it may
/// stand in a page. Read it back with `parse`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnedHandle([u8; Self::BYTES]);

impl OwnedHandle {
    const BYTES: usize = 9;

    fn generate(entropy: &Entropy) -> Result<Self, Error> {
        random_handle(entropy).map(Self)
    }
}

impl fmt::Display for OwnedHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for OwnedHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnedHandle({self})")
    }
}

impl FromStr for OwnedHandle {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut bits = [0; Self::BYTES];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bits) {
            Ok(Self::BYTES) => Ok(Self(bits)),
            _ => Err(Error::refused(
                "this is no handle of a session, which has 12 characters of A-Za-z0-9_-",
            )),
        }
    }
}

/// What the payload of a session says of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) owner: Box<str>,
    pub(crate) description: Box<str>,
    pub(crate) since: Moment,
    pub(crate) handle: OwnedHandle,
}

/// The same as payloads hold it.
pub(crate) type OwnedParts = (String, String, u64, String);

/// Names and descriptions are stored with each session.
const MOST: usize = 255;

impl Owned {
    pub(crate) fn new(owner: Owner, since: Moment, entropy: &Entropy) -> Result<Self, Error> {
        let Owner { name, description } = owner;
        if name.is_empty() || name.len() > MOST {
            return Err(Error::refused(format!(
                "the name of an owner has {} bytes, expected 1 to {MOST}",
                name.len()
            )));
        }
        if description.len() > MOST {
            return Err(Error::refused(format!(
                "the description of a session has {} bytes, expected at most {MOST}",
                description.len()
            )));
        }
        Ok(Self {
            owner: name.into(),
            description: description.into(),
            since: Moment::from_seconds(since.seconds()),
            handle: OwnedHandle::generate(entropy)?,
        })
    }

    pub(crate) fn to_parts(&self) -> OwnedParts {
        (
            self.owner.as_ref().into(),
            self.description.as_ref().into(),
            self.since.seconds(),
            self.handle.to_string(),
        )
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(&self.to_parts()).expect("three texts and a number are JSON")
    }

    pub(crate) fn shown(&self, created: Moment) -> OwnedSession {
        OwnedSession {
            handle: self.handle,
            created: time(created),
            since: time(self.since),
            description: self.description.as_ref().into(),
        }
    }
}

impl TryFrom<OwnedParts> for Owned {
    type Error = Error;

    fn try_from(parts: OwnedParts) -> Result<Self, Error> {
        let (owner, description, since, handle) = parts;
        Ok(Self {
            owner: owner.into(),
            description: description.into(),
            since: Moment::from_seconds(since),
            handle: handle.parse()?,
        })
    }
}

fn time(moment: Moment) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_secs(moment.seconds()))
        .unwrap_or(UNIX_EPOCH)
}

/// One line of an owner's index: which session, since when it has its owner, and under which key.
///
/// It says nothing that the session itself does not say, so that session and line can always be
/// found from each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Member(String);

impl Member {
    /// `name`: what tells the key of the session from others.
    pub(crate) fn new(owned: &Owned, name: &str) -> Self {
        let since = owned.since.seconds();
        Self(format!("{}:{since}:{name}", owned.handle))
    }

    pub(crate) fn from_text(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts; `None` for what is no such line.
    pub(crate) fn parts(&self) -> Option<(OwnedHandle, Moment, &str)> {
        let mut parts = self.0.splitn(3, ':');
        let handle = parts.next()?.parse().ok()?;
        let since = parts.next()?.parse().ok()?;
        Some((handle, Moment::from_seconds(since), parts.next()?))
    }
}
