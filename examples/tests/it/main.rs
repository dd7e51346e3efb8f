//! Each example is run here as its own comment says, without a network but for the last one.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]
#![allow(missing_docs, reason = "the names of tests say what they hold")]

mod beside_dancer;
mod browser;
mod chromium;
mod counter;
mod each_core;
mod examples;
mod login;
mod plain_tower;
mod stream;
mod typed;
mod wstg;
