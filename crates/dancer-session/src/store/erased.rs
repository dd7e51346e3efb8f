//! A store whose type is forgotten, so that the kind of store can be chosen at run time and
//! `Session` needs no type parameter. The price is one small allocation for each step.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Create, Enlistment, Renew, Renewal, Replace, Retrieved, Store, Touch};
use crate::{Error, Key};

type Step<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;
type Peeked = Option<(Bytes, Duration)>;

/// [`Store`] with its futures boxed; every store is one.
pub(crate) trait ErasedStore: Send + Sync {
    fn retrieve<'a>(
        &'a self,
        key: &'a Key,
        ttl: Option<Duration>,
        by: Instant,
    ) -> Step<'a, Option<Retrieved>>;
    fn peek<'a>(&'a self, key: &'a Key, by: Instant) -> Step<'a, Peeked>;
    fn create<'a>(
        &'a self,
        key: &'a Key,
        payload: &'a [u8],
        ttl: Duration,
        by: Instant,
    ) -> Step<'a, Create>;
    fn replace<'a>(
        &'a self,
        key: &'a Key,
        read: &'a [u8],
        payload: &'a [u8],
        ttl: Option<Duration>,
        by: Instant,
    ) -> Step<'a, Replace>;
    fn renew<'a>(&'a self, renewal: Renewal<'a>, by: Instant) -> Step<'a, Renew>;
    fn touch<'a>(&'a self, key: &'a Key, ttl: Duration, by: Instant) -> Step<'a, Touch>;
    fn look<'a>(&'a self, keys: &'a [Key], by: Instant) -> Step<'a, Vec<Option<Bytes>>>;
    fn enlist<'a>(&'a self, enlistment: Enlistment<'a>, by: Instant) -> Step<'a, Vec<String>>;
    fn delist<'a>(&'a self, index: &'a Key, member: &'a str, by: Instant) -> Step<'a, ()>;
    fn members<'a>(&'a self, index: &'a Key, by: Instant) -> Step<'a, Vec<String>>;
    fn distrust(&self);
    fn place(&self) -> String;
}

impl<S: Store> ErasedStore for S {
    fn retrieve<'a>(
        &'a self,
        key: &'a Key,
        ttl: Option<Duration>,
        by: Instant,
    ) -> Step<'a, Option<Retrieved>> {
        Box::pin(Store::retrieve(self, key, ttl, by))
    }

    fn peek<'a>(&'a self, key: &'a Key, by: Instant) -> Step<'a, Peeked> {
        Box::pin(Store::peek(self, key, by))
    }

    fn create<'a>(
        &'a self,
        key: &'a Key,
        payload: &'a [u8],
        ttl: Duration,
        by: Instant,
    ) -> Step<'a, Create> {
        Box::pin(Store::create(self, key, payload, ttl, by))
    }

    fn replace<'a>(
        &'a self,
        key: &'a Key,
        read: &'a [u8],
        payload: &'a [u8],
        ttl: Option<Duration>,
        by: Instant,
    ) -> Step<'a, Replace> {
        Box::pin(Store::replace(self, key, read, payload, ttl, by))
    }

    fn renew<'a>(&'a self, renewal: Renewal<'a>, by: Instant) -> Step<'a, Renew> {
        Box::pin(Store::renew(self, renewal, by))
    }

    fn touch<'a>(&'a self, key: &'a Key, ttl: Duration, by: Instant) -> Step<'a, Touch> {
        Box::pin(Store::touch(self, key, ttl, by))
    }

    fn look<'a>(&'a self, keys: &'a [Key], by: Instant) -> Step<'a, Vec<Option<Bytes>>> {
        Box::pin(Store::look(self, keys, by))
    }

    fn enlist<'a>(&'a self, enlistment: Enlistment<'a>, by: Instant) -> Step<'a, Vec<String>> {
        Box::pin(Store::enlist(self, enlistment, by))
    }

    fn delist<'a>(&'a self, index: &'a Key, member: &'a str, by: Instant) -> Step<'a, ()> {
        Box::pin(Store::delist(self, index, member, by))
    }

    fn members<'a>(&'a self, index: &'a Key, by: Instant) -> Step<'a, Vec<String>> {
        Box::pin(Store::members(self, index, by))
    }

    fn distrust(&self) {
        Store::distrust(self);
    }

    fn place(&self) -> String {
        Store::place(self)
    }
}
