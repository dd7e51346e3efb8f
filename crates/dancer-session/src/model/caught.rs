//! A checker that never fails proves nothing: three engines with a fault, and each of the three ways
//! has to find each of them.

use super::breadth::{WITH_FAULTS, explore};
use super::broken::Fault;
use super::programs::PROGRAMS;
use super::{interleaved, random};
use crate::Layout;

const FAULTS: [Fault; 3] = [
    Fault::BlindSet,
    Fault::FlushCreates,
    Fault::RenewDeletesFirst,
];

fn print_found(fault: Fault, found: Result<impl Sized, String>) {
    let Err(why) = found else {
        panic!("{fault:?} was not found");
    };
    println!("{fault:?}: {why}\n");
}

#[test]
fn the_exploration_finds_each_fault() {
    for fault in FAULTS {
        print_found(fault, explore(&WITH_FAULTS, Some(fault)));
    }
}

#[test]
fn the_programs_find_each_fault() {
    for fault in FAULTS {
        let mut walks = PROGRAMS
            .iter()
            .map(|program| interleaved::walk(program, Some(fault)));
        print_found(
            fault,
            walks.find(Result::is_err).unwrap_or(Ok(Default::default())),
        );
    }
}

#[test]
fn the_random_walk_finds_each_fault() {
    for fault in FAULTS {
        for layout in [Layout::Native, Layout::Dancer] {
            print_found(fault, random::walk(layout, Some(fault), 1, 300));
        }
    }
}
