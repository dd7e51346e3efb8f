//! The session as an argument of axum's handlers.

use std::ops::Deref;

use axum_core::extract::FromRequestParts;
use http::request::Parts;

use crate::{Error, SessionHandle};

/// The session of this request: [`dancer_session::Session`], as an argument of an axum handler.
///
/// A request whose session can't be had does not reach the handler; see [`Error`].
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
        let handle = parts.extensions.get::<SessionHandle>();
        let handle = handle.ok_or_else(Error::no_layer)?;
        Ok(Self(handle.session().await?))
    }
}
