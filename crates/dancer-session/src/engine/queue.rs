//! Flushes of one session in one process queue behind each other: they would only refuse each
//! other in the store, one round trip at a time. So only processes compete there.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::PoisonError;
use std::time::Instant;

use crossbeam_utils::CachePadded;
use tokio::sync::oneshot;
use tokio::time::timeout_at;

use crate::Error;
use crate::id::SessionId;
use crate::session::Read;
use crate::sync::{Mutex, MutexGuard};

/// One queue for each session that is being flushed just now; no trace of any other. In parts, so that
/// flushes of different sessions need not wait for each other.
#[derive(Default)]
pub(super) struct Queue {
    parts: [CachePadded<Mutex<Lines>>; PARTS],
}

const PARTS: usize = 16;

type Lines = HashMap<SessionId, Line, BuildHasherDefault<Filed>>;

/// Those who wait behind the flush that is under way.
type Line = VecDeque<oneshot::Sender<Latest>>;

/// What the flush before stored, so that the next one starts from there instead of being refused.
type Latest = Option<Read>;

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

impl Queue {
    /// Waits until no other flush of this session is under way here.
    pub(super) async fn turn(&self, id: &SessionId, by: Instant) -> Result<Turn<'_>, Error> {
        let latest = match self.join(id) {
            None => None,
            Some(standing) => Box::pin(standing.until(by)).await?,
        };
        let (queue, id) = (self, id.clone());
        Ok(Turn { queue, id, latest })
    }

    /// `None`: nobody is there, so it is the caller's turn.
    fn join(&self, id: &SessionId) -> Option<Standing<'_>> {
        match self.lines(id).entry(id.clone()) {
            Entry::Vacant(free) => {
                free.insert(Line::new());
                None
            }
            Entry::Occupied(mut line) => {
                let (call, called) = oneshot::channel();
                line.get_mut().push_back(call);
                let (queue, id) = (self, id.clone());
                Some(Standing { queue, id, called })
            }
        }
    }

    /// Ends a turn: the next who still stands there has one.
    fn call_next(&self, id: &SessionId, mut latest: Latest) {
        let mut lines = self.lines(id);
        let Some(line) = lines.get_mut(id) else {
            return;
        };
        while let Some(next) = line.pop_front() {
            match next.send(latest) {
                Ok(()) => return,
                Err(back) => latest = back,
            }
        }
        lines.remove(id);
    }

    /// The part that this session belongs to.
    fn lines(&self, id: &SessionId) -> MutexGuard<'_, Lines> {
        // Not what `Filed` takes: within a part those would be all the same.
        let [.., last] = id.file_number();
        let part = &self.parts[usize::from(last) % PARTS];
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue; given up when dropped.
struct Standing<'q> {
    queue: &'q Queue,
    id: SessionId,
    called: oneshot::Receiver<Latest>,
}

impl Standing<'_> {
    async fn until(mut self, by: Instant) -> Result<Latest, Error> {
        match timeout_at(by.into(), &mut self.called).await {
            Ok(Ok(latest)) => Ok(latest),
            // Nobody leaves the queue without calling the next one, so it is the deadline.
            Ok(Err(_)) | Err(_) => Err(Error::not_applied(format!(
                "session {}: other flushes of it took until the deadline",
                self.id
            ))),
        }
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.called.close();
        // Called, but gone before it could hear it: then it is the next one's turn.
        if let Ok(latest) = self.called.try_recv() {
            self.queue.call_next(&self.id, latest);
        }
    }
}

/// The right to flush one session; ends when dropped.
pub(super) struct Turn<'q> {
    queue: &'q Queue,
    id: SessionId,
    latest: Latest,
}

impl Turn<'_> {
    /// What the flush before this one stored, if it was directly before.
    pub(super) fn latest(&self) -> Option<Read> {
        self.latest.clone()
    }

    /// Tells the next flush what is stored now, if anybody knows.
    pub(super) fn leave_behind(&mut self, read: Option<Read>) {
        self.latest = read;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.queue.call_next(&self.id, self.latest.take());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Layout;
    use crate::id::Entropy;

    fn id() -> SessionId {
        SessionId::generate(&Entropy::default(), Layout::Native).unwrap()
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    fn is_empty(queue: &Queue) -> bool {
        let lines = |part: &CachePadded<Mutex<Lines>>| part.lock().unwrap().len();
        queue.parts.iter().map(lines).sum::<usize>() == 0
    }

    #[tokio::test]
    async fn turns_come_in_line_and_leave_no_trace() {
        let (queue, id) = (Queue::default(), id());
        let first = queue.turn(&id, later()).await.unwrap();
        let (second, third) = (queue.join(&id).unwrap(), queue.join(&id).unwrap());
        drop(queue.turn(&super::tests::id(), later()).await.unwrap());
        drop(first);
        assert!(second.until(later()).await.is_ok());
        // The turn that `until` gave is the test's own to end.
        queue.call_next(&id, None);
        assert!(third.until(later()).await.is_ok());
        queue.call_next(&id, None);
        assert!(is_empty(&queue));
    }

    #[tokio::test]
    async fn who_has_left_the_line_is_passed_over_called_or_not() {
        let (queue, id) = (Queue::default(), id());
        let first = queue.turn(&id, later()).await.unwrap();
        let [left, called, last] = [(); 3].map(|()| queue.join(&id).unwrap());
        drop(left);
        drop(first);
        // Its turn is there, and it does not look any more.
        drop(called);
        assert!(last.until(later()).await.is_ok());
        queue.call_next(&id, None);
        assert!(is_empty(&queue));
    }

    #[tokio::test]
    async fn who_waits_until_the_deadline_has_not_flushed() {
        let (queue, id) = (Queue::default(), id());
        let first = queue.turn(&id, later()).await.unwrap();
        let soon = Instant::now() + Duration::from_millis(10);
        let late = queue.turn(&id, soon).await.err().unwrap();
        assert!(late.is_unavailable() && !late.is_unknown(), "{late}");
        drop(first);
        assert!(is_empty(&queue));
    }
}
