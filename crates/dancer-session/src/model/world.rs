//! The specification, first part: what is stored, and what each step of a store does to it.

use std::collections::{BTreeMap, BTreeSet};

use super::request::{Change, Holds, Request};
use super::step::{Outcome, Step, Which};

/// The settings of the engine under test, in seconds. [`Step::Wait`] jumps over what lies between
/// them, so that no step comes near a limit on a slow machine.
pub(super) const EXPIRE: u64 = 60;
pub(super) const LIFETIME: u64 = 100;
pub(super) const GRACE: u64 = 30;
pub(super) const TIMEOUT: u64 = 20;

/// Sessions are told apart by a number, in the order in which their ids were made.
pub(super) type Number = usize;
/// Values are numbers: those that are set occur once in a whole run, so that each shows where it
/// comes from.
pub(super) type Entries = BTreeMap<&'static str, u64>;

/// All that the model knows.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) now: u64,
    pub(super) slots: BTreeMap<Number, Slot>,
    pub(super) requests: [Request; 3],
    /// The next value that is set; far above every count.
    pub(super) token: u64,
    /// The next destroy, told apart as engines do by the mark that its stub has.
    pub(super) destroy: u64,
    pub(super) writes: u64,
    pub(super) handle: u64,
}

/// What stands under an id that was issued once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Slot {
    Live(Live),
    /// Counts as ended until then, and as missing afterwards; its key goes a little later.
    Stub {
        until: u64,
        by: Option<u64>,
    },
    Gone,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) entries: Entries,
    pub(super) created: u64,
    pub(super) ends: u64,
    /// Which write it comes from.
    pub(super) written: u64,
    /// If it is one of the owner's: what tells it apart in their list.
    pub(super) owned: Option<u64>,
}

impl World {
    /// One stored session, number `first`, and nobody who has it in hand.
    pub(super) fn new(first: Number, entries: Entries, now: u64) -> Self {
        let live = Live {
            entries,
            created: now,
            ends: now + EXPIRE,
            written: 0,
            owned: Some(0),
        };
        Self {
            now,
            slots: BTreeMap::from([(first, Slot::Live(live))]),
            requests: Default::default(),
            token: 1000,
            destroy: 1,
            writes: 1,
            handle: 1,
        }
    }

    pub(super) fn number(&self, which: Which) -> Number {
        let numbers = || self.slots.keys().copied();
        match which {
            Which::First => numbers().next().unwrap_or_default(),
            Which::Newest => numbers().next_back().unwrap_or_default(),
            Which::Issued(at) => numbers().nth(at % self.slots.len()).unwrap_or_default(),
        }
    }

    /// All that a step may come to. If it makes a session, that gets the number `fresh`.
    pub(super) fn step(&self, step: Step, fresh: Number) -> Vec<(Outcome, World)> {
        let mut after = self.clone();
        let outcome = match step {
            Step::Flush(who, net) => return self.flush(who, net, fresh),
            Step::Retrieve(who, which) => after.retrieve(who, which),
            Step::Touch => after.look(self.number(Which::Newest)),
            Step::DestroyAll => after.destroy_all(),
            Step::Wait(seconds) => after.wait(seconds),
            Step::Set(who, name) => after.set(who, name),
            Step::Update(who) => after.change(who, Change::Count),
            Step::LogIn(who) => after.log_in(who),
            Step::Renew(who) => after.renews(who),
            Step::Destroy(who) => after.destroys(who),
        };
        vec![(outcome, after)]
    }

    /// A retrieve: what there is, and a session lives longer by it, a stub does not.
    fn look(&mut self, number: Number) -> Outcome {
        let now = self.now;
        match self.slots.get_mut(&number) {
            Some(Slot::Live(live)) => {
                live.extend(now);
                Outcome::Found
            }
            Some(Slot::Stub { until, .. }) if now < *until => Outcome::Ended,
            Some(Slot::Stub { .. } | Slot::Gone) | None => Outcome::Missing,
        }
    }

    fn retrieve(&mut self, who: usize, which: Which) -> Outcome {
        let number = self.number(which);
        let outcome = self.look(number);
        let holds = match self.slots.get(&number) {
            Some(Slot::Live(live)) => Holds::session(number, live),
            _ if outcome == Outcome::Ended => Holds::Ended(number),
            // What a client presented and nobody knows is never adopted.
            _ => Holds::Visitor,
        };
        self.requests[who] = Request::new(holds);
        outcome
    }

    /// The owner ends all of the sessions, whoever is using them.
    fn destroy_all(&mut self) -> Outcome {
        let theirs = |slot: &Slot| matches!(slot, Slot::Live(live) if live.owned.is_some());
        let all: Vec<Number> = self
            .slots
            .iter()
            .filter(|(_, slot)| theirs(slot))
            .map(|(number, _)| *number)
            .collect();
        for number in &all {
            self.put_stub(*number, None);
        }
        Outcome::All(all.len())
    }

    /// How many sessions the owner is shown. What one request has made of another one's session,
    /// as a second click on "Log in" does, is shown with that as one.
    pub(super) fn owned(&self) -> usize {
        let handle = |slot: &Slot| match slot {
            Slot::Live(live) => live.owned,
            Slot::Stub { .. } | Slot::Gone => None,
        };
        let handles: BTreeSet<u64> = self.slots.values().filter_map(handle).collect();
        handles.len()
    }

    fn wait(&mut self, seconds: u64) -> Outcome {
        self.now += seconds;
        for slot in self.slots.values_mut() {
            let ends = match slot {
                Slot::Live(live) => live.ends,
                Slot::Stub { until, .. } => *until + TIMEOUT,
                Slot::Gone => continue,
            };
            if ends <= self.now {
                *slot = Slot::Gone;
            }
        }
        Outcome::Done
    }
}

/// The atomic steps of which a flush is made.
impl World {
    pub(super) fn create(&mut self, fresh: Number, entries: Entries, owned: Option<u64>) -> Holds {
        let mut live = Live {
            entries,
            created: self.now,
            ends: 0,
            written: self.writes,
            owned,
        };
        self.writes += 1;
        live.extend(self.now);
        let holds = Holds::session(fresh, &live);
        self.slots.insert(fresh, Slot::Live(live));
        holds
    }

    /// Does the changes to what is stored now, whatever the request has read. `None`: it has ended.
    pub(super) fn replace(
        &mut self,
        number: Number,
        changes: &[Change],
        owned: Option<u64>,
    ) -> Option<Holds> {
        let now = self.now;
        let Some(Slot::Live(live)) = self.slots.get_mut(&number) else {
            return None;
        };
        live.entries = Change::all(changes, &live.entries);
        live.written = self.writes;
        live.owned = owned.or(live.owned);
        self.writes += 1;
        live.extend(now);
        Some(Holds::session(number, live))
    }

    /// The same, and the session gets another id; under the old one stands a stub.
    pub(super) fn renew(
        &mut self,
        number: Number,
        changes: &[Change],
        owned: Option<u64>,
        fresh: Number,
    ) -> Option<Holds> {
        self.replace(number, changes, owned)?;
        let live = self.put_stub(number, None)?;
        let holds = Holds::session(fresh, &live);
        self.slots.insert(fresh, Slot::Live(live));
        Some(holds)
    }

    /// Puts a stub where a session is, and returns that.
    pub(super) fn put_stub(&mut self, number: Number, by: Option<u64>) -> Option<Live> {
        let until = self.now + GRACE;
        match self.slots.get_mut(&number) {
            Some(slot @ Slot::Live(_)) => match std::mem::replace(slot, Slot::Stub { until, by }) {
                Slot::Live(live) => Some(live),
                Slot::Stub { .. } | Slot::Gone => None,
            },
            _ => None,
        }
    }
}

impl Live {
    /// Used at `now`: it lives as long as the idle limit, and never beyond the absolute one.
    fn extend(&mut self, now: u64) {
        self.ends = (now + EXPIRE).min(self.created + LIFETIME);
    }
}
