//! `actix-session` with its `RedisSessionStore`: load and store as its middleware calls them.

use std::collections::HashMap;
use std::sync::Arc;

use ::actix_session::storage::{RedisSessionStore, SessionKey, SessionStore};
use serde::de::DeserializeOwned;

use super::{Library, TTL};
use crate::entries::{entries, number};

/// What its store takes and gives: each value as JSON.
type State = HashMap<String, String>;

#[derive(Clone)]
pub(crate) struct ActixSession {
    store: RedisSessionStore,
    ids: Arc<Vec<String>>,
}

impl ActixSession {
    pub(crate) async fn connect(url: &str) -> Self {
        let store = RedisSessionStore::new(url).await;
        Self {
            store: store.expect("the server has just been started"),
            ids: Arc::default(),
        }
    }

    pub(crate) fn with(self, ids: Vec<String>) -> Self {
        let ids = Arc::new(ids);
        Self { ids, ..self }
    }

    async fn checked(&self, nth: usize) -> (SessionKey, State) {
        let key = SessionKey::try_from(self.ids[nth].clone()).expect("it is an id of its");
        let state = self.store.load(&key).await.expect("the server answers");
        let state = state.expect("the session is there");
        assert_eq!(value::<u64>(&state, "number"), number(nth));
        (key, state)
    }

    async fn store(&self, key: SessionKey, state: State) {
        let name = key.as_ref().to_owned();
        let stored = self.store.update(key, state, &ttl()).await;
        let stored = stored.expect("the server answers");
        assert_eq!(stored.as_ref(), name, "the session had gone");
    }
}

pub(crate) fn ttl() -> actix_web::cookie::time::Duration {
    TTL.try_into().expect("a short time")
}

fn value<T: DeserializeOwned>(state: &State, name: &str) -> T {
    serde_json::from_str(&state[name]).expect("it was set as JSON")
}

impl Library for ActixSession {
    async fn retrieve(&self, nth: usize) {
        self.checked(nth).await;
    }

    async fn set(&self, nth: usize, value: u64) {
        let (key, mut state) = self.checked(nth).await;
        state.insert("last".to_owned(), value.to_string());
        self.store(key, state).await;
    }

    async fn update(&self, nth: usize) {
        let (key, mut state) = self.checked(nth).await;
        let visits = value::<u64>(&state, "visits") + 1;
        state.insert("visits".to_owned(), visits.to_string());
        self.store(key, state).await;
    }

    async fn create(&self, nth: usize, bytes: usize) -> String {
        let pairs = entries(nth, bytes).into_iter();
        let state = pairs.map(|(name, value)| (name.to_owned(), value.to_string()));
        let key = self.store.save(state.collect(), &ttl()).await;
        key.expect("the server answers").into()
    }

    async fn look(&self, nth: usize) -> (u64, u64) {
        let (_, state) = self.checked(nth).await;
        (value(&state, "last"), value(&state, "visits"))
    }
}
