//! The layer around an axum application, asked with and without a network.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]
#![allow(missing_docs, reason = "the names of tests say what they hold")]

mod answers;
mod app;
mod browser;
mod budget;
mod caches;
mod cookies;
mod dancer;
mod dropped;
mod gone;
mod hesitant;
mod late;
mod log;
mod login;
mod requests;
mod without;
