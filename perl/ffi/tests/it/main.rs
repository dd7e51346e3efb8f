//! The Perl distribution on a real Perl, a real Dancer and a real Redis: its own tests, and
//! applications that share their sessions with Rust.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod distribution;
mod installed;
mod library;
mod live;
mod owners;
