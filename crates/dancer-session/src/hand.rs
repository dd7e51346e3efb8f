//! What an application did to its session and what follows from it. No I/O, no clock: the rules of
//! [`plan`](Hand::plan) can be read, and tested, by themselves.

use std::fmt;

use crate::Error;
use crate::change::Change;
use crate::id::SessionId;
use crate::layout::Entries;
use crate::lifetime::Moment;
use crate::session::Read;

/// A session between two flushes.
pub(crate) struct Hand {
    origin: Origin,
    changes: Vec<Change>,
    /// The entries with the changes applied; `None` as long as there are none.
    changed: Option<Entries>,
    /// For sessions that have no entries of their own to show.
    empty: Entries,
    renew: bool,
    /// Sessions that were destroyed and still stand in the store.
    doomed: Vec<SessionId>,
    /// Destroyed in the store, and nothing new stored since.
    destroyed: bool,
    /// How often each was called: tells a flush what happened meanwhile.
    destroys: u32,
    discards: u32,
    /// The client can be given no other id.
    pinned: bool,
    /// A flush ended without knowing whether its changes were stored.
    unsure: bool,
}

/// Where the session in hand comes from.
#[derive(Clone)]
pub(crate) enum Origin {
    /// Nowhere: nothing is stored.
    Anonymous,
    Stored(Read),
    /// Stored once, but ended by another request.
    Ended(SessionId),
}

impl Origin {
    fn entries(&self) -> Entries {
        match self {
            Self::Stored(read) => read.document.entries.clone(),
            Self::Anonymous | Self::Ended(_) => Entries::default(),
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
    /// A new id, when it is too late for one.
    TooLate,
    /// Store the changes as a new session.
    Create,
    Replace(Read),
    Renew(Read),
}

/// What a flush takes along; [`Hand::settle`] takes it back.
pub(crate) struct Task {
    pub(crate) plan: Plan,
    pub(crate) doomed: Vec<SessionId>,
    /// Whether one of the doomed was destroyed.
    pub(crate) destroyed: bool,
    /// One of the doomed that another request had ended before.
    pub(crate) ended: Option<SessionId>,
    pub(crate) changes: Vec<Change>,
    renew: bool,
    destroys: u32,
    discards: u32,
}

impl Hand {
    pub(crate) fn new(origin: Origin) -> Self {
        Self {
            origin,
            changes: Vec::new(),
            changed: None,
            empty: Entries::default(),
            renew: false,
            doomed: Vec::new(),
            destroyed: false,
            destroys: 0,
            discards: 0,
            pinned: false,
            unsure: false,
        }
    }

    pub(crate) fn id(&self) -> Option<&SessionId> {
        match &self.origin {
            Origin::Anonymous => None,
            Origin::Stored(read) => Some(&read.id),
            Origin::Ended(id) => Some(id),
        }
    }

    pub(crate) fn created(&self) -> Option<Moment> {
        match &self.origin {
            Origin::Stored(read) => Some(read.document.created),
            Origin::Anonymous | Origin::Ended(_) => None,
        }
    }

    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.origin, Origin::Ended(_))
    }

    pub(crate) fn is_destroyed(&self) -> bool {
        self.destroyed
    }

    /// What the application sees.
    pub(crate) fn entries(&self) -> &Entries {
        match (&self.changed, &self.origin) {
            (Some(changed), _) => changed,
            (None, Origin::Stored(read)) => &read.document.entries,
            (None, Origin::Anonymous | Origin::Ended(_)) => &self.empty,
        }
    }

    /// The one way in which entries change: applied at once for this request to see, and kept for
    /// the flush.
    pub(crate) fn change(&mut self, change: Change) -> Result<(), Error> {
        // In place, so that a closure that panics or fails leaves all as it is.
        let origin = &self.origin;
        let entries = self.changed.get_or_insert_with(|| origin.entries());
        change.apply(entries)?;
        self.changes.push(change);
        Ok(())
    }

    pub(crate) fn renew(&mut self) {
        self.renew = true;
    }

    pub(crate) fn discard(&mut self) {
        self.discards += 1;
        self.changes.clear();
        self.changed = None;
        self.renew = false;
    }

    pub(crate) fn destroy(&mut self) {
        self.discard();
        self.destroys += 1;
        match std::mem::replace(&mut self.origin, Origin::Anonymous) {
            Origin::Anonymous => {}
            Origin::Stored(read) => self.doomed.push(read.id),
            // Its cookie may be a newer one by now: this request must not touch it.
            ended @ Origin::Ended(_) => self.origin = ended,
        }
        self.unsure = false;
    }

    pub(crate) fn pin_id(&mut self) {
        self.pinned = true;
    }

    /// What would be lost if nobody flushed any more.
    pub(crate) fn left_behind(&self) -> Option<&'static str> {
        match (self.renew, self.changes.is_empty()) {
            (true, _) => Some("a renew"),
            (false, false) if self.entries().len() > 0 || self.id().is_some() => Some("changes"),
            (false, _) => (!self.doomed.is_empty()).then_some("a destroy"),
        }
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
            changes: Vec::new(),
            renew: false,
            destroys: self.destroys,
            discards: self.discards,
        })
    }

    /// Hands over what is pending. Changes made from now on wait for the next flush.
    pub(crate) fn begin(&mut self) -> Task {
        let plan = self.plan();
        Task {
            plan,
            doomed: std::mem::take(&mut self.doomed),
            destroyed: false,
            ended: None,
            changes: std::mem::take(&mut self.changes),
            renew: std::mem::take(&mut self.renew),
            destroys: self.destroys,
            discards: self.discards,
        }
    }

    fn plan(&self) -> Plan {
        let pending = !self.changes.is_empty();
        let holds_data = self.entries().len() > 0;
        match &self.origin {
            _ if self.unsure && pending => Plan::Unsure,
            Origin::Anonymous if self.pinned && holds_data => Plan::TooLate,
            Origin::Stored(_) if self.pinned && self.renew => Plan::TooLate,
            Origin::Ended(id) if self.pinned && self.renew => Plan::Refuse(id.clone()),
            Origin::Anonymous if holds_data => Plan::Create,
            // A log-in goes on, under a fresh id.
            Origin::Ended(_) if self.renew && holds_data => Plan::Create,
            Origin::Ended(id) if self.renew || pending => Plan::Refuse(id.clone()),
            Origin::Stored(read) if self.renew => Plan::Renew(read.clone()),
            Origin::Stored(read) if pending => Plan::Replace(read.clone()),
            // A visitor without data costs nothing either.
            origin => Plan::Nothing(origin.clone()),
        }
    }

    /// Takes over what a flush achieved: `origin` is what the session is now.
    pub(crate) fn settle(&mut self, task: &Task, origin: Origin) {
        if self.destroys != task.destroys {
            self.destroyed |= task.destroyed;
            // Destroyed while it was flushed: then what the flush stored is doomed too.
            if let Origin::Stored(read) = origin {
                self.doomed.push(read.id);
            }
            return;
        }
        self.destroyed = !matches!(origin, Origin::Stored(_)) && (self.destroyed || task.destroyed);
        self.origin = origin;
        self.changed = None;
        if !self.changes.is_empty() {
            // Made during the flush. What no longer fits the newer entries, the next one reports.
            let mut entries = self.entries().clone();
            let fits = self
                .changes
                .iter()
                .try_for_each(|change| change.apply(&mut entries));
            drop(fits);
            self.changed = Some(entries);
        }
    }

    /// Takes back what a flush could not do.
    pub(crate) fn unsettle(&mut self, task: Task, error: &Error) {
        self.destroyed |= task.destroyed;
        self.doomed.extend(task.doomed);
        if self.discards == task.discards {
            let later = std::mem::replace(&mut self.changes, task.changes);
            self.changes.extend(later);
            self.renew |= task.renew;
            self.unsure |= error.is_unknown();
        }
    }
}

impl Task {
    /// Whether doing this task twice would show.
    pub(crate) fn counts(&self) -> bool {
        self.changes.iter().any(Change::counts)
    }
}

/// Shows names and the fingerprint; no id, no value.
impl fmt::Debug for Hand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Session");
        match &self.origin {
            Origin::Anonymous => out.field("id", &None::<SessionId>),
            Origin::Stored(read) => out.field("id", &read.id),
            Origin::Ended(id) => out.field("id", id).field("ended", &true),
        };
        out.field("entries", self.entries())
            .field("changes", &self.changes)
            .finish_non_exhaustive()
    }
}
