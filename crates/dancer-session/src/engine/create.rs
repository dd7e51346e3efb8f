//! A session stored for the first time, under an id that nothing is stored under.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::SessionEngine;
use super::doubt::Doubt;
use crate::id::{Mark, SessionId};
use crate::layout::{Document, Entries, Key};
use crate::lifetime::Moment;
use crate::owner::Owned;
use crate::session::Read;
use crate::store::Create;
use crate::{Error, event};

/// A session that is to be stored for the first time.
pub(super) struct New {
    /// Its id, if it has one already.
    pub(super) id: Option<SessionId>,
    pub(super) entries: Entries,
    /// `None`: now.
    pub(super) created: Option<Moment>,
    pub(super) owned: Option<Arc<Owned>>,
}

impl New {
    pub(super) fn of(entries: Entries) -> Self {
        Self {
            id: None,
            entries,
            created: None,
            owned: None,
        }
    }
}

impl SessionEngine {
    /// Stores a new session, under an id that nothing is stored under.
    pub(super) async fn store_new(&self, new: New, by: Instant) -> Result<Read, Error> {
        let now = self.here.clock.now();
        let created = new.created.unwrap_or(now);
        let mark = Mark::generate(&self.here.entropy)?;
        let document = Document {
            created,
            dated: true,
            mark,
            owned: new.owned,
            entries: new.entries,
        };
        let mut wanted = new.id;
        loop {
            let id = match wanted.take() {
                Some(id) => id,
                None => self.new_id()?,
            };
            let key = self.key(&id);
            let payload = self.here.codec.encode(&key, &document)?;
            self.enlist(&key, &document, by).await?;
            if self.create_as(&key, &payload, &document, by).await? == Create::Created {
                event::created(&id);
                let ttl = self.limit(&document, now).unwrap_or_default();
                let extended = Some(self.here.lifetime.extended(ttl, now));
                return Ok(Read::new(id, key, payload, document, extended));
            }
            self.delist_later(&key, document.owned.as_deref());
            event::id_taken(&id);
            if Instant::now() >= by {
                return Err(Error::not_applied(
                    "no free session id could be found in time",
                ));
            }
        }
    }

    /// Creates a key, asking again as long as it is not known whether it was.
    async fn create_as(
        &self,
        key: &Key,
        payload: &Bytes,
        document: &Document,
        by: Instant,
    ) -> Result<Create, Error> {
        let mut doubt = Doubt::until(by);
        // Redis takes 0 for an error.
        let ttl = self.time_left(document).max(Duration::from_millis(1));
        loop {
            match self.here.store.create(key, payload, ttl, by).await {
                Err(error) => doubt.again(error).await?,
                Ok(Create::Exists) if doubt.unsure => {
                    let there = self.here.store.peek(key, by).await;
                    let there = there.map_err(|error| doubt.report(error))?;
                    let ours = there.is_some_and(|(there, _)| there == payload);
                    return Ok(if ours {
                        Create::Created
                    } else {
                        Create::Exists
                    });
                }
                Ok(outcome) => return Ok(outcome),
            }
        }
    }
}
