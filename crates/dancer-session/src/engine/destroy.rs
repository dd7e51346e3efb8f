//! The end of a session: a stub in its place, and who was first.

use std::time::{Duration, Instant};

use super::SessionEngine;
use super::doubt::Doubt;
use crate::hand::Doomed;
use crate::id::Mark;
use crate::layout::{Content, Key};
use crate::store::Replace;
use crate::{Error, event};

impl SessionEngine {
    /// Puts a stub in the place of a session. `false`: another request had ended it before, so
    /// that its data may live on under an id that this one doesn't know.
    pub(super) async fn destroy(&self, doomed: &mut Doomed, by: Instant) -> Result<bool, Error> {
        let read = &doomed.read;
        let key = read.key.clone();
        let mark = match doomed.mark {
            Some(mark) => mark,
            None => *doomed.mark.insert(Mark::generate(&self.here.entropy)?),
        };
        let (stub, ttl) = self.stub(&key, mark);
        // In line with the flushes of this process, so that only processes compete.
        let mut turn = self.here.queue.turn(&read.id, by).await?;
        let latest = turn.latest().unwrap_or_else(|| read.clone());
        turn.leave_behind(None);
        let (mut there, mut owned) = (latest.payload.clone(), latest.document.owned.clone());
        let mut doubt = Doubt::until(by);
        loop {
            // Only over a session: a stub of its own over that of a renew, found there after a lost
            // reply, would pass for the end of a session that lives on.
            match self.replace(&key, &there, &stub, Some(ttl), by).await {
                Err(error) if error.is_no_room() => {
                    let ended = self.end_without_stub(&key, mark, by).await;
                    let ended = ended.map_err(|error| doubt.report(error))?;
                    self.delist_later(&key, owned.as_deref());
                    return Ok(ended);
                }
                Err(error) => doubt.again(error).await?,
                Ok(Replace::Gone) => {
                    self.delist_later(&key, owned.as_deref());
                    return Ok(true);
                }
                Ok(Replace::Replaced) => {
                    event::destroyed(&read.id, false);
                    self.delist_later(&key, owned.as_deref());
                    return Ok(true);
                }
                Ok(Replace::Changed(newer)) => match self.decode(&key, &newer) {
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
        let Some((there, _)) = self.here.store.peek(key, by).await? else {
            return Ok(true);
        };
        match self.decode(key, &there) {
            Ok(Content::Stub(stub)) => Ok(stub.mark == mark),
            Ok(Content::Foreign) => Ok(true),
            Ok(Content::Session(_)) | Err(_) => {
                let _changing = self.begin_change(key);
                let store = &self.here.store;
                // The answer to a touch may take until the next call.
                let touch = store.touch(key, Duration::ZERO, by);
                let (touched, look) = tokio::join!(touch, store.retrieve(key, None, by));
                let (_, _) = (touched?, look?);
                event::ended_without_stub(key);
                Ok(true)
            }
        }
    }
}
