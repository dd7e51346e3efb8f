//! Taking a session into hand: what is under the key of an id, whose it is, and how long it lives
//! from now on.

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::coop::consume_budget;

use super::SessionEngine;
use super::doubt::Doubt;
use crate::id::SessionId;
use crate::layout::{Content, Document, Key, Stub};
use crate::lifetime::Moment;
use crate::session::{Read, Session};
use crate::store::Replace;
use crate::{Error, Layout, event};

/// By so much a key may outlive its session, which nobody can read then; less is not worth a command.
const SECOND: Duration = Duration::from_secs(1);

/// Where a session may come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Out of the cache, if it is there.
    Anywhere,
    Store,
}

/// Not an `async fn`: that would keep room for its arguments twice.
pub(super) fn retrieve<'e>(
    engine: &'e SessionEngine,
    id: &str,
    from: Source,
) -> impl Future<Output = Result<Option<Session>, Error>> + Send + use<'e> {
    let id = SessionId::parse(id, engine.here.codec.layout);
    async move {
        let Some(id) = id else {
            event::malformed_id();
            return Ok(None);
        };
        let key = engine.key(&id);
        if from == Source::Anywhere && engine.here.cache.is_some() {
            // Sessions that are there at once, one after the other, would let nobody else have a turn:
            // neither other requests nor the task that hears what has changed.
            consume_budget().await;
            if let Some(session) = engine.cached(&key) {
                return Ok(Some(session));
            }
        }
        let reading = engine.begin_reading(&key);
        let by = engine.deadline();
        let asked = engine.here.clock.now();
        let kept = reading.is_some();
        let Some((mut payload, left)) = engine.read_own(&key, kept, by).await? else {
            event::unknown_id(&id);
            return Ok(None);
        };
        loop {
            let now = engine.here.clock.now();
            let content = engine.here.codec.decode(&key, &payload, now);
            let document = match content.inspect_err(|error| event::unreadable(&id, error))? {
                Content::Foreign => {
                    event::foreign_key(&id);
                    return Ok(None);
                }
                Content::Stub(stub) => return Ok(engine.meet(stub, id, key, left, now)),
                Content::Session(document) => document,
            };
            if !id.is_own(engine.here.codec.layout) {
                event::legacy_id(&id);
            }
            if document.dated || !engine.here.lifetime.is_limited() {
                let Some((due, left)) = engine.admit(&id, &key, &document, left, kept, now) else {
                    return Ok(None);
                };
                let extended = left.map(|left| engine.here.lifetime.extended(left, asked));
                let read = Read::new(id, key, payload, document, extended);
                engine.keep(reading, &read, now, due, left.unwrap_or(due));
                return Ok(Some(Session::stored(engine, read)));
            }
            // Apart, as it is large and seldom.
            match Box::pin(engine.date(&key, &payload, document, by)).await? {
                Dated::Read(payload, document) => {
                    let read = Read::new(id, key, payload, document, None);
                    return Ok(Some(Session::stored(engine, read)));
                }
                Dated::Changed(newer) => payload = newer,
                Dated::Gone => return Ok(None),
            }
            if Instant::now() >= by {
                return Err(Error::not_applied(format!(
                    "session {id}: other writers were faster until the deadline"
                )));
            }
        }
    }
}

/// What a key has left after it was read.
#[derive(Clone, Copy)]
enum Left {
    Time(Duration),
    /// Nobody has asked.
    Unasked,
    /// As much as before, because the store takes no changes just now.
    Unextended,
}

impl Left {
    fn may_exceed(self, time: Duration) -> bool {
        match self {
            Left::Time(left) => time < left,
            Left::Unasked => true,
            Left::Unextended => false,
        }
    }
}

/// What became of a session that had no time of creation.
enum Dated {
    /// It has one now.
    Read(Bytes, Document),
    Changed(Bytes),
    Gone,
}

impl SessionEngine {
    /// What a stub means to who presents the id; sees to it that its key does not live as long as a session.
    fn meet(
        &self,
        stub: Stub,
        id: SessionId,
        key: Key,
        left: Left,
        now: Moment,
    ) -> Option<Session> {
        let end = self.here.lifetime.of_stub(stub.ends, now);
        if left.may_exceed(end) {
            self.touch_later(key, end);
        }
        if stub.ends <= now {
            event::unknown_id(&id);
            return None;
        }
        event::ended_id(&id);
        Some(Session::ended(self, id))
    }

    /// Lets a session in whose key has so much `left`, unless its absolute limit has passed; and sees
    /// to it that the key lives as long as the session.
    ///
    /// Returns how long that is from a use on, and how long the key certainly lives now.
    fn admit(
        &self,
        id: &SessionId,
        key: &Key,
        document: &Document,
        left: Left,
        kept: bool,
        now: Moment,
    ) -> Option<(Duration, Option<Duration>)> {
        let Some(due) = self.limit(document, now) else {
            event::limit_passed(id);
            self.touch_later(key.clone(), Duration::ZERO);
            return None;
        };
        let interval = self.touch_interval(kept);
        let (left, touch) = match left {
            Left::Unasked => (None, true),
            Left::Unextended => (None, false),
            Left::Time(left) => {
                let outlives = due + SECOND <= left;
                // A key without an expiry has 0 left.
                let lags = left.is_zero() || (!interval.is_zero() && due >= left + interval);
                (Some(left), outlives || lags)
            }
        };
        if touch {
            self.touch_later(key.clone(), due);
        }
        Some((due, left.filter(|_| !touch)))
    }

    /// Reads what is under a key. A payload of another key may be the answer to another request, from
    /// a server or a proxy that has lost count: what a new connection brings is believed.
    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` would keep room for its arguments twice"
    )]
    fn read_own<'a>(
        &'a self,
        key: &'a Key,
        kept: bool,
        by: Instant,
    ) -> impl Future<Output = Result<Option<(Bytes, Left)>, Error>> + Send + 'a {
        async move {
            let found = self.read(key, kept, by).await?;
            let of_another =
                |(payload, _): &(Bytes, _)| self.here.codec.is_of_another(key, payload);
            if !found.as_ref().is_some_and(of_another) {
                return Ok(found);
            }
            event::payload_of_another(key);
            self.here.store.distrust();
            // Apart, as it is seldom.
            Box::pin(self.read(key, kept, by)).await
        }
    }

    /// Reads what is under a key, and how long that has left.
    ///
    /// In the native layout and without an interval, the read itself extends it, before it is known
    /// what it reads. In the Dancer layout the key may be anybody's, and is only looked at.
    async fn read(
        &self,
        key: &Key,
        kept: bool,
        by: Instant,
    ) -> Result<Option<(Bytes, Left)>, Error> {
        let store = &self.here.store;
        let exact = self.touch_interval(kept).is_zero();
        let found = match (self.here.codec.layout, exact) {
            (_, false) => {
                let found = store.peek(key, by).await;
                found.map(|found| found.map(|(payload, left)| (payload, Left::Time(left))))
            }
            (Layout::Native, true) => {
                let ttl = self.here.lifetime.of_any();
                let found = store.retrieve(key, Some(ttl), by).await;
                found.map(|found| {
                    found.map(|read| match read.extended {
                        true => (read.payload, Left::Time(ttl)),
                        false => (read.payload, Left::Unextended),
                    })
                })
            }
            (Layout::Dancer, true) => {
                let found = store.retrieve(key, None, by).await;
                found.map(|found| found.map(|read| (read.payload, Left::Unasked)))
            }
        };
        match found {
            Err(error) if self.is_foreign(&error, key) => Ok(None),
            found => found,
        }
    }

    /// Writes the time of creation into a session that Perl made without one: now. One that has no
    /// room for it is taken as it is.
    async fn date(
        &self,
        key: &Key,
        payload: &Bytes,
        mut document: Document,
        by: Instant,
    ) -> Result<Dated, Error> {
        document.dated = true;
        let Ok(dated) = self.here.codec.encode(key, &document) else {
            return Ok(Dated::Read(payload.clone(), document));
        };
        let ttl = self.here.lifetime.of_any();
        let mut doubt = Doubt::until(by);
        loop {
            match self.replace(key, payload, &dated, Some(ttl), by).await {
                // Asked again, a refusal brings what is there: our own work, if it was done.
                Err(error) => doubt.again(error).await?,
                Ok(Replace::Replaced) => return Ok(Dated::Read(dated, document)),
                Ok(Replace::Changed(newer)) => return Ok(Dated::Changed(newer)),
                Ok(Replace::Gone) => return Ok(Dated::Gone),
            }
        }
    }
}
