//! `tower-sessions` with `tower-sessions-redis-store`, on a pool of connections.

use std::sync::Arc;

use tower_sessions::session::Id;
use tower_sessions::{Expiry, Session};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};

use super::{Library, TTL};
use crate::entries::{entries, number};

#[derive(Clone)]
pub(crate) struct TowerSessions {
    name: &'static str,
    store: Arc<RedisStore<Pool>>,
    ids: Arc<Vec<Id>>,
}

/// Sizes of the pool, and what they are called. Its documentation takes 6.
pub(crate) const POOLS: [(usize, &str); 3] = [
    (1, "tower-sessions, pool of 1"),
    (2, "tower-sessions, pool of 2"),
    (6, "tower-sessions, pool of 6"),
];

impl TowerSessions {
    pub(crate) async fn connect(url: &str, (size, name): (usize, &'static str)) -> Self {
        Self {
            name,
            store: Arc::new(store(url, size).await),
            ids: Arc::default(),
        }
    }

    pub(crate) fn with(self, ids: &[String]) -> Self {
        let ids = ids.iter().map(|id| id.parse().expect("it is an id of its"));
        Self {
            ids: Arc::new(ids.collect()),
            ..self
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    fn session(&self, id: Option<Id>) -> Session {
        Session::new(id, Arc::clone(&self.store), Some(expiry()))
    }

    async fn checked(&self, nth: usize) -> Session {
        let session = self.session(Some(self.ids[nth]));
        let found = session.get::<u64>("number").await;
        assert_eq!(found.expect("the server answers"), Some(number(nth)));
        session
    }
}

/// Its store, here and behind HTTP.
pub(crate) async fn store(url: &str, size: usize) -> RedisStore<Pool> {
    let config = Config::from_url(url).expect("it is an address");
    let pool = Pool::new(config, None, None, None, size).expect("its defaults are right");
    pool.connect();
    let connected = pool.wait_for_connect().await;
    connected.expect("the server has just been started");
    RedisStore::new(pool)
}

pub(crate) fn expiry() -> Expiry {
    Expiry::OnInactivity(TTL.try_into().expect("a short time"))
}

impl Library for TowerSessions {
    async fn retrieve(&self, nth: usize) {
        self.checked(nth).await;
    }

    async fn set(&self, nth: usize, value: u64) {
        let session = self.checked(nth).await;
        let set = session.insert("last", value).await;
        set.expect("a number can be set");
        session.save().await.expect("the server answers");
    }

    async fn update(&self, nth: usize) {
        let session = self.checked(nth).await;
        let visits = session.get::<u64>("visits").await.expect("a number");
        let set = session.insert("visits", visits.unwrap_or(0) + 1).await;
        set.expect("a number can be set");
        session.save().await.expect("the server answers");
    }

    async fn create(&self, nth: usize, bytes: usize) -> String {
        let session = self.session(None);
        for (name, value) in entries(nth, bytes) {
            session.insert(name, value).await.expect("JSON can be set");
        }
        session.save().await.expect("the server answers");
        session.id().expect("it is stored").to_string()
    }

    async fn look(&self, nth: usize) -> (u64, u64) {
        let session = self.checked(nth).await;
        let last = session.get("last").await.expect("a number");
        let visits = session.get("visits").await.expect("a number");
        (last.expect("it is there"), visits.expect("it is there"))
    }
}
