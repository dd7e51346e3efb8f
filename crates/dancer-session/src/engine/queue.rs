//! Flushes of one session in one process queue behind each other: they would only refuse each
//! other in the store, one round trip at a time. So only processes compete there.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use crossbeam_utils::CachePadded;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::timeout_at;

use crate::Error;
use crate::id::SessionId;
use crate::session::Read;
use crate::sync::{Mutex, MutexGuard};

/// One queue for each session that is being flushed just now; no trace of any other. In parts, so that
/// flushes of different sessions need not wait for each other.
#[derive(Default)]
pub(super) struct Queue {
    turns: [CachePadded<Mutex<Turns>>; PARTS],
}

const PARTS: usize = 16;

type Turns = HashMap<SessionId, Arc<AsyncMutex<Latest>>, BuildHasherDefault<Filed>>;

/// Takes the number that an id is filed under for its hash: it is one.
#[derive(Default)]
struct Filed(u64);

impl Hasher for Filed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        debug_assert_eq!(bytes.len(), 16, "the number of an id");
        let mut number = [0; 8];
        number.copy_from_slice(&bytes[..8]);
        self.0 = u64::from_ne_bytes(number);
    }
}

/// What the flush before stored, so that the next one starts from there instead of being refused.
type Latest = Option<Read>;

impl Queue {
    /// Waits until no other flush of this session is under way here.
    pub(super) async fn turn(&self, id: &SessionId, by: Instant) -> Result<Turn<'_>, Error> {
        let queue = Arc::clone(self.turns(id).entry(id.clone()).or_default());
        let latest = match Arc::clone(&queue).try_lock_owned() {
            Ok(latest) => Ok(latest),
            Err(_) => Box::pin(timeout_at(by.into(), queue.lock_owned())).await,
        };
        match latest {
            Ok(latest) => Ok(Turn {
                queue: self,
                id: id.clone(),
                latest: Some(latest),
            }),
            Err(_) => {
                self.leave(id);
                Err(Error::not_applied(format!(
                    "session {id}: other flushes of it took until the deadline"
                )))
            }
        }
    }

    /// Forgets the queue of a session if nobody stands in it.
    fn leave(&self, id: &SessionId) {
        let mut turns = self.turns(id);
        // Whoever is in the queue holds a clone, made under the lock that is held here.
        if turns
            .get(id)
            .is_some_and(|queue| Arc::strong_count(queue) == 1)
        {
            turns.remove(id);
        }
    }

    /// The part that this session belongs to.
    fn turns(&self, id: &SessionId) -> MutexGuard<'_, Turns> {
        // Not what `Filed` takes: within a part those would be all the same.
        let [.., last] = id.file_number();
        let part = &self.turns[usize::from(last) % PARTS];
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to flush one session; ends when dropped.
pub(super) struct Turn<'q> {
    queue: &'q Queue,
    id: SessionId,
    latest: Option<OwnedMutexGuard<Latest>>,
}

impl Turn<'_> {
    /// What the flush before this one stored, if it was directly before.
    pub(super) fn latest(&self) -> Option<Read> {
        self.latest.as_ref().and_then(|latest| (**latest).clone())
    }

    /// Tells the next flush what is stored now, if anybody knows.
    pub(super) fn leave_behind(&mut self, read: Option<Read>) {
        if let Some(latest) = &mut self.latest {
            **latest = read;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.latest = None;
        self.queue.leave(&self.id);
    }
}
