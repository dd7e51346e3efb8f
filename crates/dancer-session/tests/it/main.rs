//! The tests of the session engine, as one program. `contract` is the readable specification: it
//! runs against every store. The other modules force races, count commands and break the network.

// A test says what it expects by failing.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]
#![allow(clippy::print_stdout, reason = "what is measured is printed")]
#![allow(missing_docs, reason = "the names of tests say what they hold")]

mod adopt;
mod allocations;
mod bench;
mod beside;
mod budget;
mod cache;
mod clocks;
mod conditional_set;
mod contract;
mod dancer;
mod during;
mod events;
mod faults;
mod growth;
mod line;
mod owner_races;
mod races;
mod read_only;
mod rights;
mod same_use;
mod secrets;
mod settings;
mod stepwise;
mod told;
mod transaction;
mod watched;
