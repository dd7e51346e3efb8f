//! A flush: what is pending in a session's hand is carried out in the store, or refused as a whole.

use std::time::Instant;

use bytes::Bytes;
use tokio::time::timeout_at;

use super::SessionEngine;
use super::doubt::Doubt;
use crate::Error;
use crate::hand::{Origin, Plan, Task};
use crate::id::{Mark, SessionId};
use crate::layout::{Content, Document, Entries, Key};
use crate::session::{Read, Shared};
use crate::store::{Renew, Renewal, Replace};

/// What became of a [`flush`](crate::Session::flush).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a flush may have found that the session has ended"]
pub enum Flushed {
    /// There was nothing to do.
    Unchanged,
    /// The changes are stored.
    Stored,
    /// A new session is stored, under a new id: the client must get it.
    Created,
    /// The session lives on under a new id: the client must get it.
    Renewed,
    /// The session has ended, as this request wanted.
    Destroyed,
    /// Another request ended the session meanwhile. Nothing was stored, under any id. After a
    /// `destroy` it means that the other request may have renewed it: then it lives on under an id
    /// that this request doesn't know, and only its holder can end it.
    Ended,
}

impl Shared {
    pub(crate) async fn flush(&self) -> Result<Flushed, Error> {
        let by = self.engine.deadline();
        let Ok(_alone) = timeout_at(by.into(), self.flushing.lock()).await else {
            return Err(Error::not_applied(
                "another flush of this session took until the deadline",
            ));
        };
        let task = self.hand().begin();
        self.carry_out(task, by).await
    }

    /// Carries out what was destroyed, for nobody who waits for it.
    pub(crate) async fn flush_destroys(&self) {
        let _alone = self.flushing.lock().await;
        loop {
            let Some(task) = self.hand().begin_destroy() else {
                return;
            };
            if let Err(error) = self.carry_out(task, self.engine.deadline()).await {
                tracing::error!(%error, "abandoned_destroy_failed");
                return;
            }
        }
    }

    async fn carry_out(&self, task: Task, by: Instant) -> Result<Flushed, Error> {
        let mut work = Work {
            shared: self,
            task,
            done: false,
        };
        let outcome = self.engine.carry_out(&mut work.task, by).await;
        work.done = true;
        match outcome {
            Ok((flushed, origin)) => {
                self.hand().settle(&work.task, origin);
                self.rebase();
                Ok(flushed)
            }
            Err(error) => {
                self.hand().unsettle(&mut work.task, error.is_unknown());
                Err(error)
            }
        }
    }

    /// Applies the changes that were made during a flush to what the flush has stored; outside the
    /// lock, because closures of the application are among them. What no longer fits, the next
    /// flush reports.
    fn rebase(&self) {
        loop {
            let Some((mut copy, changes)) = self.hand().to_rebase() else {
                return;
            };
            for change in &changes {
                drop(change.apply(&mut copy.entries));
            }
            if self.hand().rebased(copy) {
                return;
            }
        }
    }
}

/// A task while it is carried out. If that ends by a panic, which a closure of the application may
/// cause, its changes are pending again.
struct Work<'a> {
    shared: &'a Shared,
    task: Task,
    done: bool,
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.shared.hand().unsettle(&mut self.task, false);
        }
    }
}

/// What was done, and what the session is afterwards.
type Outcome = Result<(Flushed, Origin), Error>;

impl SessionEngine {
    async fn carry_out(&self, task: &mut Task, by: Instant) -> Outcome {
        let mut otherwise = Flushed::Unchanged;
        while let Some(doomed) = task.doomed.last_mut() {
            let destroyed = self.destroy(doomed, by).await?;
            if !destroyed {
                task.ended = Some(doomed.id.clone());
            }
            task.doomed.pop();
            task.destroyed |= destroyed;
            otherwise = if destroyed {
                Flushed::Destroyed
            } else {
                Flushed::Ended
            };
        }
        match &task.plan {
            Plan::Nothing(origin) => Ok((
                otherwise,
                task.ended
                    .take()
                    .map_or_else(|| origin.clone(), Origin::Ended),
            )),
            Plan::Refuse(id) => Ok((Flushed::Ended, Origin::Ended(id.clone()))),
            Plan::TooLate => Err(Error::refused(
                "the client can be given no new id, because its response has left: call renew, and \
                 set the first entry of a session, before that",
            )),
            Plan::Unsure => Err(Error::unknown(
                "an earlier flush of this session got no answer: retrieve it again",
            )),
            Plan::Create => {
                let mut entries = Entries::default();
                apply(task, &mut entries)?;
                let read = self.store_new(entries, by).await?;
                Ok((Flushed::Created, Origin::Stored(read)))
            }
            Plan::Replace(read) => {
                let mut turn = self.0.queue.turn(&read.id, by).await?;
                let start = turn.latest().unwrap_or_else(|| read.clone());
                // If this fails, nobody knows what is stored; the next flush starts from its own read.
                turn.leave_behind(None);
                let stored = Attempt::new(self, read, None, task, by)?.run(start).await?;
                turn.leave_behind(stored.clone());
                self.outcome(Flushed::Stored, stored, read, task, by).await
            }
            Plan::Renew(read) => {
                let mut turn = self.0.queue.turn(&read.id, by).await?;
                let start = turn.latest().unwrap_or_else(|| read.clone());
                turn.leave_behind(None);
                let fresh = SessionId::generate(&self.0.entropy)?;
                let stored = Attempt::new(self, read, Some(fresh), task, by)?
                    .run(start)
                    .await?;
                self.outcome(Flushed::Renewed, stored, read, task, by).await
            }
        }
    }

    /// What it means that a session was stored, or had ended.
    async fn outcome(
        &self,
        done: Flushed,
        stored: Option<Read>,
        read: &Read,
        task: &Task,
        by: Instant,
    ) -> Outcome {
        if let Some(stored) = stored {
            tracing::debug!(session = %stored.id, ?done, "flushed");
            return Ok((done, Origin::Stored(stored)));
        }
        tracing::info!(session = %read.id, "ended");
        if done == Flushed::Renewed {
            // A log-in goes on, with what this request knows and nothing of the session that ended.
            let mut entries = Entries::default();
            apply(task, &mut entries)?;
            if entries.len() > 0 {
                let fresh = self.store_new(entries, by).await?;
                return Ok((Flushed::Created, Origin::Stored(fresh)));
            }
        }
        Ok((Flushed::Ended, Origin::Ended(read.id.clone())))
    }
}

fn apply(task: &Task, entries: &mut Entries) -> Result<(), Error> {
    task.changes
        .iter()
        .try_for_each(|change| change.apply(entries))
}

/// One flush of a stored session, over as many tries as it takes.
struct Attempt<'a> {
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
    fn new(
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
            doubt: Doubt::until(by),
        })
    }

    /// Applies the changes to `base`, and to whatever is stored instead, until that is stored.
    /// `None`: the session has ended.
    async fn run(mut self, mut base: Read) -> Result<Option<Read>, Error> {
        loop {
            match self.attempt(&base).await {
                Ok(Answer::Done) => return Ok(self.tried),
                Ok(Answer::Gone) => return self.after_all().await,
                Ok(Answer::Taken) => {
                    self.fresh = Some(SessionId::generate(&self.engine.0.entropy)?);
                }
                Ok(Answer::Changed(payload)) => match self.newer(payload)? {
                    Newer::Other(read) => base = read,
                    Newer::Own(Some(read)) => return Ok(Some(read)),
                    Newer::Own(None) => return self.after_all().await,
                    Newer::Ended => return self.after_all().await,
                },
                Err(error) => self.doubt.again(error)?,
            }
            if Instant::now() >= self.by {
                return Err(self.out_of_time());
            }
        }
    }

    async fn attempt(&mut self, base: &Read) -> Result<Answer, Error> {
        let engine = &self.engine.0;
        let mut document = Document {
            mark: self.mark,
            ..Document::clone(&base.document)
        };
        apply(self.task, &mut document.entries)?;
        let Some(ttl) = engine.lifetime.of(document.created, engine.clock.now()) else {
            return Ok(Answer::Gone);
        };
        let Some(fresh) = &self.fresh else {
            let payload = engine.codec.encode(&self.key, &document)?;
            let read = self
                .tried
                .insert(Read::new(self.id.clone(), payload, document));
            let answer = engine
                .store
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
        Ok(match engine.store.renew(renewal, self.by).await? {
            Renew::Renewed => Answer::Done,
            Renew::Changed(payload) => Answer::Changed(payload),
            Renew::Gone => Answer::Gone,
            Renew::Exists => Answer::Taken,
        })
    }

    /// The old key holds no session any more. If a try of a renew got no answer, that may be its own
    /// work: then the session is under the new key, as that try or one before it stored it.
    async fn after_all(&self) -> Result<Option<Read>, Error> {
        let (true, Some(fresh)) = (self.doubt.unsure, &self.fresh) else {
            return Ok(None);
        };
        let engine = &self.engine.0;
        let key = self.engine.key(fresh);
        let there = engine
            .store
            .retrieve(&key, engine.lifetime.of_any(), self.by)
            .await;
        let there = there.map_err(|error| self.unknown().because(error))?;
        match there.map(|payload| (engine.codec.decode(&key, &payload), payload)) {
            Some((Ok(Content::Session(document)), payload)) if document.mark == self.mark => {
                Ok(Some(Read::new(fresh.clone(), payload, document)))
            }
            _ => Ok(None),
        }
    }

    /// What the payload means that is stored instead of the one expected.
    fn newer(&mut self, payload: Bytes) -> Result<Newer, Error> {
        match self.engine.0.codec.decode(&self.key, &payload)? {
            // Our own mark: a try whose reply was lost had been carried out after all.
            Content::Stub(stub) if stub.mark == self.mark => Ok(Newer::Own(None)),
            Content::Stub(_) => Ok(Newer::Ended),
            Content::Session(document) => {
                let own = document.mark == self.mark;
                let read = Read::new(self.id.clone(), payload, document);
                if own {
                    return Ok(Newer::Own(Some(read)));
                }
                if self.doubt.unsure && self.task.counts() {
                    // Somebody wrote after a try of ours that may be part of it, or not.
                    return Err(self.unknown());
                }
                tracing::debug!(session = %self.id, "conflict");
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
    /// That of this very flush; `None`: it is under the new key.
    Own(Option<Read>),
    /// A stub.
    Ended,
}
