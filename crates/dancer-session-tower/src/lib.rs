//! Sessions for axum, and for every other HTTP service made of tower's parts.
//!
//! [`SessionLayer`] goes around the service; in an axum handler, [`Session`] is an argument, and
//! elsewhere [`SessionHandle`] is in the request's extensions. The session is read when somebody
//! first takes it, and flushed after the handler, before the head of the response leaves; a request
//! whose session nobody takes costs nothing.
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
//!
//! # What happens after the handler
//!
//! | The handler | The session |
//! |---|---|
//! | answers, with any status but 5xx | is flushed |
//! | answers 5xx, fails, or is dropped because the client has gone | loses its changes and its `renew`; a `destroy` is carried out |
//! | goes on behind the head of the response (a stream, a WebSocket) | is flushed as it was then; later changes need an explicit `flush`, and can't bring a new id |
//!
//! A cookie is sent when the client has another id than it should have, whatever the status, and
//! never because of a fault. Such an answer gets `Cache-Control: no-store`; every answer whose
//! session was taken gets `Vary: Cookie`.

mod answers;
mod cookies;
mod extract;
mod fault;
mod future;
mod handle;
mod layer;
#[cfg(all(test, feature = "shuttle"))]
#[allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]
mod shuttled;
mod sync;

/// The engine, for what is not re-exported here.
pub use dancer_session;

pub use answers::{Answers, PlainAnswers};
pub use dancer_session::{Flushed, SessionEngine, Settings};
pub use extract::Session;
pub use fault::Error;
pub use future::ResponseFuture;
pub use handle::SessionHandle;
pub use layer::{SessionLayer, SessionService};

/// The examples of the README, so that they are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
