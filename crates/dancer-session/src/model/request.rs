//! The specification, second part: what a request has in hand, and what it does without asking
//! anybody.

use super::step::Outcome;
use super::world::{Entries, LIFETIME, Live, Number, World};

/// A request, or nobody yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    pub(super) holds: Holds,
    /// What it has done and not flushed.
    pub(super) changes: Vec<Change>,
    pub(super) renew: bool,
    /// It has said whose the session is, and this tells it apart in their list.
    pub(super) owner: Option<u64>,
    /// A session that it has destroyed and not flushed, and which destroy that was.
    pub(super) doomed: Option<(Number, u64)>,
    /// Its last flush has ended a session, and none was stored since.
    pub(super) destroyed: bool,
    /// It has destroyed what another one had ended before.
    pub(super) too_late: bool,
    /// A count of its may be stored, or not: to count again would be one too many.
    pub(super) unsure: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Holds {
    #[default]
    Nothing,
    /// A visitor without a session.
    Visitor,
    Session {
        number: Number,
        seen: Entries,
        created: u64,
        written: u64,
        owned: Option<u64>,
    },
    /// A session that another request has ended.
    Ended(Number),
}

/// What is done to the entries, kept as an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Set(&'static str, u64),
    /// One more than before.
    Count,
}

impl Holds {
    pub(super) fn session(number: Number, live: &Live) -> Self {
        Self::Session {
            number,
            seen: live.entries.clone(),
            created: live.created,
            written: live.written,
            owned: live.owned,
        }
    }

    pub(super) fn number(&self) -> Option<Number> {
        match self {
            Self::Session { number, .. } | Self::Ended(number) => Some(*number),
            Self::Nothing | Self::Visitor => None,
        }
    }
}

impl Change {
    pub(super) fn all(changes: &[Self], before: &Entries) -> Entries {
        let mut entries = before.clone();
        for change in changes {
            match change {
                Self::Set(name, value) => {
                    entries.insert(name, *value);
                }
                Self::Count => *entries.entry("n").or_default() += 1,
            }
        }
        entries
    }
}

impl Request {
    pub(super) fn new(holds: Holds) -> Self {
        Self {
            holds,
            ..Self::default()
        }
    }

    /// What the application sees: what was read, with its own changes.
    pub(super) fn shown(&self) -> Entries {
        match &self.holds {
            Holds::Session { seen, .. } => Change::all(&self.changes, seen),
            Holds::Nothing | Holds::Visitor | Holds::Ended(_) => {
                Change::all(&self.changes, &Entries::new())
            }
        }
    }

    pub(super) fn counts(&self) -> bool {
        self.changes.contains(&Change::Count)
    }

    /// Whether the absolute limit of what it holds has passed; then nobody needs to be asked.
    pub(super) fn is_over(&self, now: u64) -> bool {
        matches!(self.holds, Holds::Session { created, .. } if created + LIFETIME <= now)
    }

    /// Whether a flush would have something to do.
    pub(super) fn is_pending(&self) -> bool {
        !self.changes.is_empty() || self.renew || self.doomed.is_some() || self.too_late
    }
}

/// Calls of the application: no I/O, so each is seen by nobody else.
impl World {
    pub(super) fn change(&mut self, who: usize, change: Change) -> Outcome {
        self.requests[who].changes.push(change);
        Outcome::Done
    }

    pub(super) fn set(&mut self, who: usize, name: &'static str) -> Outcome {
        let token = self.token;
        self.token += 1;
        self.change(who, Change::Set(name, token))
    }

    /// A renew, the time of the log-in, and who it is, to the application and to the engine.
    pub(super) fn log_in(&mut self, who: usize) -> Outcome {
        let at = Change::Set("logged_in_at", self.now);
        self.renews(who);
        let request = &mut self.requests[who];
        let before = match request.holds {
            Holds::Session { owned, .. } => request.owner.or(owned),
            Holds::Nothing | Holds::Visitor | Holds::Ended(_) => request.owner,
        };
        request.owner = before.or(Some(self.handle));
        self.handle += 1;
        self.change(who, at);
        self.set(who, "user")
    }

    pub(super) fn renews(&mut self, who: usize) -> Outcome {
        self.requests[who].renew = true;
        Outcome::Done
    }

    /// Drops what was pending. What another request has ended is none of this one's business.
    pub(super) fn destroys(&mut self, who: usize) -> Outcome {
        let request = &mut self.requests[who];
        request.changes.clear();
        (request.renew, request.owner, request.unsure) = (false, None, false);
        match request.holds {
            Holds::Session { number, .. } => {
                request.doomed = Some((number, self.destroy));
                request.holds = Holds::Visitor;
                self.destroy += 1;
            }
            Holds::Ended(_) => request.too_late = true,
            Holds::Nothing | Holds::Visitor => {}
        }
        Outcome::Done
    }
}
