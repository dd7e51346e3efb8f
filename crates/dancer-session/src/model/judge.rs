//! Compares what the engine did with what the model allows, and holds the invariants of every
//! step, which need no model.

use std::collections::BTreeSet;
use std::time::Duration;

use super::request::{Change, Holds};
use super::rig::{Look, Seen, There};
use super::step::{Outcome, Step};
use super::world::{EXPIRE, Entries, LIFETIME, Number, Slot, TIMEOUT, World};
use crate::Flushed;

/// What the acting request sees afterwards.
#[derive(Debug)]
pub(super) struct View {
    pub(super) shown: Entries,
    pub(super) number: Option<Number>,
    pub(super) ended: bool,
    pub(super) destroyed: bool,
}

/// What must hold whatever the model says.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    /// Values of writes that have failed, were refused, or were not flushed: nobody may see them.
    unstored: BTreeSet<u64>,
    /// Ids whose sessions have ended.
    dead: BTreeSet<Number>,
}

/// The value in the one session that belongs to nobody here.
pub(super) const CANARY: u64 = 4_000_000;

impl Ledger {
    /// Takes a step into account, and looks at what is stored after it.
    pub(super) fn check(
        &mut self,
        before: &World,
        (step, outcome): (Step, Outcome),
        look: &Look,
        view: Option<&View>,
    ) -> Result<(), String> {
        match (step, outcome) {
            (Step::Set(..) | Step::LogIn(_), _) => {
                self.unstored.insert(before.token);
            }
            (
                Step::Flush(who, _),
                Outcome::Flushed(Flushed::Stored | Flushed::Renewed | Flushed::Created),
            ) => self.settle(before, who, |_| true),
            // An unknown write is there at the first look, or never.
            (Step::Flush(who, _), Outcome::Unknown) => self.settle(before, who, |token| {
                look.keys.values().any(|seen| seen.has(token))
            }),
            _ => {}
        }
        for (number, seen) in &look.keys {
            self.check_stored(*number, seen)?;
        }
        let live = |number: &Number| {
            matches!(
                look.keys.get(number),
                Some(Seen {
                    there: There::Session { .. },
                    ..
                })
            )
        };
        let gone = before.slots.keys().filter(|number| !live(number));
        self.dead.extend(gone);
        let shown = view.into_iter().flat_map(|view| view.shown.values());
        let crossed = shown.chain(look.keys.values().flat_map(Seen::values));
        if crossed.into_iter().any(|value| *value == CANARY) {
            return Err("N5: the other session's value is seen".into());
        }
        Ok(())
    }

    fn settle(&mut self, before: &World, who: usize, stored: impl Fn(u64) -> bool) {
        for change in &before.requests[who].changes {
            match change {
                Change::Set(_, token) if stored(*token) => {
                    self.unstored.remove(token);
                }
                Change::Set(..) | Change::Count => {}
            }
        }
    }

    fn check_stored(&self, number: Number, seen: &Seen) -> Result<(), String> {
        if seen.left.is_zero() || seen.left > Duration::from_secs(EXPIRE) {
            return Err(format!("N6: session {number} has {:?} left", seen.left));
        }
        let There::Session { entries, .. } = &seen.there else {
            return Ok(());
        };
        if self.dead.contains(&number) {
            return Err(format!("N4: session {number} had ended, and lives"));
        }
        match entries.values().find(|value| self.unstored.contains(value)) {
            Some(value) => Err(format!(
                "N2, N3: value {value} of a write that was not stored is in session {number}"
            )),
            None => Ok(()),
        }
    }
}

/// The world after a step: the one, of those that the model allows, that is seen.
pub(super) fn judge(
    before: &World,
    (step, outcome): (Step, Outcome),
    look: &Look,
    view: Option<&View>,
) -> Result<World, String> {
    let fresh: Vec<Number> = look
        .keys
        .keys()
        .copied()
        .filter(|number| !before.slots.contains_key(number))
        .collect();
    if fresh.len() > 1 {
        return Err(format!("one step has made the sessions {fresh:?}"));
    }
    let allowed = before.step(step, fresh.first().copied().unwrap_or(Number::MAX));
    let mut why = String::new();
    for (expected, after) in allowed {
        let differs = if expected == outcome {
            after.differs(look, view.zip(step.who()))
        } else {
            Some("another outcome".to_owned())
        };
        match differs {
            None => return Ok(after),
            Some(differs) => why.push_str(&format!("\n  not {expected:?}: {differs}")),
        }
    }
    Err(format!(
        "{step:?} came to {outcome:?}, which the model does not allow:{why}"
    ))
}

impl World {
    fn differs(&self, look: &Look, view: Option<(&View, usize)>) -> Option<String> {
        if let Some(number) = look
            .keys
            .keys()
            .find(|number| !self.slots.contains_key(*number))
        {
            return Some(format!("there should be no session {number}"));
        }
        if look.owned != self.owned() {
            let (shown, owned) = (look.owned, self.owned());
            return Some(format!("the owner is shown {shown} sessions, of {owned}"));
        }
        for (number, slot) in &self.slots {
            let agrees = match (slot, look.keys.get(number)) {
                (Slot::Gone, None) => true,
                (Slot::Live(live), Some(seen)) => {
                    let There::Session {
                        entries, created, ..
                    } = &seen.there
                    else {
                        return Some(format!("session {number} is no stub"));
                    };
                    let limit = (live.created + LIFETIME).min(live.ends) - self.now;
                    *entries == live.entries
                        && *created == live.created
                        && seen.left <= Duration::from_secs(limit)
                        && seen.left + SLACK > Duration::from_secs(limit)
                }
                (Slot::Stub { until, .. }, Some(seen)) => {
                    let most = until + TIMEOUT + 1 - self.now;
                    matches!(seen.there, There::Stub { until: seen, .. } if seen == *until)
                        && seen.left <= Duration::from_secs(most)
                }
                (Slot::Gone, Some(_)) | (Slot::Live(_) | Slot::Stub { .. }, None) => false,
            };
            if !agrees {
                return Some(format!(
                    "{number} should be {slot:?}, and is {:?}",
                    look.keys.get(number)
                ));
            }
        }
        let (view, who) = view?;
        let request = &self.requests[who];
        let expected = View {
            shown: request.shown(),
            number: request.holds.number(),
            ended: matches!(request.holds, Holds::Ended(_)),
            destroyed: request.destroyed,
        };
        (!view.agrees(&expected))
            .then(|| format!("the request should see {expected:?}, and sees {view:?}"))
    }
}

/// How much of a key's life may have passed in a real server since the step.
const SLACK: Duration = Duration::from_secs(9);

impl View {
    fn agrees(&self, other: &Self) -> bool {
        self.shown == other.shown
            && self.number == other.number
            && self.ended == other.ended
            && self.destroyed == other.destroyed
    }
}

impl Seen {
    fn values(&self) -> impl Iterator<Item = &u64> {
        let entries = match &self.there {
            There::Session { entries, .. } => Some(entries.values()),
            There::Stub { .. } => None,
        };
        entries.into_iter().flatten()
    }

    fn has(&self, token: u64) -> bool {
        self.values().any(|value| *value == token)
    }
}
