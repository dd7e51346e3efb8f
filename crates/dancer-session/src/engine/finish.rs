//! Work that goes on to its end even when nobody waits for it any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Runs `work` in the caller's task, without a hop to another one. If the caller is dropped before
/// the end (a client that hung up), the rest is done by a task of its own.
///
/// Not yet begun, it is not done: a future that is never polled does nothing.
pub(crate) fn run_to_end<F>(work: F) -> RunToEnd<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    // Boxed at once: the caller's own future has room for the box, and not for the work as well.
    RunToEnd {
        work: Some(Box::pin(work)),
        begun: false,
    }
}

/// The future of [`run_to_end`].
pub(crate) struct RunToEnd<F: Future<Output: Send> + Send + 'static> {
    work: Option<Pin<Box<F>>>,
    begun: bool,
}

impl<F: Future<Output: Send> + Send + 'static> Future for RunToEnd<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.begun = true;
        // Taken out while it runs: if it panics, it is not run again.
        let Some(mut work) = self.work.take() else {
            return Poll::Pending;
        };
        let done = work.as_mut().poll(context);
        if done.is_pending() {
            self.work = Some(work);
        }
        done
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for RunToEnd<F> {
    fn drop(&mut self) {
        let work = self.work.take().filter(|_| self.begun);
        // Without a runtime the process is ending, and with it every future.
        if let (Some(work), Ok(runtime)) = (work, Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}
