//! Every order in which the steps of three requests can come: 12! / (4! 4! 4!) = 34 650 for each
//! program.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::broken::Fault;
use super::node::{Node, Stage};
use super::programs::{PROGRAMS, Program, read};

pub(super) const ORDERS: u64 = 34_650;

/// How many orders were walked, and how many steps that took.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Walked {
    pub(super) orders: u64,
    pub(super) steps: usize,
}

/// Walks through all orders side by side. Where two of them have come equally far and to the same
/// state, they go on as one, which counts for both: so none is left out, and none is walked twice.
pub(super) fn walk(program: &Program, fault: Option<Fault>) -> Result<Walked, String> {
    let (name, words) = program;
    let programs = [0, 1, 2].map(|who| read(who, words[who]));
    let (stage, first) = Stage::new(fault);
    let _inside = stage.enter();
    let mut walked = Walked::default();
    let mut fronts = HashMap::from([(([0; 3], 0), (first, 1))]);
    for _ in 0..programs.iter().map(Vec::len).sum() {
        let mut next: HashMap<([usize; 3], u128), (Node, u64)> = HashMap::new();
        for ((at, _), (node, orders)) in fronts {
            for (who, steps) in programs.iter().enumerate() {
                let Some(step) = steps.get(at[who]) else {
                    continue;
                };
                let after = stage.after(&node, *step);
                let after = after.map_err(|why| format!("{name}: {why}"))?;
                walked.steps += 1;
                let mut on = at;
                on[who] += 1;
                match next.entry((on, stage.name(&after, false))) {
                    Entry::Occupied(mut there) => there.get_mut().1 += orders,
                    Entry::Vacant(free) => drop(free.insert((after, orders))),
                }
            }
        }
        fronts = next;
    }
    walked.orders = fronts.values().map(|(_, orders)| orders).sum();
    Ok(walked)
}

#[test]
fn f20_every_order_of_twenty_programs_is_one_that_the_model_allows() {
    for program in &PROGRAMS {
        let walked = walk(program, None).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(walked.orders, ORDERS, "{}", program.0);
        println!("{ORDERS} orders, in {} steps: {}", walked.steps, program.0);
    }
}
