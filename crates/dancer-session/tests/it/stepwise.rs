//! A store that takes each step only when a test says so, and a walk over all orders of the steps of two
//! requests.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dancer_session::{
    Create, Enlistment, Error, Key, Renew, Renewal, Replace, Retrieved, Store, Touch,
};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// Forwards to a store, one step at a time.
#[derive(Clone)]
pub(crate) struct Stepwise<S> {
    store: Arc<S>,
    turns: Arc<Turns>,
}

/// The steps of one request, and whoever lets it take them.
pub(crate) struct Turns {
    allowed: Semaphore,
    /// How many steps wait to be allowed, and how many were taken.
    seen: watch::Sender<(usize, usize)>,
    free: AtomicBool,
}

impl<S> Stepwise<S> {
    pub(crate) fn new(store: &Arc<S>) -> (Self, Arc<Turns>) {
        let turns = Arc::new(Turns {
            allowed: Semaphore::new(0),
            seen: watch::Sender::new((0, 0)),
            free: AtomicBool::new(true),
        });
        let store = Arc::clone(store);
        let this = Self {
            store,
            turns: Arc::clone(&turns),
        };
        (this, turns)
    }

    async fn step<T>(&self, step: impl Future<Output = T>) -> T {
        let turns = &self.turns;
        if turns.free.load(Ordering::SeqCst) {
            return step.await;
        }
        turns.seen.send_modify(|(waiting, _)| *waiting += 1);
        turns.allowed.acquire().await.unwrap().forget();
        let outcome = step.await;
        turns.seen.send_modify(|(waiting, taken)| {
            *waiting -= 1;
            *taken += 1;
        });
        outcome
    }
}

impl Turns {
    /// From now on nothing happens without [`take`](Self::take).
    pub(crate) fn hold(&self) {
        self.free.store(false, Ordering::SeqCst);
    }

    /// Lets everything happen, also what waits.
    pub(crate) fn release(&self) {
        self.free.store(true, Ordering::SeqCst);
        self.allowed.add_permits(1000);
    }

    /// Whether the request wants to take a step; `false` when it has come to its end instead.
    pub(crate) async fn wants<T>(&self, request: &JoinHandle<T>) -> bool {
        loop {
            if self.seen.borrow().0 > 0 {
                return true;
            }
            if request.is_finished() {
                return false;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Lets one step happen, and waits for it.
    pub(crate) async fn take(&self) {
        let mut seen = self.seen.subscribe();
        let taken = seen.borrow().1;
        self.allowed.add_permits(1);
        seen.wait_for(|now| now.1 > taken).await.unwrap();
    }
}

/// All orders in which two requests can take their steps, found one after the other: `true` is a step
/// of the first one. Without knowing how many steps each has.
#[derive(Default)]
pub(crate) struct Orders {
    order: Vec<(bool, bool)>,
    at: usize,
    pub(crate) seen: usize,
}

impl Orders {
    /// Whose step is next, if both want to take one.
    pub(crate) fn first(&mut self) -> bool {
        if self.at == self.order.len() {
            self.order.push((true, true));
        }
        self.at += 1;
        self.order[self.at - 1].0
    }

    /// On to the next order; `false`: these were all.
    pub(crate) fn next(&mut self) -> bool {
        self.seen += 1;
        self.at = 0;
        while let Some((first, open)) = self.order.pop() {
            if open {
                self.order.push((!first, false));
                return true;
            }
        }
        false
    }
}

type Bytes = bytes::Bytes;

impl<S: Store> Store for Stepwise<S> {
    async fn retrieve(
        &self,
        key: &Key,
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Option<Retrieved>, Error> {
        self.step(self.store.retrieve(key, ttl, by)).await
    }

    async fn peek(&self, key: &Key, by: Instant) -> Result<Option<(Bytes, Duration)>, Error> {
        self.step(self.store.peek(key, by)).await
    }

    async fn create(
        &self,
        key: &Key,
        payload: &[u8],
        ttl: Duration,
        by: Instant,
    ) -> Result<Create, Error> {
        self.step(self.store.create(key, payload, ttl, by)).await
    }

    async fn replace(
        &self,
        key: &Key,
        read: &[u8],
        payload: &[u8],
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Replace, Error> {
        self.step(self.store.replace(key, read, payload, ttl, by))
            .await
    }

    async fn renew(&self, renewal: Renewal<'_>, by: Instant) -> Result<Renew, Error> {
        self.step(self.store.renew(renewal, by)).await
    }

    async fn touch(&self, key: &Key, ttl: Duration, by: Instant) -> Result<Touch, Error> {
        self.step(self.store.touch(key, ttl, by)).await
    }

    async fn look(&self, keys: &[Key], by: Instant) -> Result<Vec<Option<Bytes>>, Error> {
        self.step(self.store.look(keys, by)).await
    }

    async fn enlist(&self, enlistment: Enlistment<'_>, by: Instant) -> Result<Vec<String>, Error> {
        self.step(self.store.enlist(enlistment, by)).await
    }

    async fn delist(&self, index: &Key, member: &str, by: Instant) -> Result<(), Error> {
        self.step(self.store.delist(index, member, by)).await
    }

    async fn members(&self, index: &Key, by: Instant) -> Result<Vec<String>, Error> {
        self.step(self.store.members(index, by)).await
    }

    fn place(&self) -> String {
        self.store.place()
    }
}
