//! Sessions out of the cache, and into it; what this process does itself, the cache forgets here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::SessionEngine;
use crate::cache::{Cache, Changing, Reading};
use crate::layout::{Content, Document, Key};
use crate::lifetime::Moment;
use crate::session::{Read, Session};
use crate::store::Replace;
use crate::{Error, RedisStore};

impl SessionEngine {
    /// A session that was read before and has not changed since, nor ended.
    pub(super) fn cached(&self, key: &Key) -> Option<Session> {
        let cache = self.cache()?;
        let read = cache.get(key.as_str())?;
        let now = self.here.clock.now();
        let due = self.limit(&read.document, now);
        let Some(due) = due.filter(|_| read.kept.is_alive(now)) else {
            cache.forget(key.as_str());
            return None;
        };
        let interval = self.touch_interval(true).as_millis();
        let interval = u64::try_from(interval).unwrap_or(u64::MAX);
        if read.kept.is_to_be_touched(now, interval, now.plus(due)) {
            self.touch_later(key.clone(), due);
        }
        Some(Session::stored(self, read))
    }

    /// How much idle time may go by before a key is touched: for what is `kept` that would be written to
    /// the server at each use, and make every other process forget the session.
    pub(super) fn touch_interval(&self, kept: bool) -> Duration {
        let settings = &self.here.settings;
        match kept {
            true => settings.touch_interval.max(settings.expire / 10),
            false => settings.touch_interval,
        }
    }

    /// To be called before a key is read. `None`: what is read is not to be kept.
    pub(super) fn begin_reading(&self, key: &Key) -> Option<Reading> {
        self.cache()?.begin(key)
    }

    /// Keeps what was read of a session that is `due` to live so long after a use, and whose key had
    /// so much `left`.
    pub(super) fn keep(
        &self,
        reading: Option<Reading>,
        read: &Read,
        now: Moment,
        due: Duration,
        left: Duration,
    ) {
        if let Some(reading) = reading {
            let (touched, ends) = moments(due, left, now);
            reading.take_in(read, touched, ends);
        }
    }

    /// Held while this process changes what is under a key: whatever was read before that, or is read
    /// meanwhile, is not kept. The server tells us, too, but who has the answer to a change need not
    /// have its word yet.
    pub(super) fn begin_change(&self, key: &Key) -> Option<Changing> {
        let cache = self.here.cache.as_ref()?;
        Some(cache.begin_change(key))
    }

    /// Replaces what was read by what is to be stored, which lives for `ttl`, or as long as it did; and
    /// keeps that, if there is a cache.
    pub(super) async fn replace_read(
        &self,
        read: &Read,
        new: &Read,
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Replace, Error> {
        match self.here.cache.as_ref().zip(self.here.redis.as_ref()) {
            None => {
                let (key, read) = (&read.key, &read.payload);
                self.replace(key, read, &new.payload, ttl, by).await
            }
            // Apart, as few have one.
            Some(both) => Box::pin(self.replace_and_keep(both, read, new, ttl, by)).await,
        }
    }

    /// What is about to be stored, as a read would bring it, if it may be kept: not together with all
    /// that it was made of.
    pub(super) fn as_kept(&self, key: &Key, payload: &Bytes, document: Document) -> Document {
        let both = self.here.cache.as_ref().zip(self.here.redis.as_ref());
        if !both.is_some_and(|(_, redis)| redis.may_look(payload)) {
            return document;
        }
        match self.decode(key, payload) {
            Ok(Content::Session(read)) => read,
            _ => document,
        }
    }

    async fn replace_and_keep(
        &self,
        (cache, redis): (&Arc<Cache>, &Arc<RedisStore>),
        read: &Read,
        new: &Read,
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Replace, Error> {
        let (key, payload) = (&new.key, &new.payload);
        let now = self.here.clock.now();
        let changing = cache.begin_change(key);
        // In two boxes: what is longer than 1032 bytes, glibc does not keep at hand.
        let replaced = redis.replace_and_look(key, &read.payload, payload, ttl, by);
        match Box::pin(replaced).await {
            Ok((Replace::Replaced, left)) => {
                if let (Some(left), Some(due)) = (left, self.limit(&new.document, now)) {
                    let (touched, ends) = moments(due, left, now);
                    changing.take_in(new, touched, ends);
                }
                Ok(Replace::Replaced)
            }
            Ok((outcome, _)) => Ok(outcome),
            Err(error) if self.is_foreign(&error, key) => Ok(Replace::Gone),
            Err(error) => Err(error),
        }
    }

    /// The cache, as long as the server would tell if anything in it had changed.
    fn cache(&self) -> Option<&Arc<Cache>> {
        let (cache, redis) = (self.here.cache.as_ref()?, self.here.redis.as_ref()?);
        redis.hears().then_some(cache)
    }
}

/// When a key was touched that has so much `left` at `now`, of a session `due` to live so long after a
/// use; and when that ends.
fn moments(due: Duration, left: Duration, now: Moment) -> (Moment, Moment) {
    let left = left.min(due);
    (now.minus(due - left), now.plus(left))
}
