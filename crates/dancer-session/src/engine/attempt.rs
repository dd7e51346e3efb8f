//! One flush of a stored session against the store: tried again as long as others are faster or
//! replies are lost, until it is clear what became of it.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::SessionEngine;
use super::doubt::Doubt;
use super::flush::apply;
use crate::hand::Task;
use crate::id::{Mark, SessionId};
use crate::layout::{Content, Document, Key};
use crate::owner::Owned;
use crate::session::Read;
use crate::store::{Renew, Renewal, Replace};
use crate::{Error, event};

/// One flush of a stored session, over as many tries as it takes.
pub(super) struct Attempt<'a> {
    engine: &'a SessionEngine,
    key: Key,
    id: &'a SessionId,
    task: &'a Task,
    by: Instant,
    /// The id that the session gets, if it is to be renewed.
    fresh: Option<SessionId>,
    /// Left in everything that this flush writes.
    mark: Mark,
    /// What the last try wanted to store.
    tried: Option<Read>,
    /// Whose index has the session already, under the id that it will have.
    listed: Option<Arc<Owned>>,
    doubt: Doubt,
}

/// The store's answer to one try.
enum Answer {
    Done,
    Changed(Bytes),
    Gone,
    Taken,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        engine: &'a SessionEngine,
        read: &'a Read,
        fresh: Option<SessionId>,
        task: &'a Task,
        by: Instant,
    ) -> Result<Self, Error> {
        Ok(Self {
            engine,
            key: engine.key(&read.id),
            id: &read.id,
            task,
            by,
            fresh,
            mark: Mark::generate(&engine.0.entropy)?,
            tried: None,
            listed: None,
            doubt: Doubt::until(by),
        })
    }

    /// Says that the session stands in the index of this owner already.
    pub(super) fn listed_for(mut self, owned: Option<&Arc<Owned>>) -> Self {
        self.listed = owned.cloned();
        self
    }

    /// Applies the changes to `base`, and to whatever is stored instead, until that is stored.
    /// `None`: the session has ended.
    pub(super) async fn run(mut self, mut base: Read) -> Result<Option<Read>, Error> {
        loop {
            match self.attempt(&base).await {
                Ok(Answer::Done) => return Ok(self.stored(&base, self.tried.clone())),
                Ok(Answer::Gone) => return self.after_all(&base).await,
                Ok(Answer::Taken) => {
                    self.delist_never_stored();
                    self.listed = None;
                    self.fresh = Some(self.engine.new_id()?);
                }
                Ok(Answer::Changed(payload)) => match self.newer(payload)? {
                    Newer::Other(read) => base = read,
                    Newer::Own(read) => return Ok(self.stored(&base, Some(read))),
                    Newer::Ended => return self.after_all(&base).await,
                },
                Err(error) => self.doubt.again(error).await?,
            }
            if Instant::now() >= self.by {
                return Err(self.out_of_time());
            }
        }
    }

    async fn attempt(&mut self, base: &Read) -> Result<Answer, Error> {
        let engine = &self.engine.0;
        let entries = match self.task.applied_to(&base.document) {
            Some(entries) => entries.clone(),
            None => {
                let mut entries = base.document.entries.clone();
                apply(self.task, &mut entries)?;
                entries
            }
        };
        let document = Document {
            created: base.document.created,
            dated: true,
            mark: self.mark,
            owned: self.task.owned(base.document.owned.as_ref()),
            entries,
        };
        let Some(ttl) = self.engine.limit(&document, engine.clock.now()) else {
            return Ok(Answer::Gone);
        };
        self.enlist(base, &document).await?;
        let Some(fresh) = &self.fresh else {
            let payload = engine.codec.encode(&self.key, &document)?;
            let read = self
                .tried
                .insert(Read::new(self.id.clone(), payload, document));
            let answer = self
                .engine
                .replace(&self.key, &base.payload, &read.payload, ttl, self.by)
                .await?;
            return Ok(match answer {
                Replace::Replaced => Answer::Done,
                Replace::Changed(payload) => Answer::Changed(payload),
                Replace::Gone => Answer::Gone,
            });
        };
        let new = self.engine.key(fresh);
        let payload = engine.codec.encode(&new, &document)?;
        let read = self
            .tried
            .insert(Read::new(fresh.clone(), payload, document));
        let (stub, stub_ttl) = self.engine.stub(&self.key, self.mark);
        let renewal = Renewal {
            old: &self.key,
            read: &base.payload,
            stub: &stub,
            stub_ttl,
            new: &new,
            payload: &read.payload,
            ttl,
        };
        let _forgotten = self.engine.forgetting(&self.key);
        let answer = match engine.store.renew(renewal, self.by).await {
            Err(error) if self.engine.is_foreign(&error, &self.key) => Renew::Gone,
            answer => answer?,
        };
        Ok(match answer {
            Renew::Renewed => Answer::Done,
            Renew::Changed(payload) => Answer::Changed(payload),
            Renew::Gone => Answer::Gone,
            Renew::Exists => Answer::Taken,
        })
    }

    /// Puts the session into the index of its owner, if it does not stand there under the id that it
    /// will have.
    async fn enlist(&mut self, base: &Read, document: &Document) -> Result<(), Error> {
        let stays = self.fresh.is_none() && document.owned == base.document.owned;
        if stays || document.owned == self.listed {
            return Ok(());
        }
        let key = self.engine.key(self.fresh.as_ref().unwrap_or(self.id));
        self.engine.enlist(&key, document, self.by).await?;
        self.listed = document.owned.clone();
        Ok(())
    }

    /// What is stored now, instead of `base`, whose owner need not list it any more.
    fn stored(&self, base: &Read, read: Option<Read>) -> Option<Read> {
        let before = base.document.owned.as_deref();
        let moved = read
            .as_ref()
            .is_some_and(|read| read.id != base.id || read.document.owned.as_deref() != before);
        if moved {
            self.engine.delist_later(&self.key, before);
        }
        read
    }

    /// Takes out of the index what is certainly not stored, and never will be.
    fn delist_never_stored(&self) {
        let id = self.fresh.as_ref().unwrap_or(self.id);
        self.engine
            .delist_later(&self.engine.key(id), self.listed.as_deref());
    }

    /// The old key holds no session any more. If a try of a renew got no answer, that may be its own
    /// work: then the session is under the new key, as that try or one before it stored it. What became
    /// of other changes that got no answer, only who has the new id can see.
    async fn after_all(&self, base: &Read) -> Result<Option<Read>, Error> {
        if !self.doubt.unsure {
            self.delist_never_stored();
            return Ok(None);
        }
        let Some(fresh) = &self.fresh else {
            // What such a try has stored lives on if the other request was a renew.
            return Err(self.unknown());
        };
        let engine = &self.engine.0;
        let key = self.engine.key(fresh);
        let there = engine.store.peek(&key, self.by).await;
        let there = there.map_err(|error| self.unknown().because(error))?;
        match there.map(|(payload, _)| (self.engine.decode(&key, &payload), payload)) {
            Some((Ok(Content::Session(document)), payload)) if document.mark == self.mark => {
                let read = Read::new(fresh.clone(), payload, document);
                Ok(self.stored(base, Some(read)))
            }
            _ => Ok(None),
        }
    }

    /// What the payload means that is stored instead of the one expected.
    fn newer(&self, payload: Bytes) -> Result<Newer, Error> {
        match self.engine.decode(&self.key, &payload)? {
            Content::Stub(_) | Content::Foreign => Ok(Newer::Ended),
            Content::Session(document) => {
                let own = document.mark == self.mark;
                let read = Read::new(self.id.clone(), payload, document);
                if own {
                    // A try whose reply was lost had been carried out after all.
                    return Ok(Newer::Own(read));
                }
                if self.doubt.unsure && self.task.counts() {
                    // Somebody wrote after a try of ours that may be part of it, or not.
                    return Err(self.unknown());
                }
                event::conflict(self.id);
                Ok(Newer::Other(read))
            }
        }
    }

    fn out_of_time(&self) -> Error {
        if self.doubt.unsure {
            return self.unknown();
        }
        let id = self.id;
        Error::not_applied(format!(
            "session {id}: other writers were faster until the deadline"
        ))
    }

    fn unknown(&self) -> Error {
        let id = self.id;
        Error::unknown(format!(
            "session {id}: a change may have been stored, or not: no answer"
        ))
    }
}

/// What stands where something else was expected.
enum Newer {
    /// The work of another writer.
    Other(Read),
    /// That of this very flush.
    Own(Read),
    /// A stub: that of another request, or what a try of a renew has left.
    Ended,
}
