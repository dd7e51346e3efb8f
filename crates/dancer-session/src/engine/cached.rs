//! Sessions out of the cache, and into it; what this process does itself, the cache forgets here.

use std::sync::Arc;
use std::time::Duration;

use super::SessionEngine;
use crate::cache::{Cache, Reading};
use crate::id::SessionId;
use crate::layout::Key;
use crate::lifetime::Moment;
use crate::session::{Read, Session};

impl SessionEngine {
    /// A session that was read before and has not changed since, nor ended.
    pub(super) fn cached(&self, id: &str) -> Option<Session> {
        let cache = self.cache()?;
        let id = SessionId::parse(id, self.here.codec.layout)?;
        let key = self.key(&id);
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
            self.touch_later(key, due);
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
        self.cache()?.begin(key.as_str())
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
            let left = left.min(due);
            let touched = now.minus(due - left);
            reading.take_in(read, touched, now.plus(left));
        }
    }

    /// Held while this process changes what is under a key: whatever was read before that, or is read
    /// meanwhile, is not kept. The server tells us, too, but who has the answer to a change need not
    /// have its word yet.
    pub(super) fn forgetting(&self, key: &Key) -> Option<Forgetting> {
        let cache = self.here.cache.as_ref()?;
        cache.forget(key.as_str());
        Some(Forgetting {
            cache: Arc::clone(cache),
            key: key.as_str().into(),
        })
    }

    /// The cache, as long as the server would tell if anything in it had changed.
    fn cache(&self) -> Option<&Arc<Cache>> {
        let (cache, redis) = (self.here.cache.as_ref()?, self.here.redis.as_ref()?);
        redis.hears().then_some(cache)
    }
}

/// See [`SessionEngine::forgetting`].
pub(super) struct Forgetting {
    cache: Arc<Cache>,
    key: Box<str>,
}

impl Drop for Forgetting {
    fn drop(&mut self) {
        self.cache.forget_own(&self.key);
    }
}
