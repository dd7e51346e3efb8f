//! A store in memory that a test can look into.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dancer_session::{
    Clock, Create, Enlistment, Error, Key, MemoryStore, Renew, Renewal, Replace, Retrieved, Store,
    Touch,
};

/// Forwards to a [`MemoryStore`], counts the steps and remembers the keys.
#[derive(Clone)]
pub(crate) struct Watched(Arc<Inner>);

struct Inner {
    store: MemoryStore,
    steps: AtomicU64,
    keys: Mutex<BTreeMap<String, Key>>,
    indexes: Mutex<BTreeMap<String, Key>>,
    /// What another writer will have stored just before the next replacement.
    faster: Mutex<Option<Vec<u8>>>,
}

impl Watched {
    pub(crate) fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner {
            store: MemoryStore::new(clock),
            steps: AtomicU64::new(0),
            keys: Mutex::default(),
            indexes: Mutex::default(),
            faster: Mutex::default(),
        }))
    }

    pub(crate) fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::SeqCst)
    }

    /// Every key that is there, with its payload and what it has left.
    pub(crate) async fn all(&self) -> Vec<(String, Vec<u8>, Duration)> {
        let keys = self.0.keys.lock().unwrap().clone();
        let mut all = Vec::new();
        for (name, key) in keys {
            if let Some((payload, left)) = self.0.store.peek(&key, Instant::now()).await.unwrap() {
                all.push((name, payload.to_vec(), left));
            }
        }
        all
    }

    /// The members of every index that has any.
    pub(crate) async fn indexes(&self) -> Vec<(String, Vec<String>)> {
        let indexes = self.0.indexes.lock().unwrap().clone();
        let mut all = Vec::new();
        for (name, index) in indexes {
            let members = self.0.store.members(&index, Instant::now()).await.unwrap();
            if !members.is_empty() {
                all.push((name, members));
            }
        }
        all
    }

    pub(crate) fn let_another_be_faster(&self, payload: Vec<u8>) {
        *self.0.faster.lock().unwrap() = Some(payload);
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.keys.lock().unwrap().contains_key(name)
    }

    /// Puts a payload under a key that was used before.
    pub(crate) async fn put(&self, name: &str, payload: &[u8], ttl: Duration) {
        let key = self.0.keys.lock().unwrap()[name].clone();
        let by = Instant::now();
        let _ = self.0.store.touch(&key, Duration::ZERO, by).await.unwrap();
        let created = self.0.store.create(&key, payload, ttl, by).await.unwrap();
        assert_eq!(created, Create::Created);
    }

    fn step(&self, keys: &[&Key]) -> &MemoryStore {
        self.0.steps.fetch_add(1, Ordering::SeqCst);
        let mut known = self.0.keys.lock().unwrap();
        for key in keys {
            known
                .entry(key.as_str().to_owned())
                .or_insert_with(|| Key::clone(key));
        }
        &self.0.store
    }
}

impl Store for Watched {
    async fn retrieve(
        &self,
        key: &Key,
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Option<Retrieved>, Error> {
        self.step(&[key]).retrieve(key, ttl, by).await
    }

    async fn peek(
        &self,
        key: &Key,
        by: Instant,
    ) -> Result<Option<(bytes::Bytes, Duration)>, Error> {
        self.step(&[key]).peek(key, by).await
    }

    async fn create(
        &self,
        key: &Key,
        payload: &[u8],
        ttl: Duration,
        by: Instant,
    ) -> Result<Create, Error> {
        self.step(&[key]).create(key, payload, ttl, by).await
    }

    async fn replace(
        &self,
        key: &Key,
        read: &[u8],
        payload: &[u8],
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Replace, Error> {
        let faster = self.0.faster.lock().unwrap().take();
        if let Some(faster) = faster {
            let left = self.0.store.peek(key, by).await?.map(|(_, left)| left);
            let ttl = ttl.or(left).expect("there is something to replace");
            self.put(key.as_str(), &faster, ttl).await;
        }
        self.step(&[key]).replace(key, read, payload, ttl, by).await
    }

    async fn renew(&self, renewal: Renewal<'_>, by: Instant) -> Result<Renew, Error> {
        self.step(&[renewal.old, renewal.new])
            .renew(renewal, by)
            .await
    }

    async fn touch(&self, key: &Key, ttl: Duration, by: Instant) -> Result<Touch, Error> {
        self.step(&[key]).touch(key, ttl, by).await
    }

    async fn look(&self, keys: &[Key], by: Instant) -> Result<Vec<Option<bytes::Bytes>>, Error> {
        self.step(&[]).look(keys, by).await
    }

    async fn enlist(&self, enlistment: Enlistment<'_>, by: Instant) -> Result<Vec<String>, Error> {
        let (name, index) = (enlistment.index.as_str(), enlistment.index.clone());
        self.0.indexes.lock().unwrap().insert(name.into(), index);
        self.step(&[]).enlist(enlistment, by).await
    }

    async fn delist(&self, index: &Key, member: &str, by: Instant) -> Result<(), Error> {
        self.step(&[]).delist(index, member, by).await
    }

    async fn members(&self, index: &Key, by: Instant) -> Result<Vec<String>, Error> {
        self.step(&[]).members(index, by).await
    }

    fn place(&self) -> String {
        self.0.store.place()
    }
}
