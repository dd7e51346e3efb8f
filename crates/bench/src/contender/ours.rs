//! `dancer-session`, in its native layout and with its default settings.

use std::sync::Arc;

use dancer_session::{Flushed, Session, SessionEngine, Settings};
use testbench::RedisServer;

use super::{Library, TTL};
use crate::entries::{entries, number};

#[derive(Clone)]
pub(crate) struct Ours {
    engine: SessionEngine,
    ids: Arc<Vec<String>>,
}

impl Ours {
    pub(crate) async fn connect(server: &RedisServer) -> Self {
        let engine = SessionEngine::init(settings(&server.url()));
        Self {
            engine: engine.await.expect("the server has just been started"),
            ids: Arc::default(),
        }
    }

    pub(crate) fn with(self, ids: Vec<String>) -> Self {
        let ids = Arc::new(ids);
        Self { ids, ..self }
    }

    /// The same sessions in another engine.
    pub(super) fn over(self, engine: SessionEngine) -> Self {
        Self { engine, ..self }
    }

    async fn checked(&self, nth: usize) -> Session {
        let session = self.engine.retrieve(&self.ids[nth]).await;
        let session = session
            .expect("the server answers")
            .expect("the session is there");
        let found = session.get::<u64>("number").expect("a number");
        assert_eq!(found, Some(number(nth)));
        session
    }
}

/// Its settings, here and behind HTTP.
pub(crate) fn settings(url: &str) -> Settings {
    Settings {
        server: Some(url.to_owned()),
        expire: TTL,
        ..Settings::default()
    }
}

impl Library for Ours {
    async fn retrieve(&self, nth: usize) {
        self.checked(nth).await;
    }

    async fn set(&self, nth: usize, value: u64) {
        let session = self.checked(nth).await;
        session.set("last", value).expect("a number can be set");
        let flushed = session.flush().await;
        assert_eq!(flushed.expect("the server answers"), Flushed::Stored);
    }

    async fn update(&self, nth: usize) {
        let session = self.checked(nth).await;
        let more = |visits: Option<u64>| visits.unwrap_or(0) + 1;
        session.update("visits", more).expect("it is a number");
        let flushed = session.flush().await;
        assert_eq!(flushed.expect("the server answers"), Flushed::Stored);
    }

    async fn create(&self, nth: usize, bytes: usize) -> String {
        let session = self.engine.anonymous();
        for (name, value) in entries(nth, bytes) {
            session.set(name, value).expect("JSON can be set");
        }
        let flushed = session.flush().await;
        assert_eq!(flushed.expect("the server answers"), Flushed::Created);
        let id = session.id().expect("it is stored");
        id.as_str().to_owned()
    }

    async fn look(&self, nth: usize) -> (u64, u64) {
        let session = self.checked(nth).await;
        let entry = |name| session.get(name).expect("a number").expect("it is there");
        (entry("last"), entry("visits"))
    }
}
