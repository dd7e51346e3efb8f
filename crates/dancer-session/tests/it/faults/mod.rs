//! What happens to sessions when Redis or the network misbehaves. The scenarios are named after
//! those of docs/faults.md (`f03_…`).
//!
//! `cuts` cuts the line at every byte of every step.

mod cuts;
