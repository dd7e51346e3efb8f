//! The session as an argument of axum's handlers, and its errors as their responses.

use std::fmt;
use std::ops::Deref;

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::RETRY_AFTER;
use http::request::Parts;

use crate::SessionHandle;

/// The session of this request: [`dancer_session::Session`], as an argument of an axum handler.
///
/// Rejected with 503 when the store can't be asked and with 500 when what it holds can't be read;
/// see [`Error`].
#[derive(Debug, Clone)]
pub struct Session(dancer_session::Session);

impl Deref for Session {
    type Target = dancer_session::Session;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let handle = parts
            .extensions
            .get::<SessionHandle>()
            .ok_or(Error(Kind::NoLayer))?;
        Ok(Self(handle.session().await?))
    }
}

/// An engine's error as a response, so that handlers can use `?`: 503 with `Retry-After` when the
/// sessions are unavailable, else 500. The body tells the visitor nothing; the log tells you.
#[derive(Debug)]
pub struct Error(Kind);

#[derive(Debug)]
enum Kind {
    Engine(dancer_session::Error),
    NoLayer,
}

impl From<dancer_session::Error> for Error {
    fn from(error: dancer_session::Error) -> Self {
        Self(Kind::Engine(error))
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
        match &self.0 {
            Kind::Engine(error) => error.source(),
            Kind::NoLayer => None,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let unavailable = matches!(&self.0, Kind::Engine(error) if error.is_unavailable());
        tracing::error!(error = %self, "request_failed");
        failure(unavailable)
    }
}

/// The response to a request whose session failed.
pub(crate) fn failure<B: Default>(unavailable: bool) -> http::Response<B> {
    let mut response = http::Response::new(B::default());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    if unavailable {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(RETRY_AFTER, SECONDS_TO_WAIT);
    }
    response
}

const SECONDS_TO_WAIT: http::HeaderValue = http::HeaderValue::from_static("1");
