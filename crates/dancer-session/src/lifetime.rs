//! How long a session lives: the idle limit, the absolute limit, and what both leave at a moment.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Settings;
use crate::owner::Owned;

/// Where the engine reads the time of day. The system's clock, unless a test turns its own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// A clock that shows what `now` returns.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(crate) fn now(&self) -> Moment {
        let since = (self.0)().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment(since)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// A moment, as the time since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Duration);

impl Moment {
    pub(crate) fn from_seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Whole seconds since 1970, as payloads hold them.
    pub(crate) fn seconds(self) -> u64 {
        self.0.as_secs()
    }

    /// Whole milliseconds since 1970.
    pub(crate) fn milliseconds(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn minus(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(time))
    }

    pub(crate) fn until(self, later: Moment) -> Duration {
        later.0.saturating_sub(self.0)
    }

    pub(crate) fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

/// The limits of every session of one engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetime {
    expire: Duration,
    lifetime: Option<Duration>,
    renew_grace: Duration,
    timeout: Duration,
}

/// The absolute limit of sessions that have an owner, if no `lifetime` is set.
pub(crate) const OWNED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// So soon after a use another one does not extend: it would move the end by less than anybody notices,
/// and costs the server a sixth to a quarter of what the flush does.
const SAME_USE: Duration = Duration::from_millis(50);

/// By so much the clocks of applications may differ, and the index of an owner still has every
/// session that any of them takes for alive.
const SKEW: Duration = Duration::from_secs(60);

impl Lifetime {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            expire: settings.expire,
            lifetime: settings.lifetime,
            renew_grace: settings.renew_grace,
            timeout: settings.timeout,
        }
    }

    /// Whether there is an absolute limit.
    pub(crate) fn is_limited(&self) -> bool {
        self.lifetime.is_some()
    }

    /// How far a retrieve extends, before it is known what it reads.
    pub(crate) fn of_any(&self) -> Duration {
        self.lifetime
            .map_or(self.expire, |limit| limit.min(self.expire))
    }

    /// What is left at `now` to a session created at `created`, owned as `owned` says, and used just
    /// now; `None` if its absolute limit has passed.
    pub(crate) fn of(
        &self,
        created: Moment,
        owned: Option<&Owned>,
        now: Moment,
    ) -> Option<Duration> {
        let Some(end) = self.end(created, owned) else {
            return Some(self.expire);
        };
        let left = now.until(end);
        // Redis keeps whole milliseconds, and takes 0 for an error.
        (left >= Duration::from_millis(1)).then(|| left.min(self.expire))
    }

    /// When a key that has so much `left` at `now` had all of `expire`.
    pub(crate) fn extended(&self, left: Duration, now: Moment) -> Moment {
        now.minus(self.expire.saturating_sub(left))
    }

    /// Whether `now` belongs to the use of a session whose key had all of `expire` at `extended`: then that
    /// may keep what it has left, instead of being given `ttl`.
    pub(crate) fn is_same_use(&self, extended: Moment, ttl: Duration, now: Moment) -> bool {
        // With little time to live, a little is much.
        let most = SAME_USE.min(self.expire / 1000);
        // Without an absolute limit in sight; and clocks may be set back.
        ttl == self.expire && extended <= now && extended.until(now) <= most
    }

    /// The absolute limit. A session with an owner always has one.
    fn end(&self, created: Moment, owned: Option<&Owned>) -> Option<Moment> {
        match (self.lifetime, owned) {
            (Some(limit), _) => Some(created.plus(limit)),
            (None, Some(owned)) => Some(owned.since.plus(OWNED)),
            (None, None) => None,
        }
    }

    /// How long the index of an owner has to remember a session: as long as that can live, whatever
    /// the uses, and a little more for clocks that differ.
    pub(crate) fn of_member(&self, created: Moment, owned: &Owned, now: Moment) -> Duration {
        let end = self.end(created, Some(owned));
        end.map_or(OWNED, |end| now.until(end)) + SKEW
    }

    /// When a stub made at `now` stops being one, in whole seconds as payloads have them, and how
    /// long its key stays: longer than it counts, so that who lost the reply of a renew still finds
    /// its mark there.
    pub(crate) fn stub(&self, now: Moment) -> (Moment, Duration) {
        let ends = Moment::from_seconds(now.plus(self.renew_grace).seconds());
        (ends, self.renew_grace + self.timeout)
    }

    /// How long the key of a stub that says `ends` has to stay from `now` on.
    pub(crate) fn of_stub(&self, ends: Moment, now: Moment) -> Duration {
        // `ends` was cut to whole seconds.
        let left = now.until(ends.plus(self.timeout + Duration::from_secs(1)));
        // Nobody's stub counts longer than an hour, whatever Perl has put there.
        left.min(Duration::from_secs(60 * 60) + self.timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_goes_on_for_a_moment() {
        let ms = Duration::from_millis;
        let same = |expire, left, ttl, since: i64| {
            let lifetime = Lifetime::new(&Settings {
                expire,
                ..Settings::default()
            });
            let then = Moment::from_seconds(1_000_000);
            let now = match u64::try_from(since) {
                Ok(since) => then.plus(ms(since)),
                Err(_) => then.minus(ms(since.unsigned_abs())),
            };
            lifetime.is_same_use(lifetime.extended(left, then), ttl, now)
        };
        let all = ms(900_000);
        assert!(same(all, all, all, 0) && same(all, all, all, 50));
        assert!(!same(all, all, all, 51));
        // It had been used before, or was never to have more.
        assert!(same(all, ms(899_980), all, 30) && !same(all, ms(899_980), all, 31));
        assert!(!same(all, ms(100_000), all, 0));
        // It is to have less.
        assert!(!same(all, all, ms(899_999), 0));
        // The clock was set back.
        assert!(!same(all, all, all, -1) && !same(all, all, all, -3_600_000));
        // A short life.
        assert!(same(ms(2000), ms(2000), ms(2000), 2) && !same(ms(2000), ms(2000), ms(2000), 3));
    }
}
