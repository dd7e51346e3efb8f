//! One flush of a stored session against the store: tried again as long as others are faster or
//! replies are lost, until it is clear what became of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::SessionEngine;
use super::doubt::Doubt;
use super::flush::apply;
use crate::hand::Task;
use crate::id::{Mark, SessionId};
use crate::layout::{Content, Document};
use crate::lifetime::Moment;
use crate::owner::Owned;
use crate::session::Read;
use crate::store::{Renew, Renewal, Replace};
use crate::{Error, event};

/// One flush of a stored session, over as many tries as it takes.
pub(super) struct Attempt<'a> {
    engine: &'a SessionEngine,
    /// What is changed: as it was read, or as another writer has stored it since; always under the
    /// same key.
    base: Read,
    task: &'a Task,
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
        fresh: Option<SessionId>,
        base: Read,
        task: &'a Task,
        by: Instant,
    ) -> Result<Self, Error> {
        Ok(Self {
            engine,
            base,
            task,
            fresh,
            mark: Mark::generate(&engine.here.entropy)?,
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

    /// Applies the changes to its base, and to whatever is stored instead, until that is stored.
    /// `None`: the session has ended.
    pub(super) async fn run(&mut self) -> Result<Option<Read>, Error> {
        loop {
            match self.attempt().await {
                Ok(Answer::Done) => return Ok(self.stored(self.tried.clone())),
                Ok(Answer::Gone) => return Box::pin(self.after_all()).await,
                Ok(Answer::Taken) => {
                    self.delist_never_stored();
                    self.listed = None;
                    self.fresh = Some(self.engine.new_id()?);
                }
                Ok(Answer::Changed(payload)) => match self.newer(payload)? {
                    Newer::Other(read) => self.base = read,
                    Newer::Own(read) => return Ok(self.stored(Some(read))),
                    Newer::Ended => return Box::pin(self.after_all()).await,
                },
                Err(error) => Box::pin(self.doubt.again(error)).await?,
            }
            if Instant::now() >= self.doubt.by {
                return Err(self.out_of_time());
            }
        }
    }

    async fn attempt(&mut self) -> Result<Answer, Error> {
        let base = &self.base;
        let engine = &self.engine.here;
        let entries = match self.task.applied_to(base) {
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
        let now = engine.clock.now();
        let Some(ttl) = self.engine.limit(&document, now) else {
            return Ok(Answer::Gone);
        };
        if self.is_to_be_listed(&document) {
            Box::pin(self.enlist(&document)).await?;
        }
        let Some(fresh) = self.fresh.clone() else {
            let key = &self.base.key;
            let payload = engine.codec.encode(key, &document)?;
            let document = self.engine.as_kept(key, &payload, document);
            let same_use = |extended: &Moment| engine.lifetime.is_same_use(*extended, ttl, now);
            let extended = self.base.extended.filter(same_use);
            let read = self.tried.insert(Read::new(
                self.base.id.clone(),
                self.base.key.clone(),
                payload,
                document,
                extended.or(Some(engine.lifetime.extended(ttl, now))),
            ));
            let ttl = extended.is_none().then_some(ttl);
            let replacing = self
                .engine
                .replace_read(&self.base, read, ttl, self.doubt.by);
            return Ok(match replacing.await? {
                Replace::Replaced => Answer::Done,
                Replace::Changed(payload) => Answer::Changed(payload),
                Replace::Gone => Answer::Gone,
            });
        };
        // Apart, as it is large and seldom.
        Box::pin(self.renew(fresh, document, ttl, now)).await
    }

    /// One try to store the session under another id.
    async fn renew(
        &mut self,
        fresh: SessionId,
        document: Document,
        ttl: Duration,
        now: Moment,
    ) -> Result<Answer, Error> {
        let engine = &self.engine.here;
        let new = self.engine.key(&fresh);
        let payload = engine.codec.encode(&new, &document)?;
        let extended = engine.lifetime.extended(ttl, now);
        let read = Read::new(fresh, new, payload, document, Some(extended));
        let read = self.tried.insert(read);
        let (stub, stub_ttl) = self.engine.stub(&self.base.key, self.mark);
        let renewal = Renewal {
            old: &self.base.key,
            read: &self.base.payload,
            stub: &stub,
            stub_ttl,
            new: &read.key,
            payload: &read.payload,
            ttl,
        };
        let _changing = self.engine.begin_change(&self.base.key);
        let answer = match engine.store.renew(renewal, self.doubt.by).await {
            Err(error) if self.engine.is_foreign(&error, &self.base.key) => Renew::Gone,
            answer => answer?,
        };
        Ok(match answer {
            Renew::Renewed => Answer::Done,
            Renew::Changed(payload) => Answer::Changed(payload),
            Renew::Gone => Answer::Gone,
            Renew::Exists => Answer::Taken,
        })
    }

    /// Whether the session does not stand in the index of its owner yet, under the id that it will
    /// have.
    fn is_to_be_listed(&self, document: &Document) -> bool {
        let stays = self.fresh.is_none() && document.owned == self.base.document.owned;
        !stays && document.owned != self.listed
    }

    async fn enlist(&mut self, document: &Document) -> Result<(), Error> {
        let key = self
            .engine
            .key(self.fresh.as_ref().unwrap_or(&self.base.id));
        self.engine.enlist(&key, document, self.doubt.by).await?;
        self.listed = document.owned.clone();
        Ok(())
    }

    /// What is stored now, instead of the base, whose owner need not list it any more.
    fn stored(&self, read: Option<Read>) -> Option<Read> {
        let base = &self.base;
        let before = base.document.owned.as_deref();
        let moved = read
            .as_ref()
            .is_some_and(|read| read.id != base.id || read.document.owned.as_deref() != before);
        if moved {
            self.engine.delist_later(&self.base.key, before);
        }
        read
    }

    /// Takes out of the index what is certainly not stored, and never will be.
    fn delist_never_stored(&self) {
        let id = self.fresh.as_ref().unwrap_or(&self.base.id);
        self.engine
            .delist_later(&self.engine.key(id), self.listed.as_deref());
    }

    /// The old key holds no session any more. If a try of a renew got no answer, that may be its own
    /// work: then the session is under the new key, as that try or one before it stored it. What became
    /// of other changes that got no answer, only who has the new id can see.
    async fn after_all(&self) -> Result<Option<Read>, Error> {
        if !self.doubt.unsure {
            self.delist_never_stored();
            return Ok(None);
        }
        let Some(fresh) = &self.fresh else {
            // What such a try has stored lives on if the other request was a renew.
            return Err(self.unknown());
        };
        let engine = &self.engine.here;
        let key = self.engine.key(fresh);
        let there = engine.store.peek(&key, self.doubt.by).await;
        let there = there.map_err(|error| self.unknown().because(error))?;
        match there.map(|(payload, _)| (self.engine.decode(&key, &payload), payload)) {
            Some((Ok(Content::Session(document)), payload)) if document.mark == self.mark => {
                let read = Read::new(fresh.clone(), key, payload, document, None);
                Ok(self.stored(Some(read)))
            }
            _ => Ok(None),
        }
    }

    /// What the payload means that is stored instead of the one expected.
    fn newer(&self, payload: Bytes) -> Result<Newer, Error> {
        match self.engine.decode(&self.base.key, &payload)? {
            Content::Stub(_) | Content::Foreign => Ok(Newer::Ended),
            Content::Session(document) => {
                let own = document.mark == self.mark;
                let read = Read::new(
                    self.base.id.clone(),
                    self.base.key.clone(),
                    payload,
                    document,
                    None,
                );
                if own {
                    // A try whose reply was lost had been carried out after all.
                    return Ok(Newer::Own(read));
                }
                if self.doubt.unsure && self.task.counts() {
                    // Somebody wrote after a try of ours that may be part of it, or not.
                    return Err(self.unknown());
                }
                event::conflict(&self.base.id);
                Ok(Newer::Other(read))
            }
        }
    }

    fn out_of_time(&self) -> Error {
        if self.doubt.unsure {
            return self.unknown();
        }
        let id = &self.base.id;
        Error::not_applied(format!(
            "session {id}: other writers were faster until the deadline"
        ))
    }

    fn unknown(&self) -> Error {
        let id = &self.base.id;
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
