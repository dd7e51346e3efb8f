//! A server-side session engine for web applications, with the sessions in Redis.
//!
//! [`SessionEngine`] is what an application holds, [`Session`] what a request works with,
//! [`Settings`] what an operator sets. Everything else is for the curious: [`Store`] is the
//! contract of a place where sessions live.

mod adopted;
mod apart;
mod cache;
mod change;
mod engine;
mod error;
mod event;
mod hand;
mod id;
mod layout;
mod lifetime;
mod login;
#[cfg(test)]
mod model;
mod owner;
mod reports;
mod session;
mod settings;
#[cfg(all(test, feature = "shuttle"))]
#[allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]
mod shuttled;
mod store;
mod sync;
mod text;

/// The client library of Redis, because [`SessionEngine::redis`] hands out a connection of its.
pub use redis;

pub use adopted::Adopted;
pub use engine::{EngineBuilder, Flushed, SessionEngine};
pub use error::Error;
pub use id::{Fingerprint, SessionId};
pub use layout::Key;
pub use lifetime::Clock;
pub use owner::{OwnedHandle, OwnedSession, Owner};
pub use session::Session;
pub use settings::{
    Address, CookieSettings, Duplicates, Layout, OnMaxSessions, OnUnavailable, OnUnreadable,
    SameSite, Secret, Settings,
};
pub use store::memory::MemoryStore;
pub use store::redis::RedisStore;
pub use store::{Create, Enlistment, Renew, Renewal, Replace, Retrieved, Store, Touch};
