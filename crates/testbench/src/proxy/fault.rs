//! Faults that happen to single requests, or to their replies.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// What happens to a request, or to its reply.
///
/// Requests and replies are the bytes between two turns of the line: a pipeline is one request, and
/// so are its replies. A fault finds the reply that it is meant for if its connection waits for no
/// other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server acts; its reply is thrown away, and the connection is closed.
    LoseReply,
    /// So many bytes of the request reach the server, then the connection is closed. A request that
    /// is shorter passes unharmed.
    CutRequest(usize),
    /// The server acts; so many bytes of its reply reach the client, then the connection is closed.
    CutReply(usize),
    /// The reply begins with a byte with which no reply begins.
    Malform,
    /// The reply comes twice.
    Duplicate,
    /// After the reply comes another one, which nobody has asked for.
    Extra(&'static [u8]),
}

pub(super) type Predicate = dyn Fn(&[u8]) -> bool + Send + Sync;

/// A fault that waits for its requests.
pub(super) struct Order {
    pub(super) fault: Fault,
    pub(super) predicate: Box<Predicate>,
    pub(super) left: usize,
    /// Whether no connection is taken any more once it has happened.
    pub(super) closes: bool,
}

/// All that is ordered, and what has happened.
#[derive(Default)]
pub(super) struct Orders {
    order: Mutex<Option<Order>>,
    pub(super) hits: AtomicUsize,
    watched: Mutex<Option<Watched>>,
}

/// A request whose length, and that of its reply, somebody wants to know.
struct Watched {
    predicate: Box<Predicate>,
    lengths: Option<(usize, usize)>,
}

/// What is to happen to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) fault: Fault,
    pub(super) closes: bool,
}

impl Orders {
    pub(super) fn put(&self, order: Order) {
        *self.order() = Some(order);
    }

    /// What is to happen to this request.
    pub(super) fn judge(&self, request: &[u8]) -> Option<Fate> {
        let mut order = self.order();
        let order = order.as_mut().filter(|order| order.left > 0)?;
        if !(order.predicate)(request) {
            return None;
        }
        order.left -= 1;
        let Order { fault, closes, .. } = *order;
        match fault {
            Fault::CutRequest(length) if length > request.len() => None,
            _ => Some(Fate { fault, closes }),
        }
    }

    pub(super) fn happened(&self) {
        self.hits.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn watch(&self, predicate: Box<Predicate>) {
        let lengths = None;
        *self.watched() = Some(Watched { predicate, lengths });
    }

    /// The lengths of the last request that was watched, and of what came back since.
    pub(super) fn lengths(&self) -> Option<(usize, usize)> {
        self.watched().as_ref().and_then(|watched| watched.lengths)
    }

    /// Notes a request; `true` if its reply is to be noted too.
    pub(super) fn note(&self, request: &[u8]) -> bool {
        let mut watched = self.watched();
        match watched.as_mut() {
            Some(watched) if (watched.predicate)(request) => {
                watched.lengths = Some((request.len(), 0));
                true
            }
            _ => false,
        }
    }

    pub(super) fn note_reply(&self, length: usize) {
        if let Some((_, reply)) = self.watched().as_mut().and_then(|it| it.lengths.as_mut()) {
            *reply += length;
        }
    }

    fn order(&self) -> MutexGuard<'_, Option<Order>> {
        self.order.lock().expect("no predicate has panicked")
    }

    fn watched(&self) -> MutexGuard<'_, Option<Watched>> {
        self.watched.lock().expect("no predicate has panicked")
    }
}
