//! A flush: what is pending in a session's hand is carried out in the store, or refused as a whole.

use std::future::Future;
use std::time::Instant;

use tokio::sync::MutexGuard;
use tokio::time::timeout_at;

use super::attempt::Attempt;
use super::{New, SessionEngine};
use crate::hand::{Origin, Plan, Task};
use crate::id::SessionId;
use crate::layout::Entries;
use crate::session::{Read, Shared};
use crate::{Error, event};

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
    /// The owner has as many sessions as [`max_sessions`](crate::Settings::max_sessions) allows, and
    /// no older one is to make room: this log-in was refused. Nothing of it was stored, and the
    /// session is as it was before.
    TooMany,
}

impl Shared {
    /// Whether a flush would do nothing, as after most requests; `finally`: then the id is pinned from
    /// now on.
    pub(crate) fn is_flushed(&self, finally: bool) -> bool {
        // Another flush may give back what it could not do.
        let Ok(_alone) = self.flushing.try_lock() else {
            return false;
        };
        let mut hand = self.hand();
        let flushed = hand.is_flushed();
        if flushed && finally {
            hand.pin_id();
        }
        flushed
    }

    /// Flushes; `finally`: from now on the id is pinned.
    pub(crate) async fn flush(&self, finally: bool) -> Result<Flushed, Error> {
        let by = self.engine.deadline();
        let Some(_alone) = self.alone(by).await else {
            if finally {
                self.hand().pin_id();
            }
            return Err(Error::not_applied(
                "another flush of this session took until the deadline",
            ));
        };
        let carried_out = {
            let task = self.hand().begin();
            self.carry_out(task, by)
        };
        let outcome = carried_out.await;
        if finally {
            self.hand().pin_id();
        }
        outcome
    }

    /// Waits until no other clone flushes; `None`: not by the deadline.
    async fn alone(&self, by: Instant) -> Option<MutexGuard<'_, ()>> {
        match self.flushing.try_lock() {
            Ok(alone) => Some(alone),
            Err(_) => {
                let waiting = Box::pin(timeout_at(by.into(), self.flushing.lock()));
                waiting.await.ok()
            }
        }
    }

    /// Carries out what was destroyed, for nobody who waits for it.
    pub(crate) async fn flush_destroys(&self) {
        let _alone = self.flushing.lock().await;
        loop {
            let Some(task) = self.hand().begin_destroy() else {
                return;
            };
            if let Err(error) = self.carry_out(task, self.engine.deadline()).await {
                event::abandoned_destroy_failed(&error);
                return;
            }
        }
    }

    /// Not an `async fn`: that would keep room for the task twice.
    fn carry_out(
        &self,
        task: Task,
        by: Instant,
    ) -> impl Future<Output = Result<Flushed, Error>> + Send {
        let mut work = Work {
            shared: self,
            task,
            done: false,
        };
        async move {
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
                drop(copy.apply(change));
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
    /// What is seldom, or as large, is apart: what every flush needs stays small.
    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` would keep room for its arguments twice"
    )]
    fn carry_out<'a>(
        &'a self,
        task: &'a mut Task,
        by: Instant,
    ) -> impl Future<Output = Outcome> + Send + 'a {
        async move {
            let otherwise = match task.doomed.is_empty() {
                true => Flushed::Unchanged,
                false => Box::pin(self.destroy_doomed(task, by)).await?,
            };
            if let (Plan::Create(_), Some(id)) = (&task.plan, &task.ended) {
                // The client may have the cookie of the request that was faster: no other one for it.
                return Ok((Flushed::Ended, Origin::Ended(id.clone())));
            }
            match &task.plan {
                Plan::Nothing(origin) => Ok((
                    otherwise,
                    task.ended
                        .take()
                        .map_or_else(|| origin.clone(), Origin::Ended),
                )),
                Plan::Refuse(id) => {
                    event::refused_after_end(id);
                    Ok((Flushed::Ended, Origin::Ended(id.clone())))
                }
                Plan::Unseen => Err(Error::not_applied(UNSEEN)),
                Plan::TooLate => Err(Error::refused(
                    "the client can be given no new id, because its response has left: call renew, \
                     and set the first entry of a session, before that",
                )),
                Plan::Unsure => Err(Error::unknown(
                    "an earlier flush of this session got no answer: retrieve it again",
                )),
                Plan::Create(origin) => Box::pin(self.store_first(origin, task, by)).await,
                Plan::Replace(read) | Plan::Renew(read) => self.store_again(read, task, by).await,
            }
        }
    }

    /// Ends what this request has destroyed.
    async fn destroy_doomed(&self, task: &mut Task, by: Instant) -> Result<Flushed, Error> {
        let mut last = Flushed::Unchanged;
        while let Some(doomed) = task.doomed.last_mut() {
            let destroyed = self.destroy(doomed, by).await?;
            if !destroyed {
                task.ended = Some(doomed.read.id.clone());
            }
            task.doomed.pop();
            task.destroyed |= destroyed;
            last = match destroyed {
                true => Flushed::Destroyed,
                false => Flushed::Ended,
            };
        }
        Ok(last)
    }

    /// Stores a session that was not stored before.
    async fn store_first(&self, origin: &Origin, task: &Task, by: Instant) -> Outcome {
        let id = match origin {
            Origin::New(id) => id.clone(),
            _ => self.new_id()?,
        };
        if !self.has_room(&id, None, task, by).await? {
            return Ok((Flushed::TooMany, origin.clone()));
        }
        let new = self.begun(task, Some(id))?;
        let read = self.store_new(new, by).await?;
        Ok((Flushed::Created, Origin::Stored(read)))
    }

    /// Stores a session that was stored before, under a fresh id if it is renewed.
    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` would keep room for its arguments twice"
    )]
    fn store_again<'a>(
        &'a self,
        read: &'a Read,
        task: &'a Task,
        by: Instant,
    ) -> impl Future<Output = Outcome> + Send + 'a {
        async move {
            let renews = matches!(task.plan, Plan::Renew(_));
            let fresh = renews.then(|| self.new_id()).transpose()?;
            let mut turn = self.here.queue.turn(&read.id, by).await?;
            let id = fresh.as_ref().unwrap_or(&read.id);
            if !self.has_room(id, Some(read), task, by).await? {
                let start = turn.latest().unwrap_or_else(|| read.clone());
                return Ok((Flushed::TooMany, Origin::Stored(start)));
            }
            let start = turn.latest().unwrap_or_else(|| read.clone());
            // If this fails, nobody knows what is stored; the next flush starts from its own read.
            turn.leave_behind(None);
            let attempt = Attempt::new(self, fresh, start, task, by)?;
            let stored = attempt.listed_for(task.login()).run().await?;
            // Who stands in line behind a renew finds out that the session has gone: what is stored under
            // the new id is none of theirs.
            turn.leave_behind(stored.clone().filter(|stored| stored.id == read.id));
            self.outcome(stored, read, task, by).await
        }
    }

    /// Whether the owner of a log-in, if this is one, may have one more session; if so, it stands in
    /// the index now.
    async fn has_room(
        &self,
        id: &SessionId,
        read: Option<&Read>,
        task: &Task,
        by: Instant,
    ) -> Result<bool, Error> {
        match task.login() {
            None => Ok(true),
            Some(owned) => {
                let created = read.map(|read| read.document.created);
                // Apart, as all that is seldom: what every flush needs stays small.
                Box::pin(self.enlist_at_login(id, created, owned, by)).await
            }
        }
    }

    /// A new session with what this task says, and nothing else.
    fn begun(&self, task: &Task, id: Option<SessionId>) -> Result<New, Error> {
        let entries = match task.applied_to_nothing() {
            Some(entries) => entries.clone(),
            None => {
                let mut entries = self.no_entries();
                apply(task, &mut entries)?;
                entries
            }
        };
        Ok(New {
            id,
            owned: task.login().cloned(),
            ..New::of(entries)
        })
    }

    /// What it means that a session was stored, or had ended.
    async fn outcome(
        &self,
        stored: Option<Read>,
        read: &Read,
        task: &Task,
        by: Instant,
    ) -> Outcome {
        let done = match task.plan {
            Plan::Renew(_) => Flushed::Renewed,
            _ => Flushed::Stored,
        };
        if let Some(stored) = stored {
            event::stored(done, &stored.id, &read.id);
            return Ok((done, Origin::Stored(stored)));
        }
        event::refused_after_end(&read.id);
        if done == Flushed::Renewed {
            // A log-in goes on, with what this request knows and nothing of the session that ended.
            let new = self.begun(task, None)?;
            if new.entries.len() > 0 || new.owned.is_some() {
                let fresh = Box::pin(self.store_new(new, by)).await?;
                return Ok((Flushed::Created, Origin::Stored(fresh)));
            }
        }
        Ok((Flushed::Ended, Origin::Ended(read.id.clone())))
    }
}

const UNSEEN: &str =
    "the session could not be read, so nothing of it was changed, and it has not ended";

/// Does all that a task says to these entries.
pub(super) fn apply(task: &Task, entries: &mut Entries) -> Result<(), Error> {
    task.changes
        .iter()
        .try_for_each(|change| change.apply(entries))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    /// A flush is boxed, so that it goes on when nobody waits for it; see the same test of the store.
    #[tokio::test]
    async fn a_flush_is_small() {
        let engine = SessionEngine::in_memory(Settings::default()).unwrap();
        let session = engine.anonymous();
        let size = size_of_val(&session.shared.flush(false));
        assert!(size <= 1024, "{size}");
    }
}
