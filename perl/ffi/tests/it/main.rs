//! The Perl distribution on a real Perl, a real Dancer and a real Redis: its own tests, and
//! applications that share their sessions with Rust.

mod distribution;
mod installed;
mod library;
