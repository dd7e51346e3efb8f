//! How an engine is put together from settings and from what a test may want to replace.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::ahead::Ahead;
use super::queue::Queue;
use super::{Inner, SessionEngine};
use crate::cache::Cache;
use crate::id::Entropy;
use crate::layout::Codec;
use crate::lifetime::{Clock, Lifetime};
use crate::store::memory::MemoryStore;
use crate::store::redis::{RedisStore, Threads};
use crate::store::{ErasedStore, Store};
use crate::{Error, Settings};

/// Made by [`SessionEngine::builder`]; ends in one of [`init`](Self::init),
/// [`in_memory`](Self::in_memory) and [`with_store`](Self::with_store).
#[derive(Clone)]
pub struct EngineBuilder {
    settings: Settings,
    clock: Clock,
    entropy: Entropy,
    threads: Threads,
}

impl EngineBuilder {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            clock: Clock::default(),
            entropy: Entropy::default(),
            threads: Threads::Allowed,
        }
    }

    /// The clock for `lifetime`, for stubs and for the store in memory. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The random generator for ids. **For tests only**: with anything but the operating system's,
    /// which is the default, ids can be guessed. There is no fallback: when it fails, no session
    /// is made.
    #[must_use]
    pub fn entropy(
        mut self,
        source: impl Fn(&mut [u8]) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.entropy = Entropy::new(source);
        self
    }

    /// Never starts a thread, for programs that can't have any: the name of a host is looked up in
    /// the calling thread, and a slow answer to that is waited for beyond `timeout`. The runtime must
    /// be one of the current thread.
    #[must_use]
    pub fn without_threads(mut self) -> Self {
        self.threads = Threads::None;
        self
    }

    /// An engine with its sessions in Redis; makes the first connection.
    ///
    /// # Errors
    ///
    /// As [`SessionEngine::init`].
    pub async fn init(self) -> Result<SessionEngine, Error> {
        self.settings.validate()?;
        if self.settings.cache > 0 && self.threads == Threads::None {
            return Err(Error::settings(
                "redis_session: cache needs threads, which this engine can't have: leave it out",
            ));
        }
        let cache = (self.settings.cache > 0).then(|| Cache::new(self.settings.cache));
        let store = RedisStore::connect_with(&self.settings, self.threads, cache.as_ref()).await?;
        let store = Arc::new(store);
        if cache.is_some() {
            store.listen();
        }
        Ok(self.build(store.clone(), Some(store), cache))
    }

    /// An engine with its sessions in memory.
    ///
    /// # Errors
    ///
    /// As [`SessionEngine::in_memory`].
    pub fn in_memory(self) -> Result<SessionEngine, Error> {
        let store = MemoryStore::new(self.clock.clone());
        self.with_store(store)
    }

    /// An engine with its sessions in a store of the caller's.
    ///
    /// # Errors
    ///
    /// [`is_settings`](Error::is_settings) for values that can't be.
    pub fn with_store(self, store: impl Store) -> Result<SessionEngine, Error> {
        self.settings.validate()?;
        Ok(self.build(Arc::new(store), None, None))
    }

    fn build(
        mut self,
        store: Arc<dyn ErasedStore>,
        redis: Option<Arc<RedisStore>>,
        cache: Option<Arc<Cache>>,
    ) -> SessionEngine {
        self.settings.cookie.settle(self.settings.layout);
        let codec = Codec::new(&self.settings);
        SessionEngine::over(Inner {
            store,
            redis,
            cache,
            codec,
            lifetime: Lifetime::new(&self.settings),
            clock: self.clock,
            entropy: self.entropy,
            queue: Queue::default(),
            reports: Arc::default(),
            ahead: match self.threads {
                Threads::Allowed => None,
                Threads::None => Some(Ahead::default()),
            },
            settings: self.settings,
        })
    }
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EngineBuilder({:?})", self.settings)
    }
}
