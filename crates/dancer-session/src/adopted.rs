//! A session as a program in Perl has it after working with it: a whole hash, not a list of changes.
//! What the program did is found by comparing that with what it had read, key by key.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::Error;
use crate::layout::{Codec, Entries, PerlEntries};
use crate::session::Session;

/// What [`Session::adopt`] has taken over; tells what a flush made of it. Clones are one.
#[derive(Clone)]
pub struct Adopted(Arc<Inner>);

struct Inner {
    codec: Codec,
    mine: PerlEntries,
    /// What the program had read, as Perl saw it. `None`: nothing, for the session is new.
    read: Option<PerlEntries>,
    /// An entry that nobody else may have changed meanwhile.
    exactly: Option<Box<str>>,
    /// The keys that the program changed, in characters; found when somebody asks.
    changed: OnceLock<HashSet<Box<[u8]>>>,
    /// Whether it was put together with what somebody else had stored.
    merged: AtomicBool,
    /// Whether somebody else had changed the entry.
    outrun: AtomicBool,
}

impl Adopted {
    pub(crate) fn new(
        codec: &Codec,
        frozen: &[u8],
        read: Option<&Entries>,
        exactly: Option<&str>,
    ) -> Result<Self, Error> {
        Ok(Self(Arc::new(Inner {
            mine: codec.adopt(frozen)?,
            read: read.map(|read| codec.as_perl(read)).transpose()?,
            codec: codec.clone(),
            exactly: exactly.map(Into::into),
            changed: OnceLock::new(),
            merged: AtomicBool::new(false),
            outrun: AtomicBool::new(false),
        })))
    }

    /// Whether the program left its session as it was. The order of keys, the UTF-8 flag, and a
    /// number in place of the same text are no changes.
    pub fn is_unchanged(&self) -> bool {
        self.0.read.is_some() && self.changed().is_empty()
    }

    /// Whether a flush failed because another request had changed the entry that was to be changed
    /// exactly.
    pub fn is_outrun(&self) -> bool {
        self.0.outrun.load(Ordering::Relaxed)
    }

    /// The names of those entries that are not what the program has, now that `session` was flushed:
    /// other requests were faster, and have changed, added or removed them.
    ///
    /// # Errors
    ///
    /// In the native layout [`is_refused`](Error::is_refused) if another request has stored what Perl
    /// can't hold.
    pub fn overtaken(&self, session: &Session) -> Result<Vec<Box<[u8]>>, Error> {
        let entries = session.shared.hand().entries().clone();
        let stored = self.0.codec.as_perl(&entries)?;
        Ok(self.0.mine.differing(&stored).into_iter().collect())
    }

    /// The names of those entries that `newer`, which was read later, has otherwise, and that the
    /// program has not changed itself: what it has to take over before it flushes over that.
    ///
    /// # Errors
    ///
    /// As [`overtaken`](Self::overtaken).
    pub fn changed_by_others(&self, newer: &Session) -> Result<Vec<Box<[u8]>>, Error> {
        let mut names = self.overtaken(newer)?;
        names.retain(|name| !self.has_changed(name));
        Ok(names)
    }

    /// Whether a flush had to put it together with what other requests had stored; in the native
    /// layout it always does.
    pub fn is_merged(&self) -> bool {
        self.0.merged.load(Ordering::Relaxed)
    }

    /// Whether the program has put a tied variable into its session.
    pub fn has_tied(&self) -> bool {
        self.0.mine.document().has_tied()
    }

    /// Whether doing this twice would show.
    pub(crate) fn counts(&self) -> bool {
        self.0.exactly.is_some()
    }

    /// Does to `entries` what the program did to those that it had read.
    pub(crate) fn apply(&self, entries: &mut Entries) -> Result<(), Error> {
        match entries {
            Entries::Perl(there) if self.0.read.as_ref().is_none_or(|read| read.is(there)) => {
                *there = self.0.mine.with_ours_of(there)?;
            }
            Entries::Perl(there) => {
                self.check(there)?;
                *there = self
                    .0
                    .mine
                    .merged_with(there, |key| self.has_changed(key))?;
            }
            Entries::Json(_) => {
                if self.0.exactly.is_some() {
                    self.check(&self.0.codec.as_perl(entries)?)?;
                }
                // All of it or nothing.
                let mut changed = entries.clone();
                self.apply_one_by_one(&mut changed)?;
                // What Perl can't hold must be refused before it is stored.
                self.0.codec.as_perl(&changed)?;
                *entries = changed;
            }
        }
        Ok(())
    }

    fn apply_one_by_one(&self, entries: &mut Entries) -> Result<(), Error> {
        self.0.merged.store(true, Ordering::Relaxed);
        for key in self.changed() {
            let name = std::str::from_utf8(key).map_err(|_| {
                Error::refused("the session has a key that is no text: change or remove it first")
            })?;
            match self.0.mine.get(name) {
                Some(node) => entries.set(name, self.0.codec.value_of(name, node)?)?,
                None => entries.remove(name),
            }
        }
        Ok(())
    }

    /// Whether nobody else has changed the entry that is to be changed exactly.
    fn check(&self, there: &PerlEntries) -> Result<(), Error> {
        self.0.merged.store(true, Ordering::Relaxed);
        let (Some(name), Some(read)) = (&self.0.exactly, &self.0.read) else {
            return Ok(());
        };
        let same = match (read.get(name), there.get(name)) {
            (Some(read), Some(there)) => read.same(there),
            (None, None) => true,
            _ => false,
        };
        if same {
            return Ok(());
        }
        self.0.outrun.store(true, Ordering::Relaxed);
        Err(Error::refused(format!(
            "entry {name:?} was changed by another request meanwhile: make the new value from that one"
        )))
    }

    fn has_changed(&self, key: &[u8]) -> bool {
        self.changed().contains(key)
    }

    fn changed(&self) -> &HashSet<Box<[u8]>> {
        self.0.changed.get_or_init(|| match &self.0.read {
            Some(read) => self.0.mine.differing(read),
            None => self.0.mine.keys().collect(),
        })
    }
}

impl fmt::Debug for Adopted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Adopted({:?})", self.0.mine)
    }
}
