//! A store in memory whose steps can be told apart by whoever chooses what runs when.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use dancer_session::{
    Clock, Create, Enlistment, Error, Key, MemoryStore, Renew, Renewal, Replace, Retrieved, Store,
    Touch,
};
use tokio::task::yield_now;

/// Gives up the processor before and after each step, so that a request can be dropped, or another
/// task go on, at each of these moments.
#[derive(Clone)]
pub(crate) struct Hesitant(Arc<(MemoryStore, AtomicUsize)>);

impl Hesitant {
    pub(crate) fn new() -> Self {
        let memory = MemoryStore::new(Clock::default());
        Self(Arc::new((memory, AtomicUsize::new(0))))
    }

    /// How many steps were begun so far.
    #[allow(dead_code, reason = "only `shuttled` counts them")]
    pub(crate) fn steps(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

/// Writes a method of the trait that hesitates, does it, and hesitates again.
macro_rules! hesitate {
    ($self:ident . $method:ident ( $($argument:expr),* )) => {{
        $self.0.1.fetch_add(1, Ordering::SeqCst);
        yield_now().await;
        let outcome = $self.0.0.$method($($argument),*).await;
        yield_now().await;
        outcome
    }};
}

impl Store for Hesitant {
    async fn retrieve(
        &self,
        key: &Key,
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Option<Retrieved>, Error> {
        hesitate!(self.retrieve(key, ttl, by))
    }

    async fn peek(&self, key: &Key, by: Instant) -> Result<Option<(Bytes, Duration)>, Error> {
        hesitate!(self.peek(key, by))
    }

    async fn create(
        &self,
        key: &Key,
        payload: &[u8],
        ttl: Duration,
        by: Instant,
    ) -> Result<Create, Error> {
        hesitate!(self.create(key, payload, ttl, by))
    }

    async fn replace(
        &self,
        key: &Key,
        read: &[u8],
        payload: &[u8],
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Replace, Error> {
        hesitate!(self.replace(key, read, payload, ttl, by))
    }

    async fn renew(&self, renewal: Renewal<'_>, by: Instant) -> Result<Renew, Error> {
        hesitate!(self.renew(renewal, by))
    }

    async fn touch(&self, key: &Key, ttl: Duration, by: Instant) -> Result<Touch, Error> {
        hesitate!(self.touch(key, ttl, by))
    }

    async fn look(&self, keys: &[Key], by: Instant) -> Result<Vec<Option<Bytes>>, Error> {
        hesitate!(self.look(keys, by))
    }

    async fn enlist(&self, enlistment: Enlistment<'_>, by: Instant) -> Result<Vec<String>, Error> {
        hesitate!(self.enlist(enlistment, by))
    }

    async fn delist(&self, index: &Key, member: &str, by: Instant) -> Result<(), Error> {
        hesitate!(self.delist(index, member, by))
    }

    async fn members(&self, index: &Key, by: Instant) -> Result<Vec<String>, Error> {
        hesitate!(self.members(index, by))
    }

    fn place(&self) -> String {
        self.0.0.place()
    }
}
