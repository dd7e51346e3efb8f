//! Three stores that break their contract, as engines in the wild do. They are there to be found.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::faulty::Faulty;
use super::world::EXPIRE;
use crate::{Create, Enlistment, Error, Key, Renew, Renewal, Replace, Retrieved, Store, Touch};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Writes over whatever is there, instead of comparing first.
    BlindSet,
    /// Writes what is gone back into being.
    FlushCreates,
    /// Takes the old key away first, and makes the new one then.
    RenewDeletesFirst,
}

pub(super) struct Broken {
    pub(super) store: Faulty,
    pub(super) fault: Fault,
}

impl Store for Broken {
    async fn retrieve(
        &self,
        key: &Key,
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Option<Retrieved>, Error> {
        self.store.retrieve(key, ttl, by).await
    }

    async fn peek(&self, key: &Key, by: Instant) -> Result<Option<(Bytes, Duration)>, Error> {
        self.store.peek(key, by).await
    }

    async fn create(
        &self,
        key: &Key,
        payload: &[u8],
        ttl: Duration,
        by: Instant,
    ) -> Result<Create, Error> {
        self.store.create(key, payload, ttl, by).await
    }

    async fn replace(
        &self,
        key: &Key,
        read: &[u8],
        payload: &[u8],
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Replace, Error> {
        if self.fault == Fault::BlindSet {
            return match self.store.peek(key, by).await? {
                Some((there, _)) => self.store.replace(key, &there, payload, ttl, by).await,
                None => Ok(Replace::Gone),
            };
        }
        match self.store.replace(key, read, payload, ttl, by).await? {
            Replace::Gone if self.fault == Fault::FlushCreates => {
                let ttl = ttl.unwrap_or(Duration::from_secs(EXPIRE));
                let _ = self.store.create(key, payload, ttl, by).await?;
                Ok(Replace::Replaced)
            }
            answer => Ok(answer),
        }
    }

    async fn renew(&self, renewal: Renewal<'_>, by: Instant) -> Result<Renew, Error> {
        if self.fault != Fault::RenewDeletesFirst {
            return self.store.renew(renewal, by).await;
        }
        let Renewal {
            old,
            read,
            stub,
            stub_ttl,
            new,
            payload,
            ttl,
        } = renewal;
        // In the end all is as it should be, unless something comes in between.
        match self
            .store
            .replace(old, read, stub, Some(stub_ttl), by)
            .await?
        {
            Replace::Replaced => {}
            Replace::Changed(there) => return Ok(Renew::Changed(there)),
            Replace::Gone => return Ok(Renew::Gone),
        }
        Ok(match self.store.create(new, payload, ttl, by).await? {
            Create::Created => Renew::Renewed,
            Create::Exists => Renew::Exists,
        })
    }

    async fn touch(&self, key: &Key, ttl: Duration, by: Instant) -> Result<Touch, Error> {
        self.store.touch(key, ttl, by).await
    }

    async fn look(&self, keys: &[Key], by: Instant) -> Result<Vec<Option<Bytes>>, Error> {
        self.store.look(keys, by).await
    }

    async fn enlist(&self, enlistment: Enlistment<'_>, by: Instant) -> Result<Vec<String>, Error> {
        self.store.enlist(enlistment, by).await
    }

    async fn delist(&self, index: &Key, member: &str, by: Instant) -> Result<(), Error> {
        self.store.delist(index, member, by).await
    }

    async fn members(&self, index: &Key, by: Instant) -> Result<Vec<String>, Error> {
        self.store.members(index, by).await
    }

    fn place(&self) -> String {
        self.store.place()
    }
}
