//! What the tests run on: redis servers of their own, and a network that fails on demand.
//!
//! [`RedisServer`] is a real `redis-server` that lives as long as its test and no longer;
//! [`Proxy`] stands between a client and such a server and breaks what passes; [`Substitute`] answers
//! in its place.
//! [`DancerApp`] is a Dancer application, in Perl, whose sessions live in such a server, with
//! [`Gate`]s that hold its requests, and [`Visitor`] asks it and others. [`Chromium`] is a real
//! browser. Everything here panics, in words, when the bench itself does not work: a test could do
//! nothing better with an error.

mod certificates;
mod chromium;
mod commands;
mod dancer;
mod door;
mod gate;
mod inspection;
mod monitor;
mod proxy;
mod server;
mod substitute;
mod supervisor;
mod visitor;
mod wire;

pub use chromium::Chromium;
pub use commands::Commands;
pub use dancer::DancerApp;
pub use gate::Gate;
pub use monitor::Monitor;
pub use proxy::Proxy;
pub use server::{Ending, RedisServer};
pub use substitute::{Say, Substitute};
pub use visitor::{Answer, Visitor};
