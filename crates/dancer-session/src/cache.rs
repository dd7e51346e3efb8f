//! Sessions kept in this process for as long as the server vouches for them, so that reading one again
//! costs no round trip.
//!
//! The server tells when a key that was read has changed, over the connection on which it was read. A
//! reply and such a word about it may be handled in either order, by two tasks. So what was read comes
//! in only if no word about its key was handled since the read was sent; this file keeps the reads that
//! are under way for that.
//!
//! To keep a session takes a command more than to read it. Whatever this process has changed itself it
//! does not keep at its next read, so that a session that each request changes is not kept in vain.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache as Entries;

use crate::lifetime::Moment;
use crate::session::Read;

/// What was read, by the names of keys.
pub(crate) struct Cache {
    entries: Entries<Box<str>, Read>,
    /// What this process has changed since it was read, as hashes of keys: one that is here for another's
    /// sake costs that a read.
    changed: Entries<u64, ()>,
    /// The reads that are under way; in parts, so that they need not wait for each other.
    reads: Box<[Mutex<Reads>]>,
    hasher: RandomState,
}

/// How long what was read may be used from here.
#[derive(Default)]
pub(crate) struct Kept {
    /// Until when it lives if nobody touches it, in milliseconds since 1970.
    ends: AtomicU64,
    /// When its key was touched last.
    touched: AtomicU64,
}

#[derive(Default)]
struct Reads {
    /// Counts the words that were handled.
    words: u64,
    under_way: HashMap<Box<str>, UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    reads: usize,
    /// The count at the last word about this key.
    word: u64,
}

/// A read that has been sent, or will be. What it brings may come in by it.
pub(crate) struct Reading {
    cache: Arc<Cache>,
    key: Box<str>,
    /// The count of words when it began.
    began: u64,
}

const PARTS: usize = 16;

impl Cache {
    /// Room for so many sessions.
    pub(crate) fn new(room: usize) -> Arc<Self> {
        Arc::new(Self {
            entries: Entries::new(room),
            changed: Entries::new(room),
            reads: (0..PARTS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        })
    }

    pub(crate) fn get(&self, key: &str) -> Option<Read> {
        self.entries.get(key)
    }

    /// To be called before a read is sent. `None`: what it brings is not to be kept.
    pub(crate) fn begin(self: &Arc<Self>, key: &str) -> Option<Reading> {
        if self.changed.remove(&self.hash(key)).is_some() {
            return None;
        }
        let mut reads = self.reads(key);
        let began = reads.words;
        reads.under_way.entry(key.into()).or_default().reads += 1;
        drop(reads);
        Some(Reading {
            cache: Arc::clone(self),
            key: key.into(),
            began,
        })
    }

    /// The key has changed, or may have: what is here is worth nothing, nor what is being read.
    pub(crate) fn forget(&self, key: &str) {
        let mut reads = self.reads(key);
        reads.words += 1;
        let word = reads.words;
        if let Some(under_way) = reads.under_way.get_mut(key) {
            under_way.word = word;
        }
        // Under the lock, so that nothing comes in between.
        self.entries.remove(key);
    }

    /// The same, because this process itself has changed it.
    pub(crate) fn forget_own(&self, key: &str) {
        self.forget(key);
        self.changed.insert(self.hash(key), ());
    }

    /// All keys may have.
    pub(crate) fn forget_all(&self) {
        for reads in &self.reads {
            let mut reads = reads.lock().unwrap_or_else(PoisonError::into_inner);
            reads.words += 1;
            let word = reads.words;
            for under_way in reads.under_way.values_mut() {
                under_way.word = word;
            }
        }
        // What came in after its lock was released was begun after it, too.
        self.entries.clear();
    }

    fn hash(&self, key: &str) -> u64 {
        self.hasher.hash_one(key)
    }

    fn reads(&self, key: &str) -> MutexGuard<'_, Reads> {
        let part = self.hash(key) as usize % PARTS;
        let reads = self.reads[part].lock();
        // Nothing panics while it holds this lock.
        reads.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    /// Takes in what was read at `now`, which lives until `ends`; unless there was a word about its
    /// key since.
    pub(crate) fn take_in(self, read: &Read, now: Moment, ends: Moment) -> bool {
        let reads = self.cache.reads(&self.key);
        let under_way = reads.under_way.get(&self.key);
        let fits = under_way.is_some_and(|under_way| under_way.word <= self.began);
        if fits {
            let Kept {
                ends: until,
                touched,
            } = &read.kept;
            until.store(ends.milliseconds(), Ordering::Relaxed);
            touched.store(now.milliseconds(), Ordering::Relaxed);
            self.cache.entries.insert(self.key.clone(), read.clone());
        }
        fits
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut reads = self.cache.reads(&self.key);
        if let Some(under_way) = reads.under_way.get_mut(&self.key) {
            under_way.reads -= 1;
            if under_way.reads == 0 {
                reads.under_way.remove(&self.key);
            }
        }
    }
}

impl Kept {
    /// Whether it lives at `now`.
    pub(crate) fn is_alive(&self, now: Moment) -> bool {
        now.milliseconds() < self.ends.load(Ordering::Relaxed)
    }

    /// Whether its key is to be touched now, because that was `interval` milliseconds ago; it is one
    /// caller's task. Then it lives until `ends`.
    pub(crate) fn is_to_be_touched(&self, now: Moment, interval: u64, ends: Moment) -> bool {
        let (now, last) = (now.milliseconds(), self.touched.load(Ordering::Relaxed));
        let due = now.saturating_sub(last) >= interval;
        let mine = due
            && self
                .touched
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if mine {
            self.ends.store(ends.milliseconds(), Ordering::Relaxed);
        }
        mine
    }
}

/// Shows how many there are; keys may be ids.
impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({} sessions)", self.entries.len())
    }
}

#[cfg(test)]
mod tests;
