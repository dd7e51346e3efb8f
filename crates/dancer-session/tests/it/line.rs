//! The connection to Redis when all is well and when it is not, once for each kind of connection:
//! one that many tasks share, and one that is used in the calling thread.

#[allow(clippy::duplicate_mod, reason = "the same tests for both")]
mod shared;
#[allow(clippy::duplicate_mod, reason = "the same tests for both")]
mod without_threads;
