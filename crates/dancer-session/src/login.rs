//! What nearly every log-in needs, made of the session's own operations: the time of the log-in,
//! messages for the next page, a value against forged requests.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::change::Change;
use crate::{Error, Session};

/// The entries that this file keeps. They are ordinary ones, and an application may read them.
pub(crate) const CSRF: &str = "csrf";
const FLASH: &str = "flash";
const LOGGED_IN_AT: &str = "logged_in_at";

/// Messages by their kind, in the order they were left.
type Flashes = BTreeMap<String, Vec<String>>;

impl Session {
    /// The log-in: [`renew`](Self::renew), and the time of it in the entry `logged_in_at`. Set what
    /// tells who it is (`session.set("user", …)`) beside it; one flush stores all of it.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn log_in(&self) -> Result<(), Error> {
        self.renew();
        self.set(LOGGED_IN_AT, self.shared.engine.seconds_now())
    }

    /// When [`log_in`](Self::log_in) was called, to the second. Ask for the password again before
    /// something important if that is long ago.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn logged_in_at(&self) -> Result<Option<SystemTime>, Error> {
        let seconds = self.get(LOGGED_IN_AT)?;
        Ok(seconds.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds))))
    }

    /// Leaves a message for the page that the visitor sees next, usually after a redirect. `kind`
    /// is the application's own word, such as `error` or `success`.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn flash(&self, kind: &str, message: impl Into<String>) -> Result<(), Error> {
        let (kind, message) = (kind.to_owned(), message.into());
        self.update(FLASH, move |flashes: Option<Flashes>| {
            let mut flashes = flashes.unwrap_or_default();
            flashes
                .entry(kind.clone())
                .or_default()
                .push(message.clone());
            flashes
        })
    }

    /// Takes the messages of a kind, in the order they were left: each is read once. One that
    /// another request leaves at this moment stays for the next page.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn take_flash(&self, kind: &str) -> Result<Vec<String>, Error> {
        let Some(taken) = self
            .get::<Flashes>(FLASH)?
            .and_then(|mut all| all.remove(kind))
        else {
            return Ok(Vec::new());
        };
        let (kind, read) = (kind.to_owned(), taken.clone());
        self.change(Change::update(FLASH, move |flashes: Option<Flashes>| {
            let mut flashes = flashes?;
            if let Some(left) = flashes.get_mut(&kind) {
                let mut read = read.iter();
                // Messages are only ever added behind, so those read are the first ones.
                let unread = left.iter().position(|message| read.next() != Some(message));
                left.drain(..unread.unwrap_or(left.len()));
            }
            flashes.retain(|_, left| !left.is_empty());
            (!flashes.is_empty()).then_some(flashes)
        })?)?;
        Ok(taken)
    }

    /// A secret of this session for its forms, against requests that other sites forge: the same at
    /// each call, until a [`renew`](Self::renew). The first call makes the entry `csrf`; where a
    /// visitor's first pages may be asked for in parallel, flush before you ask for it again and
    /// show it, so that all show the same one.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get) and [`set`](Self::set); [`is_unavailable`](Error::is_unavailable) if
    /// there are no random bits.
    pub fn csrf(&self) -> Result<String, Error> {
        if let Some(value) = self.get(CSRF)? {
            return Ok(value);
        }
        let value = self.shared.engine.random_text()?;
        let new = value.clone();
        self.update(CSRF, move |there| there.unwrap_or_else(|| new.clone()))?;
        Ok(value)
    }

    /// Whether a form came with this session's secret. Takes the same time whatever was presented;
    /// without a secret in the session nothing fits.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn csrf_fits(&self, presented: &str) -> Result<bool, Error> {
        let Some(value) = self.get::<String>(CSRF)? else {
            return Ok(false);
        };
        let pairs = value.bytes().zip(presented.bytes());
        let differences = pairs.fold(0, |all, (a, b)| all | (a ^ b));
        Ok(value.len() == presented.len() && differences == 0)
    }
}
