//! Every state that three requests can bring a session into, from each once, breadth first.

use std::collections::HashSet;
use std::fmt;

use super::broken::Fault;
use super::faulty::Net;
use super::node::{Node, Stage};
use super::programs::PAST_THE_STUB;
use super::request::Holds;
use super::step::{Step, Which};
use super::world::World;

/// What an exploration may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alphabet {
    pub(super) depth: usize,
    pub(super) requests: usize,
    pub(super) nets: &'static [Net],
    pub(super) waits: &'static [u64],
}

#[derive(Debug, Default)]
pub(super) struct Explored {
    pub(super) depth: usize,
    pub(super) states: usize,
    pub(super) transitions: usize,
}

/// Explores until `depth`, or to the first thing that is wrong.
pub(super) fn explore(alphabet: &Alphabet, fault: Option<Fault>) -> Result<Explored, String> {
    let (stage, first) = Stage::new(fault);
    let mut known = HashSet::from([stage.name(&first, true)]);
    let mut frontier = vec![first];
    let mut explored = Explored {
        states: 1,
        ..Explored::default()
    };
    let other = Stage::new(fault).0;
    while explored.depth < alphabet.depth && !frontier.is_empty() {
        // Two halves, for two cores.
        let (left, right) = frontier.split_at(frontier.len() / 2);
        let last = explored.depth + 1 == alphabet.depth;
        let known_before = &known;
        let found = std::thread::scope(|scope| {
            let left = scope.spawn(|| alphabet.expand(&stage, left, known_before, last));
            let right = alphabet.expand(&other, right, known_before, last);
            let left = left.join().expect("the other half has not panicked");
            left.and_then(|left| Ok([left, right?]))
        });
        let mut next = Vec::new();
        for half in found? {
            explored.transitions += half.transitions;
            for (name, node) in half.found {
                if known.insert(name) {
                    explored.states += 1;
                    next.extend(node);
                }
            }
        }
        explored.depth += 1;
        frontier = next;
    }
    Ok(explored)
}

/// What was found from one half of the states: names that are new, and where to go on.
struct Half {
    transitions: usize,
    found: Vec<(u128, Option<Node>)>,
}

impl Alphabet {
    fn expand(
        &self,
        stage: &Stage,
        nodes: &[Node],
        known: &HashSet<u128>,
        last: bool,
    ) -> Result<Half, String> {
        let _inside = stage.enter();
        let mut half = Half {
            transitions: 0,
            found: Vec::new(),
        };
        let mut new = HashSet::new();
        for node in nodes {
            for step in self.steps(node) {
                let after = stage.after(node, step)?;
                half.transitions += 1;
                let name = stage.name(&after, true);
                if !known.contains(&name) && new.insert(name) {
                    half.found.push((name, (!last).then_some(after)));
                }
            }
        }
        Ok(half)
    }
}

impl Alphabet {
    /// What may come next.
    ///
    /// Calls of a request stand directly before its flush: they ask nobody, so that it makes no
    /// difference to others when they were. (That it makes none, the programs of
    /// [`interleaved`](super::interleaved) show, which put them anywhere.)
    fn steps(&self, node: &Node) -> Vec<Step> {
        let world = &node.world;
        if let Some(who) = node.turn {
            let mut steps = self.calls(world, who);
            steps.extend(self.nets.iter().map(|net| Step::Flush(who, *net)));
            return steps;
        }
        let mut steps = vec![Step::Touch, Step::DestroyAll];
        steps.extend(self.waits.iter().map(|seconds| Step::Wait(*seconds)));
        for who in 0..self.requests {
            let request = &world.requests[who];
            // What was not flushed is not thrown away: that would be as if it had not been.
            if request.is_pending() {
                steps.extend(self.nets.iter().map(|net| Step::Flush(who, *net)));
            } else {
                steps.push(Step::Retrieve(who, Which::First));
                if world.number(Which::First) != world.number(Which::Newest) {
                    steps.push(Step::Retrieve(who, Which::Newest));
                }
            }
            if request.holds == Holds::Nothing {
                // Requests that have not come yet are all the same.
                break;
            }
            steps.extend(self.calls(world, who));
        }
        steps
    }

    fn calls(&self, world: &World, who: usize) -> Vec<Step> {
        let request = &world.requests[who];
        let mut steps = Vec::new();
        // Doing the same twice before a flush is doing it once, and of two changes to different
        // entries each is what it is alone; but a renew and a change, as at a log-in, are one step.
        if request.changes.is_empty() {
            steps.push(Step::Set(who, "a"));
            steps.push(Step::Update(who));
        }
        if !request.renew {
            steps.push(Step::Renew(who));
        }
        let nothing = matches!(request.holds, Holds::Visitor) && request.changes.is_empty();
        if !request.too_late && !nothing {
            steps.push(Step::Destroy(who));
        }
        steps
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            depth,
            states,
            transitions,
        } = self;
        write!(
            f,
            "depth {depth}: {states} states, {transitions} transitions"
        )
    }
}

/// Three requests, and time that does not pass.
const THREE: Alphabet = Alphabet {
    depth: 12,
    requests: 3,
    nets: &[Net::Well],
    waits: &[],
};

/// Two, and it passes.
const WITH_TIME: Alphabet = Alphabet {
    depth: 12,
    requests: 2,
    nets: &[Net::Well],
    waits: &[PAST_THE_STUB],
};

/// Two, it passes, and replies get lost.
pub(super) const WITH_FAULTS: Alphabet = Alphabet {
    depth: 8,
    requests: 2,
    nets: &[Net::Well, Net::ReplyLost, Net::CutAfter],
    waits: &[PAST_THE_STUB],
};

/// Three, and time passes: minutes in a build that is not optimised.
const THREE_WITH_TIME: Alphabet = Alphabet {
    waits: &[PAST_THE_STUB],
    ..THREE
};

fn every_state_is_allowed(name: &str, alphabet: &Alphabet) {
    let explored = explore(alphabet, None).unwrap_or_else(|why| panic!("{why}"));
    println!("{name}, {explored}");
    assert_eq!(explored.depth, alphabet.depth);
}

#[test]
fn f20_every_state_of_three_requests_is_one_that_the_model_allows() {
    every_state_is_allowed("three requests", &THREE);
}

#[test]
fn f20_every_state_of_three_requests_and_time_is_one_that_the_model_allows() {
    if std::env::var_os("DANCER_SESSION_LONG").is_some() {
        every_state_is_allowed("three requests and time", &THREE_WITH_TIME);
    }
}

#[test]
fn f20_every_state_of_two_requests_and_time_is_one_that_the_model_allows() {
    every_state_is_allowed("two requests and time", &WITH_TIME);
}

#[test]
fn f20_every_state_of_two_requests_whose_replies_get_lost_is_one_that_the_model_allows() {
    every_state_is_allowed("two requests, time and lost replies", &WITH_FAULTS);
}
