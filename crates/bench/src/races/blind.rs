//! A store that breaks its contract: it writes over whatever is there. The races have to find that.

use std::time::{Duration, Instant};

use bytes::Bytes;
use dancer_session::{
    Create, Enlistment, Error, Key, RedisStore, Renew, Renewal, Replace, Retrieved, Store, Touch,
};

pub(super) struct Blind(pub(super) RedisStore);

impl Store for Blind {
    async fn replace(
        &self,
        key: &Key,
        _read: &[u8],
        payload: &[u8],
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Replace, Error> {
        match self.0.peek(key, by).await? {
            Some((there, _)) => self.0.replace(key, &there, payload, ttl, by).await,
            None => Ok(Replace::Gone),
        }
    }

    async fn retrieve(
        &self,
        key: &Key,
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Option<Retrieved>, Error> {
        self.0.retrieve(key, ttl, by).await
    }

    async fn peek(&self, key: &Key, by: Instant) -> Result<Option<(Bytes, Duration)>, Error> {
        self.0.peek(key, by).await
    }

    async fn create(
        &self,
        key: &Key,
        payload: &[u8],
        ttl: Duration,
        by: Instant,
    ) -> Result<Create, Error> {
        self.0.create(key, payload, ttl, by).await
    }

    async fn renew(&self, renewal: Renewal<'_>, by: Instant) -> Result<Renew, Error> {
        self.0.renew(renewal, by).await
    }

    async fn touch(&self, key: &Key, ttl: Duration, by: Instant) -> Result<Touch, Error> {
        self.0.touch(key, ttl, by).await
    }

    async fn look(&self, keys: &[Key], by: Instant) -> Result<Vec<Option<Bytes>>, Error> {
        self.0.look(keys, by).await
    }

    async fn enlist(&self, enlistment: Enlistment<'_>, by: Instant) -> Result<Vec<String>, Error> {
        self.0.enlist(enlistment, by).await
    }

    async fn delist(&self, index: &Key, member: &str, by: Instant) -> Result<(), Error> {
        self.0.delist(index, member, by).await
    }

    async fn members(&self, index: &Key, by: Instant) -> Result<Vec<String>, Error> {
        self.0.members(index, by).await
    }

    fn place(&self) -> String {
        self.0.place()
    }
}
