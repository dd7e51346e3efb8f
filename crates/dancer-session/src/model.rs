//! How the races are checked: a model of one session that up to three requests have in hand, and the
//! engine itself run beside it, step by step, in every order that can be afforded.
//!
//! The model ([`world`], [`request`], [`flush`]) is the specification: read it first. The
//! [`rig`] is the engine on a store that can be looked into, and [`judge`] compares the two after each
//! step. Who chooses the steps are [`breadth`] (all there are, from each state once),
//! [`interleaved`] (named programs, in every order) and [`random`] (by a seed, on a real Redis). In
//! [`caught`], each of them has to find three faults that an engine may have.

#![allow(clippy::print_stdout, reason = "what was walked is to be seen")]

mod breadth;
mod broken;
mod caught;
mod faulty;
mod flush;
mod interleaved;
mod judge;
mod names;
mod node;
mod programs;
mod random;
mod request;
mod rig;
mod step;
mod world;
