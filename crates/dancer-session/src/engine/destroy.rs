//! The end of a session: a stub in its place, and who was first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::SessionEngine;
use super::doubt::Doubt;
use crate::hand::Doomed;
use crate::id::Mark;
use crate::layout::{Content, Key};
use crate::owner::Owned;
use crate::store::{Destroy, Replace};
use crate::{Error, Layout, event};

impl SessionEngine {
    /// Puts a stub in the place of a session. `false`: another request had ended it before, so
    /// that its data may live on under an id that this one doesn't know.
    pub(super) async fn destroy(&self, doomed: &mut Doomed, by: Instant) -> Result<bool, Error> {
        let read = &doomed.read;
        let key = self.key(&read.id);
        let mark = match doomed.mark {
            Some(mark) => mark,
            None => *doomed.mark.insert(Mark::generate(&self.0.entropy)?),
        };
        let (stub, ttl) = self.stub(&key, mark);
        let (mut there, mut owned) = (read.payload.clone(), read.document.owned.clone());
        let mut doubt = Doubt::until(by);
        loop {
            match self.put_stub(&key, &there, &stub, ttl, by).await {
                Err(error) if error.is_no_room() => {
                    let ended = self.end_without_stub(&key, mark, by).await;
                    let ended = ended.map_err(|error| doubt.report(error))?;
                    self.delist_later(&key, owned.as_deref());
                    return Ok(ended);
                }
                Err(error) => doubt.again(error).await?,
                Ok(Put::Nothing) => {
                    self.delist_later(&key, owned.as_deref());
                    return Ok(true);
                }
                Ok(Put::Stub(replaced)) => {
                    event::destroyed(&read.id, false);
                    self.delist_later(&key, replaced.or(owned).as_deref());
                    return Ok(true);
                }
                Ok(Put::Changed(newer)) => match self.decode(&key, &newer) {
                    Ok(Content::Stub(stub)) => {
                        let before = stub.mark != mark;
                        event::destroyed(&read.id, before);
                        self.delist_later(&key, owned.as_deref());
                        return Ok(!before);
                    }
                    Ok(Content::Foreign) => return Ok(true),
                    Ok(Content::Session(document)) => (there, owned) = (newer, document.owned),
                    Err(_) => there = newer,
                },
            }
            if Instant::now() >= by {
                return Err(doubt.report(Error::not_applied(format!(
                    "session {}: other writers were faster until the deadline",
                    read.id
                ))));
            }
        }
    }

    /// Ends a session without a stub, in a store that has no room even for that: a late request finds
    /// nothing then. `false` as with [`destroy`](Self::destroy).
    async fn end_without_stub(&self, key: &Key, mark: Mark, by: Instant) -> Result<bool, Error> {
        let Some((there, _)) = self.0.store.peek(key, by).await? else {
            return Ok(true);
        };
        match self.decode(key, &there) {
            Ok(Content::Stub(stub)) => Ok(stub.mark == mark),
            Ok(Content::Foreign) => Ok(true),
            Ok(Content::Session(_)) | Err(_) => {
                let store = &self.0.store;
                // The answer to a touch may take until the next call.
                let touch = store.touch(key, Duration::ZERO, by);
                let (touched, look) = tokio::join!(touch, store.retrieve(key, None, by));
                let (_, _) = (touched?, look?);
                event::ended_without_stub(key);
                Ok(true)
            }
        }
    }

    /// Puts a stub where a session was read. Under a key of our own that takes no proof, and whatever
    /// was there comes back; a bare key may be anybody's by now.
    async fn put_stub(
        &self,
        key: &Key,
        read: &Bytes,
        stub: &Bytes,
        ttl: Duration,
        by: Instant,
    ) -> Result<Put, Error> {
        match self.0.codec.layout {
            Layout::Dancer => {
                let replaced = self.replace(key, read, stub, ttl, by).await?;
                Ok(match replaced {
                    Replace::Gone => Put::Nothing,
                    Replace::Replaced => Put::Stub(None),
                    Replace::Changed(there) => Put::Changed(there),
                })
            }
            Layout::Native => Ok(match self.0.store.destroy(key, stub, ttl, by).await? {
                Destroy::Gone => Put::Nothing,
                Destroy::Destroyed(there) => match self.decode(key, &there) {
                    Ok(Content::Stub(_)) => Put::Changed(there),
                    Ok(Content::Session(document)) => Put::Stub(document.owned),
                    Ok(Content::Foreign) | Err(_) => Put::Stub(None),
                },
            }),
        }
    }
}

/// What became of a stub that was to be put in the place of a session.
enum Put {
    /// It stands there, and the session had this owner, if it is known.
    Stub(Option<Arc<Owned>>),
    /// There was something else, which is this.
    Changed(Bytes),
    /// There was nothing.
    Nothing,
}
