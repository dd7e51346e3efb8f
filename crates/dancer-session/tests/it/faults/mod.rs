//! What happens to sessions when Redis or the network misbehaves. The scenarios are named after
//! those of docs/faults.md (`f03_…`).
//!
//! `cuts` cuts the line at every byte of every step. The other scenarios have a load: `load` are its
//! clients, `history` what they were told, `checker` compares that with what is stored in the end,
//! and `scene` runs it all.

mod broken;
mod checker;
mod cuts;
mod doubt;
mod dropped;
mod flood;
mod history;
mod hostile;
mod killed;
mod load;
mod network;
mod process;
mod refusals;
mod replies;
mod scene;
