//! Sessions for axum, and for every other HTTP service made of tower's parts.
//!
//! [`SessionLayer`] goes around the service; in an axum handler, [`Session`] is an argument. The
//! session is read when a handler first takes it, and flushed after the handler; a request whose
//! handler does not take it costs nothing.
//!
//! ```
//! use axum::{Router, routing::get};
//! use dancer_session_tower::{Error, Session, SessionEngine, SessionLayer, Settings};
//!
//! async fn count(session: Session) -> Result<String, Error> {
//!     session.update("counter", |n: Option<u64>| n.unwrap_or(0) + 1)?;
//!     let n = session.get::<u64>("counter")?;
//!     Ok(format!("{n:?}"))
//! }
//!
//! # fn main() -> Result<(), dancer_session::Error> {
//! let engine = SessionEngine::in_memory(Settings::default())?;
//! let app: Router = Router::new().route("/", get(count)).layer(SessionLayer::new(engine));
//! # Ok(()) }
//! ```

mod cookies;
mod extract;
mod handle;
mod layer;

pub use dancer_session::{Flushed, SessionEngine, Settings};
pub use extract::{Error, Session};
pub use handle::SessionHandle;
pub use layer::{ResponseFuture, SessionLayer, SessionService};

/// The examples of the README, so that they are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
