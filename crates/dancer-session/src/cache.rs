//! Sessions kept in this process for as long as the server vouches for them, so that reading one again
//! costs no round trip.
//!
//! The server tells when a key that was read has changed, over the connection on which it was read. A
//! reply and such a word about it may be handled in either order, by two tasks. So what was read comes
//! in only if no word about its key was handled since the read was sent; this file keeps the reads that
//! are under way for that.
//!
//! A change of this process's own is a read, too, if the server says so: it has looked at the key once
//! more behind the change, in the same step. But the change itself is told as well, and whether its
//! reply or that word is handled first is open again. So what was stored comes in if exactly one word
//! was handled since the change was sent. If that was the word about the change, there was no other
//! change since. If it was one about something before, the word about the change is still to come, and
//! what came in goes again. Another change of this process's own that begins or ends meanwhile counts
//! as a word: together with the word about the one or the other that makes two.
//!
//! To keep a session takes a command more than to read it. Whatever this process has changed without
//! keeping it, or has kept in vain because another process was the next to change it, it does not keep
//! at its next read.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache as Entries;

use crate::layout::Key;
use crate::lifetime::Moment;
use crate::session::Read;

/// What was read, by the names of keys.
pub(crate) struct Cache {
    entries: Entries<Key, Read>,
    /// What is not to be kept at its next read, as hashes of keys: one that is here for another's sake
    /// costs that a read.
    in_vain: Entries<u64, ()>,
    /// The reads and changes that are under way; in parts, so that they need not wait for each other.
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
    /// Whether it came in by a change, and nobody has had it since.
    unused: AtomicBool,
}

#[derive(Default)]
struct Reads {
    /// Counts the words that were handled.
    words: u64,
    under_way: HashMap<Key, UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    /// How many reads and changes.
    users: usize,
    /// The count at the last word about this key.
    word: u64,
    /// How many words there were about this key, and changes of this process's own.
    heard: u64,
}

/// A read that has been sent, or will be. What it brings may come in by it.
pub(crate) struct Reading {
    cache: Arc<Cache>,
    key: Key,
    /// The count of words when it began.
    began: u64,
}

/// A change of this process's own that has been sent, or will be. What it stores may come in by it; if
/// nothing does, the key is not kept at its next read.
pub(crate) struct Changing {
    cache: Arc<Cache>,
    key: Key,
    /// How many words and other changes there had been when it began.
    began: u64,
    kept: bool,
}

const PARTS: usize = 16;
/// More words than a change of this process's own may have heard.
const TOO_MANY: u64 = 2;

impl Cache {
    /// Room for so many sessions.
    pub(crate) fn new(room: usize) -> Arc<Self> {
        Arc::new(Self {
            entries: Entries::new(room),
            in_vain: Entries::new(room),
            reads: (0..PARTS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        })
    }

    pub(crate) fn get(&self, key: &str) -> Option<Read> {
        let read = self.entries.get(key)?;
        if read.kept.unused.load(Ordering::Relaxed) {
            read.kept.unused.store(false, Ordering::Relaxed);
        }
        Some(read)
    }

    /// To be called before a read is sent. `None`: what it brings is not to be kept.
    pub(crate) fn begin(self: &Arc<Self>, key: &Key) -> Option<Reading> {
        if self.in_vain.remove(&self.hash(key.as_str())).is_some() {
            return None;
        }
        let mut reads = self.reads(key.as_str());
        let began = reads.words;
        reads.under_way.entry(key.clone()).or_default().users += 1;
        drop(reads);
        Some(Reading {
            cache: Arc::clone(self),
            key: key.clone(),
            began,
        })
    }

    /// To be called before a change is sent: what is here is worth nothing from now on.
    pub(crate) fn begin_change(self: &Arc<Self>, key: &Key) -> Changing {
        let mut reads = self.reads(key.as_str());
        self.forget_with(&mut reads, key.as_str());
        let under_way = reads.under_way.entry(key.clone()).or_default();
        under_way.users += 1;
        let began = under_way.heard;
        drop(reads);
        Changing {
            cache: Arc::clone(self),
            key: key.clone(),
            began,
            kept: false,
        }
    }

    /// The key has changed, or may have: what is here is worth nothing, nor what is being read.
    pub(crate) fn forget(&self, key: &str) {
        self.forget_with(&mut self.reads(key), key);
    }

    /// The same, because the server says so.
    pub(crate) fn told(&self, key: &str) {
        let forgotten = self.forget_with(&mut self.reads(key), key);
        if forgotten.is_some_and(|read| read.kept.unused.load(Ordering::Relaxed)) {
            self.in_vain.insert(self.hash(key), ());
        }
    }

    /// Under the lock, so that nothing comes in between. Returns what was here.
    fn forget_with(&self, reads: &mut Reads, key: &str) -> Option<Read> {
        reads.shut_out(key);
        if let Some(under_way) = reads.under_way.get_mut(key) {
            under_way.heard += 1;
        }
        self.entries.remove(key).map(|(_, read)| read)
    }

    /// All keys may have.
    pub(crate) fn forget_all(&self) {
        for reads in &self.reads {
            let mut reads = reads.lock().unwrap_or_else(PoisonError::into_inner);
            reads.words += 1;
            let word = reads.words;
            for under_way in reads.under_way.values_mut() {
                under_way.word = word;
                under_way.heard += TOO_MANY;
            }
        }
        // What came in after its lock was released was begun after it, too.
        self.entries.clear();
    }

    fn hash(&self, key: &str) -> u64 {
        self.hasher.hash_one(key)
    }

    /// A read or a change has come to its end.
    fn end(&self, key: &str) {
        let mut reads = self.reads(key);
        if let Some(under_way) = reads.under_way.get_mut(key) {
            under_way.users -= 1;
            if under_way.users == 0 {
                reads.under_way.remove(key);
            }
        }
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
        let reads = self.cache.reads(self.key.as_str());
        let under_way = reads.under_way.get(&self.key);
        let fits = under_way.is_some_and(|under_way| under_way.word <= self.began);
        if fits {
            read.kept.begin(now, ends);
            self.cache.entries.insert(self.key.clone(), read.clone());
        }
        fits
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.cache.end(self.key.as_str());
    }
}

impl Changing {
    /// Takes in what was stored at `now`, which lives until `ends`, and which the server has looked at
    /// behind the change; if it is certain that it will tell of the next one.
    pub(crate) fn take_in(mut self, read: &Read, now: Moment, ends: Moment) -> bool {
        let mut reads = self.cache.reads(self.key.as_str());
        // The word about this change; or something before it, and then that word is still to come.
        let fits = reads.heard_about(self.key.as_str()) == self.began + 1;
        if fits {
            // What was read meanwhile may be from before the change, whether its word was handled or not.
            reads.shut_out(self.key.as_str());
            read.kept.begin(now, ends);
            read.kept.unused.store(true, Ordering::Relaxed);
            self.cache.entries.insert(self.key.clone(), read.clone());
        }
        drop(reads);
        self.kept = fits;
        fits
    }

    /// How many words about the key, and other changes of this process's own, there were since it began.
    pub(crate) fn words(&self) -> u64 {
        let reads = self.cache.reads(self.key.as_str());
        reads.heard_about(self.key.as_str()) - self.began
    }
}

impl Reads {
    fn heard_about(&self, key: &str) -> u64 {
        self.under_way
            .get(key)
            .map_or(0, |under_way| under_way.heard)
    }

    /// Lets in nothing that is being read under this key.
    fn shut_out(&mut self, key: &str) {
        self.words += 1;
        if let Some(under_way) = self.under_way.get_mut(key) {
            under_way.word = self.words;
        }
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        if !self.kept {
            // What was read meanwhile may be from before the change.
            self.cache.forget(self.key.as_str());
            self.cache
                .in_vain
                .insert(self.cache.hash(self.key.as_str()), ());
        }
        self.cache.end(self.key.as_str());
    }
}

impl Kept {
    /// Touched at `now`, it lives until `ends`.
    fn begin(&self, now: Moment, ends: Moment) {
        self.ends.store(ends.milliseconds(), Ordering::Relaxed);
        self.touched.store(now.milliseconds(), Ordering::Relaxed);
    }

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
