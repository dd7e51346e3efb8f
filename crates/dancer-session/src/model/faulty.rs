//! A store whose replies get lost, at the moment that a test chooses.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::store::ErasedStore;
use crate::{Create, Enlistment, Error, Key, Renew, Renewal, Replace, Retrieved, Store, Touch};

/// What happens on the way to the store, from the next change on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Net {
    #[default]
    Well,
    /// The change is carried out, its reply is lost, and all is well again.
    ReplyLost,
    /// The change itself is lost.
    RequestLost,
    /// As `ReplyLost`, and the store can't be reached any more.
    CutAfter,
    CutBefore,
    /// The store can't be reached.
    Down,
}

pub(super) struct Faulty {
    store: Arc<dyn ErasedStore>,
    net: Arc<Mutex<Net>>,
}

impl Faulty {
    pub(super) fn new(store: Arc<dyn ErasedStore>, net: Arc<Mutex<Net>>) -> Self {
        Self { store, net }
    }

    fn net(&self, next: impl FnOnce(Net) -> Net) -> Net {
        let mut net = self.net.lock().unwrap_or_else(PoisonError::into_inner);
        let now = *net;
        *net = next(now);
        now
    }

    async fn change<T>(
        &self,
        step: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        let net = self.net(|net| match net {
            Net::Well | Net::ReplyLost | Net::RequestLost => Net::Well,
            Net::CutAfter | Net::CutBefore | Net::Down => Net::Down,
        });
        match net {
            Net::Well => return step.await,
            Net::ReplyLost | Net::CutAfter => drop(step.await?),
            Net::RequestLost | Net::CutBefore => {}
            Net::Down => return Err(Error::not_applied("the test's store is down")),
        }
        Err(Error::unknown("the test has lost the reply"))
    }

    fn is_there(&self) -> Result<(), Error> {
        match self.net(|net| net) {
            Net::Down => Err(Error::not_applied("the test's store is down")),
            _ => Ok(()),
        }
    }
}

impl Store for Faulty {
    async fn retrieve(
        &self,
        key: &Key,
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Option<Retrieved>, Error> {
        self.is_there()?;
        self.store.retrieve(key, ttl, by).await
    }

    async fn peek(&self, key: &Key, by: Instant) -> Result<Option<(Bytes, Duration)>, Error> {
        self.is_there()?;
        self.store.peek(key, by).await
    }

    async fn create(
        &self,
        key: &Key,
        payload: &[u8],
        ttl: Duration,
        by: Instant,
    ) -> Result<Create, Error> {
        self.change(self.store.create(key, payload, ttl, by)).await
    }

    async fn replace(
        &self,
        key: &Key,
        read: &[u8],
        payload: &[u8],
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Replace, Error> {
        self.change(self.store.replace(key, read, payload, ttl, by))
            .await
    }

    async fn renew(&self, renewal: Renewal<'_>, by: Instant) -> Result<Renew, Error> {
        self.change(self.store.renew(renewal, by)).await
    }

    // Nobody waits for a touch, so nobody asks what became of it.
    async fn touch(&self, key: &Key, ttl: Duration, by: Instant) -> Result<Touch, Error> {
        self.store.touch(key, ttl, by).await
    }

    async fn look(&self, keys: &[Key], by: Instant) -> Result<Vec<Option<Bytes>>, Error> {
        self.is_there()?;
        self.store.look(keys, by).await
    }

    async fn enlist(&self, enlistment: Enlistment<'_>, by: Instant) -> Result<Vec<String>, Error> {
        self.is_there()?;
        self.store.enlist(enlistment, by).await
    }

    async fn delist(&self, index: &Key, member: &str, by: Instant) -> Result<(), Error> {
        self.store.delist(index, member, by).await
    }

    async fn members(&self, index: &Key, by: Instant) -> Result<Vec<String>, Error> {
        self.is_there()?;
        self.store.members(index, by).await
    }

    fn place(&self) -> String {
        self.store.place()
    }
}
