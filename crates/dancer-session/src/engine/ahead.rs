//! What an engine without threads has sent and nobody waits for. A task of the runtime's would cost more
//! than the command itself, and can't move before the next call either.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Waker};

/// Something that only has to be polled until it ends.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
pub(super) struct Ahead(Mutex<Vec<Work>>);

impl Ahead {
    /// Keeps what was polled once and waits for its answer, which comes with that to the next command.
    pub(super) fn keep(&self, work: Work) {
        let before = {
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let room = Vec::with_capacity(1);
            let before = std::mem::replace(&mut *waiting, room);
            waiting.push(work);
            before
        };
        let mut context = Context::from_waker(Waker::noop());
        for mut work in before {
            // There was a command since: it waits for something else, such as a connection.
            if work.as_mut().poll(&mut context).is_pending() {
                tokio::spawn(work);
            }
        }
    }
}
