//! Work that goes on to its end even when nobody waits for it any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Runs `work` in the caller's task, without a hop to another one. If the caller is dropped before
/// the end (a client that hung up), the rest is done by a task of its own.
///
/// Not yet begun, it is not done: a future that is never polled does nothing.
pub(crate) async fn run_to_end<F>(work: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut guard = Guard(Some(Box::pin(work)));
    std::future::poll_fn(|context| guard.poll(context)).await
}

struct Guard<F: Future<Output: Send> + Send + 'static>(Option<Pin<Box<F>>>);

impl<F: Future<Output: Send> + Send + 'static> Guard<F> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        // Taken out while it runs: if it panics, it is not run again.
        let Some(mut work) = self.0.take() else {
            return Poll::Pending;
        };
        let done = work.as_mut().poll(context);
        if done.is_pending() {
            self.0 = Some(work);
        }
        done
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Guard<F> {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and with it every future.
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}
