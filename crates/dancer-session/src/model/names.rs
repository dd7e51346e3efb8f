//! Names for ids, marks and values in the order in which they appear, so that two moments that
//! differ in nothing but these are written alike.
//!
//! What a request has read is not written down, only whether it is still stored: the judge has
//! compared it when it was read, and from then on it decides nothing.

use super::request::{self, Holds};
use super::rig::{Look, There};
use super::step::Which;
use super::world::{Entries, Number, Slot, World};
use crate::change::Change;
use crate::hand::{Hand, Origin};
use crate::id::{Mark, SessionId};
use crate::layout::Value;
use crate::session::Read;

#[derive(Clone)]
pub(super) struct Names {
    out: Vec<u8>,
    now: u64,
    ids: Vec<Number>,
    marks: Vec<Mark>,
    handles: Vec<u64>,
    values: Vec<u64>,
    /// The first count met: others are told by how much they differ, which is all that `update`
    /// can tell.
    count: Option<u64>,
}

impl Names {
    pub(super) fn new(now: u64) -> Self {
        Self {
            out: Vec::with_capacity(256),
            now,
            ids: Vec::new(),
            marks: Vec::new(),
            handles: Vec::new(),
            values: Vec::new(),
            count: None,
        }
    }

    /// The same names, and nothing written.
    pub(super) fn again(&self) -> Self {
        Self {
            out: Vec::with_capacity(128),
            ..self.clone()
        }
    }

    pub(super) fn written(self) -> Vec<u8> {
        self.out
    }

    pub(super) fn world(&mut self, world: &World, look: &Look) {
        for (number, seen) in &look.keys {
            self.id(Some(*number));
            self.out.push(seen.left.as_secs() as u8);
            match &seen.there {
                There::Session {
                    entries,
                    created,
                    mark,
                } => {
                    self.out.push(b'e');
                    self.since(*created);
                    self.mark(Some(*mark));
                    self.entries(entries);
                    // Who is listed is compared with this at each step.
                    if let Some(Slot::Live(live)) = world.slots.get(number) {
                        self.handle(live.owned);
                    }
                }
                There::Stub { until, mark } => {
                    self.out.push(b'x');
                    self.out.push(until.saturating_sub(self.now) as u8);
                    self.mark(Some(*mark));
                }
            }
        }
        self.id(Some(world.number(Which::First)));
        self.id(Some(world.number(Which::Newest)));
    }

    /// What the model has in hand.
    pub(super) fn request(&mut self, world: &World, who: usize, turn: bool) {
        let request = &world.requests[who];
        match &request.holds {
            Holds::Nothing => self.out.push(b'-'),
            Holds::Visitor => self.out.push(b'v'),
            Holds::Ended(number) => {
                self.out.push(b'x');
                self.id(Some(*number));
            }
            Holds::Session {
                number,
                created,
                owned,
                ..
            } => {
                self.handle(*owned);
                self.out
                    .push(if world.is_outrun(who) { b'o' } else { b's' });
                self.id(Some(*number));
                self.since(*created);
            }
        }
        for change in &request.changes {
            match change {
                request::Change::Set(name, value) => self.entry(name, *value),
                request::Change::Count => self.out.push(b'+'),
            }
        }
        self.handle(request.owner);
        let own = |(number, by)| !world.is_stub_of_another(number, by);
        let doomed = request.doomed.map(own);
        let flags = [
            request.renew,
            request.owner.is_some(),
            request.destroyed,
            request.too_late,
            request.unsure,
            doomed.is_some(),
            doomed == Some(true),
            turn,
        ];
        self.out.extend(flags.map(u8::from));
    }

    /// What the engine has in hand.
    pub(super) fn hand(&mut self, hand: &Hand, number: impl Fn(&SessionId) -> Option<Number>) {
        let hand = hand.seen();
        self.out.push(hand.flags);
        match hand.origin {
            Origin::Anonymous => self.out.push(b'v'),
            // Only adapters make such ones.
            Origin::Unavailable => self.out.push(b'u'),
            Origin::New(id) | Origin::Ended(id) => {
                self.out.push(b'x');
                self.id(number(id));
            }
            Origin::Stored(read) => self.read(read, &number),
        }
        for (read, mark) in &hand.doomed {
            self.read(read, &number);
            self.mark(*mark);
        }
        for change in hand.changes {
            match change {
                Change::Set { name, value } => match value {
                    Value::Json(json) => {
                        self.entry(name, serde_json::from_slice(json).unwrap_or_default());
                    }
                    Value::Perl(_) => panic!("moments are named in the native layout"),
                },
                Change::Remove { .. } => self.out.push(b'r'),
                Change::Update { .. } => self.out.push(b'+'),
                Change::Clear | Change::Adopt(_) => panic!("no step does that"),
            }
        }
        self.out.push(u8::from(hand.changed));
    }

    fn read(&mut self, read: &Read, number: &impl Fn(&SessionId) -> Option<Number>) {
        self.out.push(b's');
        self.id(number(&read.id));
        self.since(read.document.created.seconds());
        // If that is stored, so are its entries; else nobody will ever store them again.
        let stored = self.marks.contains(&read.document.mark);
        self.mark(stored.then_some(read.document.mark));
    }

    fn entries(&mut self, entries: &Entries) {
        for (name, value) in entries {
            self.entry(name, *value);
        }
        self.out.push(b';');
    }

    fn entry(&mut self, name: &str, value: u64) {
        self.out.push(name.as_bytes()[0]);
        match name {
            "n" => {
                let base = *self.count.get_or_insert(value);
                self.out.push(value.wrapping_sub(base) as u8);
            }
            "logged_in_at" => self.since(value),
            _ => {
                let name = place(&mut self.values, value);
                self.out.push(name);
            }
        }
    }

    fn id(&mut self, number: Option<Number>) {
        let name = number.map_or(u8::MAX, |number| place(&mut self.ids, number));
        self.out.push(name);
    }

    fn mark(&mut self, mark: Option<Mark>) {
        let name = mark.map_or(u8::MAX, |mark| place(&mut self.marks, mark));
        self.out.push(name);
    }

    fn handle(&mut self, handle: Option<u64>) {
        let name = handle.map_or(u8::MAX, |handle| place(&mut self.handles, handle));
        self.out.push(name);
    }

    fn since(&mut self, moment: u64) {
        // All that is older than the absolute limit is equally old.
        self.out
            .push(self.now.saturating_sub(moment).min(250) as u8);
    }
}

/// Where a thing is in the list, which it enters now if it is new.
fn place<T: PartialEq>(known: &mut Vec<T>, thing: T) -> u8 {
    let at = known.iter().position(|there| *there == thing);
    let at = at.unwrap_or_else(|| {
        known.push(thing);
        known.len() - 1
    });
    at as u8
}
