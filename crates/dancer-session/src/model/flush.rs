//! The specification, third part: what a flush may come to, on a good day and when replies are lost.

use super::faulty::Net;
use super::request::{Change, Holds, Request};
use super::step::Outcome;
use super::world::{Entries, Number, Slot, World};
use crate::Flushed;

/// What a flush asks of the store first.
enum First {
    Nothing,
    Destroy(Number, u64),
    Create,
    Replace(Number),
    Renew(Number),
}

impl World {
    /// All that a flush may come to.
    pub(super) fn flush(&self, who: usize, net: Net, fresh: Number) -> Vec<(Outcome, World)> {
        let first = self.first(who);
        let mut well = self.clone();
        let outcome = well.carry_out(who, fresh);
        let mut all = vec![(outcome, well)];
        if matches!(first, First::Nothing) {
            return all;
        }
        match net {
            Net::Well => {}
            Net::ReplyLost | Net::RequestLost => {
                // It asks again, and finds out; unless it counts, and another one has written since
                // it read: for all it knows, on top of this very flush.
                if self.is_outrun(who) {
                    all.extend(self.unknown(who));
                }
                // What it finds in place of its session says that this has ended, but not whether
                // the changes were stored before that: with a renew they would live on.
                if let First::Replace(number) = first
                    && !matches!(self.slots.get(&number), Some(Slot::Live(_)))
                {
                    all = vec![self.not_known(who)];
                }
            }
            Net::CutAfter | Net::CutBefore => {
                all = vec![self.not_known(who), self.unknown_after(who, &first, fresh)];
            }
            Net::Down => all = vec![(Outcome::NotApplied, self.clone())],
        }
        all
    }

    fn first(&self, who: usize) -> First {
        let request = &self.requests[who];
        let pending = !request.changes.is_empty();
        let data = !request.shown().is_empty();
        match (request.doomed, &request.holds) {
            (Some((number, by)), _) => First::Destroy(number, by),
            _ if request.unsure && pending => First::Nothing,
            (None, Holds::Visitor) if data => First::Create,
            (None, Holds::Ended(_)) if request.renew && data => First::Create,
            (None, Holds::Session { number, .. }) if !request.is_over(self.now) => {
                match (request.renew, pending) {
                    (true, _) => First::Renew(*number),
                    (false, true) => First::Replace(*number),
                    (false, false) => First::Nothing,
                }
            }
            (None, Holds::Session { .. }) if request.renew && pending => First::Create,
            _ => First::Nothing,
        }
    }

    /// The flush as it is meant.
    fn carry_out(&mut self, who: usize, fresh: Number) -> Outcome {
        let mut request = std::mem::take(&mut self.requests[who]);
        let outcome = self.carry_out_for(&mut request, fresh);
        self.requests[who] = request;
        outcome
    }

    fn carry_out_for(&mut self, request: &mut Request, fresh: Number) -> Outcome {
        if request.unsure && !request.changes.is_empty() {
            return Outcome::Unknown;
        }
        let mut flushed = Flushed::Unchanged;
        let mut overtaken = None;
        if let Some((number, by)) = request.doomed.take() {
            // A destroy that comes after another request's ends nothing, and says so.
            if self.is_stub_of_another(number, by) {
                overtaken = Some(number);
                flushed = Flushed::Ended;
            } else {
                self.put_stub(number, Some(by));
                request.destroyed = true;
                flushed = Flushed::Destroyed;
            }
        }
        let changes = std::mem::take(&mut request.changes);
        let renew = std::mem::take(&mut request.renew);
        let owner = std::mem::take(&mut request.owner);
        let too_late = std::mem::take(&mut request.too_late);
        let alone = Change::all(&changes, &Entries::new());
        let holds = std::mem::take(&mut request.holds);
        let (flushed, holds) = match holds {
            Holds::Visitor | Holds::Nothing if overtaken.is_some() => {
                (Flushed::Ended, Holds::Ended(overtaken.unwrap_or_default()))
            }
            Holds::Visitor if !alone.is_empty() => {
                (Flushed::Created, self.create(fresh, alone, owner))
            }
            Holds::Visitor | Holds::Nothing => (flushed, holds),
            // A log-in goes on, under a fresh id and with this request's changes alone.
            Holds::Ended(_) if renew && !alone.is_empty() => {
                (Flushed::Created, self.create(fresh, alone, owner))
            }
            Holds::Ended(_) if renew || too_late || !changes.is_empty() => (Flushed::Ended, holds),
            Holds::Ended(_) => (flushed, holds),
            Holds::Session { number, .. } if renew => {
                match self.renew(number, &changes, owner, fresh) {
                    Some(holds) => (Flushed::Renewed, holds),
                    None if alone.is_empty() => (Flushed::Ended, Holds::Ended(number)),
                    None => (Flushed::Created, self.create(fresh, alone, owner)),
                }
            }
            Holds::Session { number, .. } if !changes.is_empty() => {
                match self.replace(number, &changes, owner) {
                    Some(holds) => (Flushed::Stored, holds),
                    None => (Flushed::Ended, Holds::Ended(number)),
                }
            }
            Holds::Session { .. } => (flushed, holds),
        };
        request.destroyed &= !matches!(holds, Holds::Session { .. });
        request.holds = holds;
        Outcome::Flushed(flushed)
    }

    pub(super) fn is_stub_of_another(&self, number: Number, own: u64) -> bool {
        matches!(self.slots.get(&number), Some(Slot::Stub { by, .. }) if *by != Some(own))
    }

    /// Whether another one has written since this request read.
    pub(super) fn is_outrun(&self, who: usize) -> bool {
        match &self.requests[who].holds {
            Holds::Session {
                number, written, ..
            } => {
                matches!(self.slots.get(number), Some(Slot::Live(live)) if live.written != *written)
            }
            Holds::Nothing | Holds::Visitor | Holds::Ended(_) => false,
        }
    }

    /// Nobody can tell whether a count was stored; it was not.
    fn unknown(&self, who: usize) -> Option<(Outcome, World)> {
        let counts = self.requests[who].counts();
        counts.then(|| {
            let mut after = self.clone();
            after.requests[who].unsure = true;
            (Outcome::Unknown, after)
        })
    }

    /// The same for any change, because the store is gone.
    fn not_known(&self, who: usize) -> (Outcome, World) {
        let held = matches!(self.requests[who].holds, Holds::Session { .. });
        let counted = if held { self.unknown(who) } else { None };
        counted.unwrap_or_else(|| (Outcome::Unknown, self.clone()))
    }

    /// The store has done what it was asked first, and said nothing: all of that step or, as in
    /// [`not_known`](Self::not_known), none of it. The request knows no more than before.
    fn unknown_after(&self, who: usize, first: &First, fresh: Number) -> (Outcome, World) {
        let (outcome, mut after) = self.not_known(who);
        let (changes, owner) = (&self.requests[who].changes, self.requests[who].owner);
        match *first {
            First::Nothing => {}
            First::Destroy(number, by) => drop(after.put_stub(number, Some(by))),
            First::Create => {
                let alone = Change::all(changes, &Entries::new());
                drop(after.create(fresh, alone, owner));
            }
            First::Replace(number) => drop(after.replace(number, changes, owner)),
            First::Renew(number) => drop(after.renew(number, changes, owner, fresh)),
        }
        (outcome, after)
    }
}
