//! What all parts of one request share: one session, read once.

use std::sync::Arc;

use dancer_session::{Error, OnUnreadable, Session, SessionEngine, SessionId};
use tokio::sync::OnceCell;

/// The way to the request's session for services that are not axum handlers: it is in the
/// request's extensions.
#[derive(Debug, Clone)]
pub struct SessionHandle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    engine: SessionEngine,
    presented: Option<Presented>,
    session: OnceCell<Session>,
}

/// What the client says its id is.
struct Presented(String);

impl SessionHandle {
    pub(crate) fn new(engine: SessionEngine, presented: Option<String>) -> Self {
        Self(Arc::new(Shared {
            engine,
            presented: presented.map(Presented),
            session: OnceCell::new(),
        }))
    }

    /// The session of this request. The first call reads it; all others, also those that run at
    /// the same time, get the same one. A client without a session gets an empty one that costs
    /// nothing until something is set in it.
    ///
    /// # Errors
    ///
    /// As [`SessionEngine::retrieve`].
    pub async fn session(&self) -> Result<Session, Error> {
        let Shared {
            engine,
            presented,
            session,
        } = &*self.0;
        let read = async {
            let Some(Presented(id)) = presented else {
                return Ok(engine.anonymous());
            };
            match engine.retrieve(id).await {
                Ok(found) => Ok(found.unwrap_or_else(|| engine.anonymous())),
                // What is stored stays; a first write makes another session.
                Err(error) if error.is_unreadable() && goes_on(engine) => Ok(engine.anonymous()),
                Err(error) => Err(error),
            }
        };
        session.get_or_try_init(|| read).await.cloned()
    }

    pub(crate) fn engine(&self) -> &SessionEngine {
        &self.0.engine
    }

    /// The session, if anybody took it.
    pub(crate) fn taken(&self) -> Option<&Session> {
        self.0.session.get()
    }

    pub(crate) fn presented(&self, id: &SessionId) -> bool {
        self.0
            .presented
            .as_ref()
            .is_some_and(|presented| presented.0 == id.as_str())
    }

    pub(crate) fn presented_any(&self) -> bool {
        self.0.presented.is_some()
    }
}

fn goes_on(engine: &SessionEngine) -> bool {
    engine.settings().on_unreadable == OnUnreadable::Anonymous
}

impl std::fmt::Debug for Presented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}
