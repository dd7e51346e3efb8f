//! The tests of this crate in one program. `perl` holds the Perl that they run against.

// A test says what it expects by failing, and what it started from by printing it.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]
#![allow(
    clippy::print_stdout,
    reason = "shown when a test fails, or with --no-capture"
)]

mod adding;
mod again;
mod agreement;
mod assemble;
mod changes;
mod conversions;
mod damage;
mod differential;
mod hostile;
mod perl;
mod rendering;
mod same;
mod take;
mod tied;
mod vectors;
