//! What an application did to its session and what follows from it. No I/O, no clock: the rules of
//! [`plan`](Hand::plan) can be read, and tested, by themselves.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::Error;
use crate::change::Change;
use crate::id::{Mark, SessionId};
use crate::layout::Entries;
use crate::lifetime::Moment;
use crate::owner::Owned;
use crate::session::Read;

#[cfg(test)]
mod seen;

/// A session between two flushes.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Hand {
    origin: Origin,
    changes: Changes,
    /// The entries with the changes applied; `None` as long as there are none.
    changed: Option<Changed>,
    /// For sessions that have no entries of their own to show.
    empty: Entries,
    renew: bool,
    /// Whose the session is to be from the next flush on.
    owner: Option<OwnerChange>,
    /// Sessions that were destroyed and still stand in the store.
    doomed: Vec<Doomed>,
    /// Destroyed in the store, and nothing new stored since.
    destroyed: bool,
    /// Counts all that happens to the entries.
    revision: u64,
    /// How often each was called: tells a flush what happened meanwhile.
    destroys: u32,
    discards: u32,
    /// Destroyed after another request had ended it: there is nothing to do, but that must be said.
    too_late: bool,
    /// The client can be given no other id.
    pinned: bool,
    /// A flush ended without knowing whether its changes were stored.
    unsure: bool,
}

/// Most requests make one, or none.
type Changes = SmallVec<[Change; 1]>;

/// Entries after the changes of a request.
#[derive(Clone)]
struct Changed {
    entries: Entries,
    of: Of,
}

/// What all of the changes, and nothing else, were applied to.
#[derive(Clone)]
enum Of {
    Nothing,
    Read(Read),
    /// To what is stored, maybe, and some of them twice or not at all.
    Unknown,
}

/// What a request says of the owner of its session.
#[derive(Clone)]
pub(crate) enum OwnerChange {
    Set(Arc<Owned>),
    Remove,
}

impl OwnerChange {
    /// Who has the session if nobody had it before.
    fn owned(&self) -> Option<&Arc<Owned>> {
        match self {
            Self::Set(owned) => Some(owned),
            Self::Remove => None,
        }
    }
}

/// A session that is to be destroyed.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Doomed {
    pub(crate) read: Read,
    /// What its stub is known by, the same in all flushes that try.
    pub(crate) mark: Option<Mark>,
}

impl Doomed {
    fn new(read: Read) -> Self {
        Self { read, mark: None }
    }
}

/// Where the session in hand comes from.
#[derive(Clone)]
pub(crate) enum Origin {
    /// Nowhere: nothing is stored.
    Anonymous,
    /// Nothing is stored yet, but it has its id already, and will be stored even if it is empty.
    New(SessionId),
    Stored(Read),
    /// Stored once, but ended by another request.
    Ended(SessionId),
    /// Nobody knows: the store could not be asked.
    Unavailable,
}

impl Origin {
    fn entries(&self, empty: &Entries) -> Entries {
        match self {
            Self::Stored(read) => read.document.entries.clone(),
            Self::Anonymous | Self::New(_) | Self::Ended(_) | Self::Unavailable => empty.clone(),
        }
    }

    fn as_base(&self) -> Of {
        self.read()
            .map_or(Of::Nothing, |read| Of::Read(read.clone()))
    }

    fn read(&self) -> Option<&Read> {
        match self {
            Self::Stored(read) => Some(read),
            Self::Anonymous | Self::New(_) | Self::Ended(_) | Self::Unavailable => None,
        }
    }
}

/// What a flush has to do.
pub(crate) enum Plan {
    Nothing(Origin),
    /// Changes were lost to an unknown outcome; doing them again might do them twice.
    Unsure,
    /// Changes to a session that has ended: refuse them.
    Refuse(SessionId),
    /// Changes to a session that nobody has seen.
    Unseen,
    /// A new id, when it is too late for one.
    TooLate,
    /// Store the changes as a new session; where this one came from is not stored, or no longer.
    Create(Origin),
    Replace(Read),
    Renew(Read),
}

/// What a flush takes along; [`Hand::settle`] takes it back.
pub(crate) struct Task {
    pub(crate) plan: Plan,
    pub(crate) doomed: Vec<Doomed>,
    /// Whether one of the doomed was destroyed.
    pub(crate) destroyed: bool,
    /// One of the doomed that another request had ended before.
    pub(crate) ended: Option<SessionId>,
    pub(crate) changes: Changes,
    /// What the changes have made of the session already, for this request to see.
    applied: Option<Changed>,
    pub(crate) owner: Option<OwnerChange>,
    renew: bool,
    destroys: u32,
    discards: u32,
}

impl Hand {
    /// `empty`: what a session without entries is in this layout.
    pub(crate) fn new(origin: Origin, empty: Entries) -> Self {
        Self {
            origin,
            changes: Changes::new(),
            changed: None,
            empty,
            renew: false,
            owner: None,
            doomed: Vec::new(),
            destroyed: false,
            revision: 0,
            destroys: 0,
            discards: 0,
            too_late: false,
            pinned: false,
            unsure: false,
        }
    }

    pub(crate) fn id(&self) -> Option<&SessionId> {
        match &self.origin {
            Origin::Anonymous | Origin::Unavailable => None,
            Origin::Stored(read) => Some(&read.id),
            Origin::New(id) | Origin::Ended(id) => Some(id),
        }
    }

    pub(crate) fn created(&self) -> Option<Moment> {
        self.read().map(|read| read.document.created)
    }

    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.origin, Origin::Ended(_))
    }

    pub(crate) fn is_read_only(&self) -> bool {
        matches!(self.origin, Origin::Unavailable)
    }

    /// What it was read as, or stored as last.
    pub(crate) fn read(&self) -> Option<&Read> {
        self.origin.read()
    }

    pub(crate) fn is_destroyed(&self) -> bool {
        self.destroyed
    }

    /// What the application sees.
    pub(crate) fn entries(&self) -> &Entries {
        match (&self.changed, &self.origin) {
            (Some(changed), _) => &changed.entries,
            (None, Origin::Stored(read)) => &read.document.entries,
            (None, Origin::Anonymous | Origin::New(_) | Origin::Ended(_) | Origin::Unavailable) => {
                &self.empty
            }
        }
    }

    /// All that the application sees, since when it exists, and whose it is.
    pub(crate) fn contents(&self) -> (Entries, Option<Moment>, Option<Arc<Owned>>) {
        (self.entries().clone(), self.created(), self.owned())
    }

    /// Applies a change for this request to see, and keeps it for the flush. Not for changes with a
    /// closure of the application's: see [`accept`](Self::accept).
    pub(crate) fn change(&mut self, change: Change) -> Result<(), Error> {
        let (origin, empty) = (&self.origin, &self.empty);
        let changed = self.changed.get_or_insert_with(|| Changed {
            entries: origin.entries(empty),
            of: origin.as_base(),
        });
        change.apply(&mut changed.entries)?;
        self.keep(change);
        Ok(())
    }

    /// A copy of the entries, for a change that is applied outside the lock.
    pub(crate) fn copy(&self) -> Copy {
        let changed = self.changed.clone().unwrap_or_else(|| Changed {
            entries: self.entries().clone(),
            of: self.origin.as_base(),
        });
        Copy::new(changed, self.revision)
    }

    /// Takes a change over that was applied to a copy, unless there were others since.
    pub(crate) fn accept(&mut self, copy: Copy, change: Change) -> Result<(), Change> {
        if copy.revision != self.revision {
            return Err(change);
        }
        self.changed = Some(copy.changed);
        self.keep(change);
        Ok(())
    }

    fn keep(&mut self, change: Change) {
        self.revision += 1;
        self.changes.push(change);
    }

    /// After a flush: what was stored, and the changes that were made since and wait to be applied
    /// to it.
    pub(crate) fn to_rebase(&self) -> Option<(Copy, Changes)> {
        let changed = Changed {
            entries: self.origin.entries(&self.empty),
            of: self.origin.as_base(),
        };
        let waiting = !self.changes.is_empty();
        waiting.then(|| (Copy::new(changed, self.revision), self.changes.clone()))
    }

    /// Takes over the result; `false`: there were other changes since.
    pub(crate) fn rebased(&mut self, copy: Copy) -> bool {
        let fits = copy.revision == self.revision;
        if fits {
            self.changed = Some(copy.changed);
        }
        fits
    }

    pub(crate) fn renew(&mut self) {
        self.renew = true;
    }

    pub(crate) fn set_owner(&mut self, owner: OwnerChange) {
        self.owner = Some(owner);
    }

    /// Whose it is, as far as this request knows.
    pub(crate) fn owned(&self) -> Option<Arc<Owned>> {
        match &self.owner {
            Some(change) => change.owned().cloned(),
            None => self.read().and_then(|read| read.document.owned.clone()),
        }
    }

    pub(crate) fn discard(&mut self) {
        self.revision += 1;
        self.discards += 1;
        self.changes.clear();
        self.changed = None;
        self.renew = false;
        self.owner = None;
    }

    pub(crate) fn destroy(&mut self) {
        self.discard();
        self.destroys += 1;
        match std::mem::replace(&mut self.origin, Origin::Anonymous) {
            Origin::Anonymous | Origin::New(_) => {}
            Origin::Stored(read) => self.doomed.push(Doomed::new(read)),
            // Its cookie may be a newer one by now: this request must not touch it.
            // And of one that was not read nobody can say that it has ended.
            left @ (Origin::Ended(_) | Origin::Unavailable) => {
                self.origin = left;
                self.too_late = true;
            }
        }
        self.unsure = false;
    }

    pub(crate) fn pin_id(&mut self) {
        self.pinned = true;
    }

    /// What would be lost if nobody flushed any more.
    pub(crate) fn left_behind(&self) -> Option<&'static str> {
        let changed = self.owner.is_some() || self.changes.iter().any(Change::matters);
        match (self.renew, changed) {
            (true, _) => Some("a renew"),
            (false, true) if self.entries().len() > 0 || self.id().is_some() => Some("changes"),
            (false, _) => (!self.doomed.is_empty()).then_some("a destroy"),
        }
    }

    pub(crate) fn has_doomed(&self) -> bool {
        !self.doomed.is_empty()
    }

    /// Whether nothing at all has been done since the session was read, or flushed.
    pub(crate) fn is_flushed(&self) -> bool {
        let pending = self.renew || self.owner.is_some() || self.too_late || self.has_doomed();
        let stays = matches!(self.origin, Origin::Anonymous | Origin::Stored(_));
        stays && self.changes.is_empty() && !pending
    }

    /// Hands over a pending destroy, and nothing else that is pending.
    pub(crate) fn begin_destroy(&mut self) -> Option<Task> {
        if self.doomed.is_empty() {
            return None;
        }
        Some(Task {
            plan: Plan::Nothing(self.origin.clone()),
            doomed: std::mem::take(&mut self.doomed),
            destroyed: false,
            ended: None,
            changes: Changes::new(),
            applied: None,
            owner: None,
            renew: false,
            destroys: self.destroys,
            discards: self.discards,
        })
    }

    /// Hands over what is pending. Changes made from now on wait for the next flush.
    pub(crate) fn begin(&mut self) -> Task {
        let plan = self.plan();
        // What was not done stays to be said.
        self.too_late &= self.is_read_only();
        Task {
            plan,
            doomed: std::mem::take(&mut self.doomed),
            destroyed: false,
            ended: None,
            changes: std::mem::take(&mut self.changes),
            applied: self.changed.clone(),
            owner: self.owner.take(),
            renew: std::mem::take(&mut self.renew),
            destroys: self.destroys,
            discards: self.discards,
        }
    }

    fn plan(&self) -> Plan {
        let pending = self.owner.is_some() || self.changes.iter().any(Change::matters);
        // Whoever has an owner is no visitor any more.
        let owned = self
            .owner
            .as_ref()
            .is_some_and(|owner| owner.owned().is_some());
        let holds_data = owned || self.entries().len() > 0;
        match &self.origin {
            Origin::Unavailable if pending || self.renew || self.too_late => Plan::Unseen,
            _ if self.unsure && pending => Plan::Unsure,
            Origin::Anonymous if self.pinned && holds_data => Plan::TooLate,
            Origin::Stored(_) if self.pinned && self.renew => Plan::TooLate,
            Origin::Ended(id) if self.pinned && self.renew => Plan::Refuse(id.clone()),
            Origin::Anonymous if holds_data => Plan::Create(Origin::Anonymous),
            Origin::New(id) => Plan::Create(Origin::New(id.clone())),
            // A log-in goes on, under a fresh id.
            Origin::Ended(id) if self.renew && holds_data => {
                Plan::Create(Origin::Ended(id.clone()))
            }
            Origin::Ended(id) if self.renew || pending || self.too_late => Plan::Refuse(id.clone()),
            Origin::Stored(read) if self.renew => Plan::Renew(read.clone()),
            Origin::Stored(read) if pending => Plan::Replace(read.clone()),
            // A visitor without data costs nothing either.
            origin => Plan::Nothing(origin.clone()),
        }
    }

    /// Takes over what a flush achieved: `origin` is what the session is now.
    pub(crate) fn settle(&mut self, task: &Task, origin: Origin) {
        self.revision += 1;
        if self.destroys != task.destroys {
            self.destroyed |= task.destroyed;
            // Destroyed while it was flushed: then what the flush stored is doomed too.
            if let Origin::Stored(read) = origin {
                // Under its old id the flush has left a stub, or that is the id it still has.
                self.doomed
                    .retain(|doomed| Some(&doomed.read.id) != task.id());
                self.doomed.push(Doomed::new(read));
            }
            return;
        }
        let stored = matches!(origin, Origin::Stored(_));
        self.destroyed = !stored && (self.destroyed || task.destroyed);
        self.origin = origin;
        if self.changes.is_empty() {
            self.changed = None;
        } else if let Some(changed) = &mut self.changed {
            // Those of the flush are among them, which may have been refused.
            changed.of = Of::Unknown;
        }
    }

    /// Takes back what a flush could not do. `unknown`: it may have done it.
    pub(crate) fn unsettle(&mut self, task: &mut Task, unknown: bool) {
        self.destroyed |= task.destroyed;
        self.doomed.append(&mut task.doomed);
        if self.discards == task.discards {
            self.unsure |= unknown && task.repeating_shows();
            let later = std::mem::replace(&mut self.changes, std::mem::take(&mut task.changes));
            self.changes.extend(later);
            self.renew |= task.renew;
            self.owner = self.owner.take().or(task.owner.take());
        }
    }
}

/// The entries of a hand at one moment.
pub(crate) struct Copy {
    changed: Changed,
    revision: u64,
}

impl Copy {
    fn new(changed: Changed, revision: u64) -> Self {
        Self { changed, revision }
    }

    /// Applies a change. One that fails is still to be reported, so a flush has to do it again.
    pub(crate) fn apply(&mut self, change: &Change) -> Result<(), Error> {
        let applied = change.apply(&mut self.changed.entries);
        if applied.is_err() {
            self.changed.of = Of::Unknown;
        }
        applied
    }
}

impl Task {
    /// The id of the session as it was when this began.
    fn id(&self) -> Option<&SessionId> {
        match &self.plan {
            Plan::Replace(read) | Plan::Renew(read) => Some(&read.id),
            _ => None,
        }
    }

    /// Whether changing a stored session by this task twice would show.
    pub(crate) fn counts(&self) -> bool {
        self.changes.iter().any(Change::counts)
    }

    /// What this task makes of the entries of `read`, if that is known.
    pub(crate) fn applied_to(&self, read: &Read) -> Option<&Entries> {
        let applied = self.applied.as_ref()?;
        match &applied.of {
            Of::Read(of) if of.is(read) => Some(&applied.entries),
            Of::Read(_) | Of::Nothing | Of::Unknown => None,
        }
    }

    /// What this task makes of no entries, if that is known.
    pub(crate) fn applied_to_nothing(&self) -> Option<&Entries> {
        let applied = self.applied.as_ref()?;
        matches!(applied.of, Of::Nothing).then_some(&applied.entries)
    }

    /// Who logs in by this task.
    pub(crate) fn login(&self) -> Option<&Arc<Owned>> {
        self.owner.as_ref().and_then(OwnerChange::owned)
    }

    /// Whose a session is after this task, that was `before`'s.
    pub(crate) fn owned(&self, before: Option<&Arc<Owned>>) -> Option<Arc<Owned>> {
        match &self.owner {
            Some(change) => change.owned().cloned(),
            None => before.cloned(),
        }
    }

    fn repeating_shows(&self) -> bool {
        matches!(self.plan, Plan::Replace(_) | Plan::Renew(_)) && self.counts()
    }
}

/// Shows names and the fingerprint; no id, no value.
impl fmt::Debug for Hand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Session");
        match &self.origin {
            Origin::Anonymous => out.field("id", &None::<SessionId>),
            Origin::New(id) => out.field("id", id).field("new", &true),
            Origin::Stored(read) => out.field("id", &read.id),
            Origin::Ended(id) => out.field("id", id).field("ended", &true),
            Origin::Unavailable => out.field("read_only", &true),
        };
        out.field("entries", self.entries())
            .field("changes", &self.changes)
            .finish_non_exhaustive()
    }
}
