//! What all parts of one request share: one session, read once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use dancer_session::{OnUnavailable, OnUnreadable, Session, SessionEngine, SessionId};
use tokio::sync::OnceCell;

use crate::cookies::Presented;
use crate::sync::AtomicBool;
use crate::{Error, fault};

/// The way to the request's session for services that are not axum handlers: it is in the
/// request's extensions.
#[derive(Debug, Clone)]
pub struct SessionHandle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    engine: SessionEngine,
    presented: Option<Presented>,
    // The error as well: who asks after a fault should not wait for the next one.
    session: OnceCell<Result<Session, Error>>,
    /// The client can be told no id any more.
    head_has_left: AtomicBool,
}

impl SessionHandle {
    pub(crate) fn new(engine: SessionEngine, presented: Option<Presented>) -> Self {
        Self(Arc::new(Shared {
            engine,
            presented,
            session: OnceCell::new(),
            head_has_left: AtomicBool::new(false),
        }))
    }

    /// The session of this request. The first call reads it; all others, also those that run at
    /// the same time, get the same one. A client without a session gets an empty one that costs
    /// nothing until something is set in it.
    ///
    /// # Errors
    ///
    /// As [`SessionEngine::retrieve`]. With `on_unreadable: anonymous`, a session that can't be read
    /// is left as it is, and the visitor gets a new one. With `on_unavailable: anonymous_read_only`,
    /// one that can't be had is an empty one that stores nothing.
    pub async fn session(&self) -> Result<Session, Error> {
        let session = self.0.session.get_or_init(|| self.0.read()).await.clone()?;
        if self.0.head_has_left.load(Ordering::SeqCst) {
            session.pin_id();
        }
        Ok(session)
    }

    /// From now on the client can be told no id, whoever takes the session.
    pub(crate) fn head_leaves(&self) {
        self.0.head_has_left.store(true, Ordering::SeqCst);
        if let Some(session) = self.taken() {
            session.pin_id();
        }
    }

    pub(crate) fn engine(&self) -> &SessionEngine {
        &self.0.engine
    }

    /// The session, if anybody took it and got it.
    pub(crate) fn taken(&self) -> Option<&Session> {
        self.0.session.get()?.as_ref().ok()
    }

    /// Whether anybody wanted it, got or not.
    pub(crate) fn asked(&self) -> bool {
        self.0.session.initialized()
    }

    /// Whether the client has this id.
    pub(crate) fn presented(&self, id: &SessionId) -> bool {
        let presented = self.0.presented.as_ref();
        presented.is_some_and(|presented| presented.as_str() == id.as_str())
    }

    /// Whether the client has any.
    pub(crate) fn presented_any(&self) -> bool {
        self.0.presented.is_some()
    }
}

impl Shared {
    async fn read(&self) -> Result<Session, Error> {
        let Some(presented) = &self.presented else {
            return Ok(self.engine.anonymous());
        };
        match self.engine.retrieve(presented.as_str()).await {
            Ok(found) => Ok(found.unwrap_or_else(|| self.engine.anonymous())),
            Err(error) if error.is_unreadable() && self.goes_on() => Ok(self.engine.anonymous()),
            Err(error) => {
                fault::retrieve_failed(&self.engine, &error);
                match error.is_unavailable() && self.goes_on_without() {
                    true => Ok(self.engine.read_only()),
                    false => Err(error.into()),
                }
            }
        }
    }

    fn goes_on_without(&self) -> bool {
        self.engine.settings().on_unavailable == OnUnavailable::ReadOnly
    }

    fn goes_on(&self) -> bool {
        self.engine.settings().on_unreadable == OnUnreadable::Anonymous
    }
}

#[cfg(test)]
mod tests {
    use dancer_session::Settings;

    use super::*;

    /// It lies in the future of every handler, which axum boxes together with the request: beyond 1032
    /// bytes glibc has nothing at hand.
    #[tokio::test]
    async fn to_take_a_session_is_small() {
        let engine = SessionEngine::in_memory(Settings::default()).unwrap();
        let handle = SessionHandle::new(engine, None);
        let size = size_of_val(&handle.session());
        assert!(size <= 440, "{size}");
    }
}
