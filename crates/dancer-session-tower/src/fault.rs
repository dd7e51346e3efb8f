//! The engine's errors on their way through an HTTP service.

use std::fmt;
use std::sync::Arc;

use axum_core::response::{IntoResponse, Response};
use dancer_session::SessionEngine;

use crate::answers::plain;

/// An engine's error as an answer, so that handlers can use `?`. The layer shapes it by its
/// [`Answers`](crate::Answers); without one of your own: 503 with `Retry-After` when the sessions
/// are unavailable, else 500, and an empty body. The log tells what happened.
#[derive(Debug, Clone)]
pub struct Error(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// Shared, because all who take the session of one request get the same error.
    Engine(Arc<dancer_session::Error>),
    NoLayer,
}

/// Tells the log that a session could not be had; more quietly of what it was told within a minute,
/// or is told anyway.
pub(crate) fn retrieve_failed(engine: &SessionEngine, error: &dancer_session::Error) {
    match is_loud(engine, "retrieve_failed", error) {
        true => tracing::error!(%error, "retrieve_failed"),
        false => tracing::debug!(%error, "retrieve_failed"),
    }
}

/// The same of one that could not be stored.
pub(crate) fn flush_failed(engine: &SessionEngine, error: &dancer_session::Error) {
    match is_loud(engine, "flush_failed", error) {
        true => tracing::error!(%error, "flush_failed"),
        false => tracing::debug!(%error, "flush_failed"),
    }
}

fn is_loud(engine: &SessionEngine, event: &'static str, error: &dancer_session::Error) -> bool {
    !error.is_misconfigured() && engine.is_news(event, error)
}

impl Error {
    pub(crate) fn no_layer() -> Self {
        Self(Kind::NoLayer)
    }

    /// Whether waiting may help; see [`dancer_session::Error::is_unavailable`].
    pub fn is_unavailable(&self) -> bool {
        self.engine()
            .is_some_and(dancer_session::Error::is_unavailable)
    }

    /// What the engine said. `None`: the handler takes a session, but there is no layer.
    pub fn engine(&self) -> Option<&dancer_session::Error> {
        match &self.0 {
            Kind::Engine(error) => Some(error),
            Kind::NoLayer => None,
        }
    }
}

impl Error {
    /// The answer to it, for services that are not axum's: as [`IntoResponse`] gives there. The layer
    /// replaces it by what the application's [`Answers`](crate::Answers) say.
    pub fn response<B: Default>(self) -> http::Response<B> {
        let mut response = plain(&self);
        // There the layer finds it.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<dancer_session::Error> for Error {
    fn from(error: dancer_session::Error) -> Self {
        Self(Kind::Engine(Arc::new(error)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Engine(error) => error.fmt(f),
            Kind::NoLayer => f.write_str(
                "a handler takes the session, but there is no SessionLayer around it: add \
                 .layer(SessionLayer::new(engine)) to the router",
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.engine().and_then(std::error::Error::source)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.response()
    }
}
