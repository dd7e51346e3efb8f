//! A moment of a run in memory, to go on from it again and again; and its name, by which equal
//! moments are known for equal.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::runtime::{Builder, EnterGuard, Runtime};

use super::broken::Fault;
use super::judge::{CANARY, Ledger, View, judge};
use super::names::Names;
use super::rig::{Look, OWNER, Rig, START, at_once, numbers};
use super::step::{Step, Steps};
use super::world::{Entries, Number, World};
use crate::hand::Hand;
use crate::store::memory::Kept;
use crate::{Layout, MemoryStore, Session};

/// The engine on a store in memory, which can be taken back to any moment.
pub(super) struct Stage {
    rig: Rig,
    memory: Arc<MemoryStore>,
    canary: (bytes::Bytes, Duration),
    runtime: Runtime,
}

#[derive(Clone)]
pub(super) struct Node {
    kept: Kept,
    hands: [Option<Hand>; 3],
    pub(super) world: World,
    ledger: Ledger,
    made: (u64, u64),
    look: Arc<Look>,
    /// Who is in the middle of calls that nobody else can see.
    pub(super) turn: Option<usize>,
    path: Option<Arc<Path>>,
}

/// How a moment was reached, the last step first.
struct Path {
    step: Step,
    before: Option<Arc<Path>>,
}

/// The number of the session that belongs to nobody here.
pub(super) const OTHER: Number = 0;
pub(super) const FIRST: Number = 1;

impl Stage {
    /// A stored session with one entry, beside another one, and three requests that come.
    pub(super) fn new(fault: Option<Fault>) -> (Self, Node) {
        // Nothing waits for its timers, but they have to be there.
        let runtime = Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime without threads can be had");
        let inside = runtime.enter();
        let (now, clock) = Rig::clock();
        let memory = Arc::new(MemoryStore::new(clock.clone()));
        let rig = Rig::new(memory.clone(), Layout::Native, fault, (now, clock));
        let begun = |value: u64, owner: &str| {
            let session = at_once(rig.engine.create()).expect("the store is empty");
            session.set("a", value).expect("a number can be set");
            session.set_owner(owner).expect("a name can be one");
            let _ = at_once(session.flush()).expect("the store is well");
        };
        begun(CANARY, "somebody else");
        let other = rig.issued(OTHER);
        // It outlives every run, so that it has to be as it was at each moment.
        let touch = rig.touch(&other.key, Duration::from_secs(1_000_000));
        at_once(touch);
        begun(0, OWNER);
        let canary = at_once(rig.peek(OTHER)).expect("it was stored a moment ago");
        let world = World::new(FIRST, Entries::from([("a", 0)]), START);
        let node = Node {
            kept: memory.kept(),
            hands: [None, None, None],
            world,
            ledger: Ledger::default(),
            made: (rig.made.ids.load(Relaxed), rig.made.marks.load(Relaxed)),
            look: Arc::new(at_once(rig.look(FIRST))),
            turn: None,
            path: None,
        };
        drop(inside);
        let stage = Self {
            rig,
            memory,
            canary,
            runtime,
        };
        (stage, node)
    }

    /// What has to be held by who goes on from moment to moment.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// The moment after a step, or what was wrong with it.
    pub(super) fn after(&self, node: &Node, step: Step) -> Result<Node, String> {
        let rig = &self.rig;
        self.memory.keep(node.kept.clone());
        rig.now.store(node.world.now, Relaxed);
        rig.made.ids.store(node.made.0, Relaxed);
        rig.made.marks.store(node.made.1, Relaxed);
        let mut requests = [None, None, None];
        if let Some(who) = step.who() {
            requests[who] = node.hands[who].clone().map(|hand| self.holding(hand));
        }
        let outcome = at_once(rig.run(step, &node.world, &mut requests));
        let look = at_once(rig.look(FIRST));
        let view = step.who().and_then(|who| requests[who].as_ref());
        let view = view.map(|session| rig.view(session));
        let path = Some(Arc::new(Path {
            step,
            before: node.path.clone(),
        }));
        let mut ledger = node.ledger.clone();
        let checked = ledger
            .check(&node.world, (step, outcome), &look, view.as_ref())
            .and_then(|()| self.check_canary(node))
            .and_then(|()| judge(&node.world, (step, outcome), &look, view.as_ref()));
        let world = checked.map_err(|why| format!("{why}\nafter{}", Path::steps(path.as_ref())))?;
        let mut hands = node.hands.clone();
        for (hand, session) in hands.iter_mut().zip(&requests) {
            if let Some(session) = session {
                *hand = Some(session.shared.hand().clone());
            }
        }
        Ok(Node {
            kept: self.memory.kept(),
            hands,
            world,
            ledger,
            made: (rig.made.ids.load(Relaxed), rig.made.marks.load(Relaxed)),
            look: Arc::new(look),
            turn: step.who().filter(|_| step.is_a_call()),
            path,
        })
    }

    fn holding(&self, hand: Hand) -> Session {
        let session = self.rig.engine.anonymous();
        *session.shared.hand() = hand;
        session
    }

    fn check_canary(&self, before: &Node) -> Result<(), String> {
        let passed = Duration::from_secs(self.rig.now.load(Relaxed) - START);
        let there = at_once(self.rig.peek(OTHER));
        let there = there.map(|(payload, left)| (payload, left + passed));
        let begun = before.world.now >= START;
        if begun && there.as_ref() != Some(&self.canary) {
            return Err("N5: the other session was changed".into());
        }
        Ok(())
    }

    /// The name of a moment: what is stored, and what each request has in hand, the model's and the
    /// engine's. Ids, marks and values are named in the order in which they appear, and times are
    /// told from now on.
    ///
    /// Each hand is named by itself after what is stored, because requests meet in the store alone:
    /// that two hands have read the same thing, which is stored no more, decides nothing. If nobody
    /// cares which request is which (`alike`), their order decides nothing either.
    pub(super) fn name(&self, node: &Node, alike: bool) -> u128 {
        let mut stored = Names::new(node.world.now);
        stored.world(&node.world, &node.look);
        let mut hands = [0, 1, 2].map(|who| {
            let mut names = stored.again();
            names.request(&node.world, who, node.turn == Some(who));
            if let Some(hand) = &node.hands[who] {
                names.hand(hand, |id| self.rig.number(id));
            }
            names.written()
        });
        if alike {
            hands.sort();
        }
        let mut all = stored.written();
        for hand in hands {
            all.push(u8::MAX);
            all.extend(hand);
        }
        digest(&all)
    }
}

impl Path {
    fn steps(last: Option<&Arc<Self>>) -> String {
        let mut steps = Vec::new();
        let mut path = last;
        while let Some(there) = path {
            steps.push(there.step);
            path = there.before.as_ref();
        }
        steps.reverse();
        Steps(&steps).to_string()
    }
}

impl Rig {
    /// A session as the application sees it.
    pub(super) fn view(&self, session: &Session) -> View {
        let shown = numbers(session.shared.hand().entries());
        View {
            shown,
            number: session.id().and_then(|id| self.number(&id)),
            ended: session.is_ended(),
            destroyed: session.is_destroyed(),
        }
    }
}

/// 128 bits of two hashes: that two moments share one by chance will not be seen by anybody.
fn digest(bytes: &[u8]) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(bytes);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}
