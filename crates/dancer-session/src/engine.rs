//! The engine: the one place where store, layout and lifetimes meet.

mod ahead;
mod attempt;
mod builder;
mod cached;
mod create;
mod destroy;
mod doubt;
mod finish;
mod flush;
mod given;
mod index;
mod owners;
mod queue;
mod retrieve;

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use redis::aio::MultiplexedConnection;

use self::ahead::Ahead;
pub use self::builder::EngineBuilder;
use self::create::New;
pub(crate) use self::finish::run_to_end;
pub use self::flush::Flushed;
use self::queue::Queue;
use self::retrieve::Source;
use crate::apart::Apart;
use crate::cache::Cache;
use crate::id::{Entropy, Mark, SessionId, random_text};
use crate::layout::{Codec, Content, Document, Entries, Key, Stub};
use crate::lifetime::{Clock, Lifetime, Moment};
use crate::reports::Reports;
use crate::session::Session;
use crate::store::redis::RedisStore;
use crate::store::{ErasedStore, Replace};
use crate::{Error, Layout, Settings, event};

/// What an application holds: makes sessions, finds them again, and hands out their Redis.
///
/// Cheap to clone; all clones are one engine. Needs a tokio runtime.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use dancer_session::{SessionEngine, Settings};
///
/// let engine = SessionEngine::in_memory(Settings::default())?;
/// let session = engine.create().await?;
/// session.set("user", "anna")?;
/// session.update("visits", |visits: Option<u32>| visits.unwrap_or(0) + 1)?;
/// session.flush().await?;
///
/// let id = session.id().expect("a session that was created has an id");
/// let again = engine.retrieve(id.as_str()).await?.expect("it was stored a moment ago");
/// assert_eq!(again.get::<String>("user")?.as_deref(), Some("anna"));
/// # Ok::<(), dancer_session::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct SessionEngine {
    here: Arc<Here>,
    /// Keeps those of all cores. `None`: this one is for a request.
    _all: Option<Arc<Apart<Arc<Here>>>>,
}

/// The engine as the threads of one core have it. Requests and sessions are users of it, and their count
/// is what lies apart.
struct Here {
    inner: Arc<Inner>,
    /// What the entries of a new session are.
    empty: Entries,
    /// Those of all cores, for as long as there are any.
    others: Arc<Apart<OnceLock<Weak<Here>>>>,
}

struct Inner {
    settings: Settings,
    store: Arc<dyn ErasedStore>,
    /// The same store, if it is Redis: only that has connections to hand out.
    redis: Option<Arc<RedisStore>>,
    /// Sessions that were read, if any are kept; only with Redis, which tells what changes.
    cache: Option<Arc<Cache>>,
    codec: Codec,
    lifetime: Lifetime,
    clock: Clock,
    entropy: Entropy,
    queue: Queue,
    /// What the log was told of faults, and when.
    reports: Arc<Reports>,
    /// For an engine without threads.
    ahead: Option<Ahead>,
}

impl Deref for Here {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl SessionEngine {
    fn over(inner: Inner) -> Self {
        let inner = Arc::new(inner);
        // Without threads there is one.
        let others = Arc::new(match inner.ahead {
            None => Apart::new(OnceLock::new),
            Some(_) => Apart::one(OnceLock::new),
        });
        let all = others.map(|other| {
            let here = Arc::new(Here {
                inner: Arc::clone(&inner),
                empty: inner.codec.empty(),
                others: Arc::clone(&others),
            });
            // It was empty.
            drop(other.set(Arc::downgrade(&here)));
            here
        });
        Self {
            here: Arc::clone(all.mine()),
            _all: Some(Arc::new(all)),
        }
    }

    /// Checks the settings and makes the first connection to Redis.
    ///
    /// # Errors
    ///
    /// [`is_settings`](Error::is_settings) names the key, the value and what was expected;
    /// [`is_unavailable`](Error::is_unavailable), after `timeout` at the latest, names the address
    /// that did not answer.
    pub async fn init(settings: Settings) -> Result<Self, Error> {
        Self::builder(settings).init().await
    }

    /// An engine whose sessions live in this process's memory and end with it.
    ///
    /// # Errors
    ///
    /// [`is_settings`](Error::is_settings), as with [`init`](Self::init); an address is not needed.
    pub fn in_memory(settings: Settings) -> Result<Self, Error> {
        Self::builder(settings).in_memory()
    }

    /// [`init`](Self::init) if the settings have an address, else [`in_memory`](Self::in_memory): for
    /// programs that are to run without a Redis too. [`place`](Self::place) tells what it became.
    ///
    /// ```no_run
    /// # async fn engine() -> Result<(), dancer_session::Error> {
    /// use dancer_session::{SessionEngine, Settings};
    ///
    /// let settings = Settings {
    ///     server: std::env::var("REDIS_URL").ok(),
    ///     ..Settings::default()
    /// };
    /// let engine = SessionEngine::init_or_in_memory(settings).await?;
    /// eprintln!("sessions live in {}", engine.place());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init); a Redis that can't be reached is never replaced by memory.
    pub async fn init_or_in_memory(settings: Settings) -> Result<Self, Error> {
        if settings.server.is_some() || settings.sock.is_some() {
            Self::init(settings).await
        } else {
            Self::in_memory(settings)
        }
    }

    /// An engine with a clock, a random generator or a store of its own.
    pub fn builder(settings: Settings) -> EngineBuilder {
        EngineBuilder::new(settings)
    }

    /// A clone for the time of one request. All others count their clones in one place, which goes from
    /// core to core when requests begin and end everywhere; of these, each core has a place of its own.
    /// For adapters that hand an engine to every request.
    #[must_use]
    pub fn for_request(&self) -> Self {
        // Of a clone for a request that has outlived all others, there may be no other one.
        let mine = self.here.others.mine().get().and_then(Weak::upgrade);
        Self {
            here: mine.unwrap_or_else(|| Arc::clone(&self.here)),
            _all: None,
        }
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.here.settings
    }

    /// Where the sessions live, in words for people.
    pub fn place(&self) -> String {
        self.here.store.place()
    }

    /// Whether they live in Redis, and so survive this process.
    pub fn is_in_redis(&self) -> bool {
        self.here.redis.is_some()
    }

    /// A connection to the same server and database, for whatever else the application has to do
    /// there. It is not the one that the sessions use, so nothing done with it disturbs them; it is
    /// opened at the first call, and opened anew when it is dead.
    ///
    /// It has no timeout of its own, so that `BLPOP` and the like can wait.
    ///
    /// # Errors
    ///
    /// [`is_unavailable`](Error::is_unavailable) when the server can't be reached within `timeout`;
    /// [`is_refused`](Error::is_refused) when the sessions do not live in Redis.
    pub async fn redis(&self) -> Result<MultiplexedConnection, Error> {
        self.in_redis()?.handle(self.deadline()).await
    }

    /// Sends one command to the same server and database, over a connection that the sessions don't
    /// use, and waits for the answer: until `within` has passed, or with `None` as long as it takes.
    /// That is [`redis`](Self::redis) for an engine [without threads](EngineBuilder::without_threads).
    ///
    /// An error of the server's is a `Value` ([`ServerError`](redis::Value::ServerError)). Nothing is
    /// sent twice, but for `PING`, which makes a new connection if it finds that there is none.
    ///
    /// # Errors
    ///
    /// [`is_unavailable`](Error::is_unavailable): no connection within `timeout`, or no answer; then
    /// the next command makes a new connection. [`is_refused`](Error::is_refused) as with `redis`.
    pub async fn send(
        &self,
        command: &redis::Cmd,
        within: Option<Duration>,
    ) -> Result<redis::Value, Error> {
        let moments = (
            self.deadline(),
            within.map(|within| Instant::now() + within),
        );
        self.in_redis()?.send_beside(command, moments).await
    }

    fn in_redis(&self) -> Result<&RedisStore, Error> {
        self.here.redis.as_deref().ok_or_else(|| {
            Error::refused(format!(
                "no Redis connection to hand out: the sessions live in {}",
                self.place()
            ))
        })
    }

    /// Makes a new session and stores it, empty.
    ///
    /// # Errors
    ///
    /// [`is_unavailable`](Error::is_unavailable); nobody knows the id then, so nothing is lost.
    pub async fn create(&self) -> Result<Session, Error> {
        let new = New::of(self.no_entries());
        let read = self.store_new(new, self.deadline()).await?;
        Ok(Session::stored(self, read))
    }

    /// Makes a session of this engine from one of another, whatever its layout: the same entries
    /// and the same time of creation under a new id, stored at once. The other one stays.
    ///
    /// This is how a session leaves the Dancer layout, or comes to it. Perl's references are
    /// followed, so that what it holds is data afterwards.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use dancer_session::{Layout, SessionEngine, Settings};
    ///
    /// let dancer = Settings { layout: Layout::Dancer, ..Settings::default() };
    /// let before = SessionEngine::in_memory(dancer)?;
    /// let now = SessionEngine::in_memory(Settings::default())?;
    ///
    /// let session = before.create().await?;
    /// session.set("user", "anna")?;
    /// let moved = now.convert(&session).await?;
    /// assert_eq!(moved.get::<String>("user")?.as_deref(), Some("anna"));
    /// # Ok::<(), dancer_session::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`is_refused`](Error::is_refused) names the first entry that this layout can't hold as it is:
    /// an object, code, a shared or weak reference, a restricted hash, bytes that are no text, a
    /// number that is none, a key twice; towards Perl an integer beyond 64 bits. What fits only in
    /// another form is converted: `true` and `false` are 1 and 0 for Perl, an integer beyond `i64` is
    /// a string there. Also a session that has ended. [`is_unavailable`](Error::is_unavailable).
    pub async fn convert(&self, session: &Session) -> Result<Session, Error> {
        let (entries, created, owned) = session.shared.hand().contents();
        let over = created.is_some_and(|created| {
            let now = self.here.clock.now();
            let left = self.here.lifetime.of(created, owned.as_deref(), now);
            left.is_none()
        });
        if over || session.is_ended() || session.is_read_only() {
            return Err(Error::refused(
                "a session that has ended, is past the lifetime of this engine, or could not be read, \
                 can't be converted",
            ));
        }
        let new = New {
            created,
            owned,
            ..New::of(self.here.codec.convert(&entries)?)
        };
        let read = self.store_new(new, self.deadline()).await?;
        Ok(Session::stored(self, read))
    }

    /// A session for a visitor who has none: it has no id and costs nothing until a
    /// [`flush`](Session::flush) finds entries in it.
    pub fn anonymous(&self) -> Session {
        Session::anonymous(self)
    }

    /// An empty session in the place of one that can't be had at present: it can be read, and a flush
    /// refuses whatever was changed, as unavailable. For a page that goes on without; see
    /// [`on_unavailable`](Settings::on_unavailable), which adapters obey.
    pub fn read_only(&self) -> Session {
        Session::read_only(self)
    }

    /// Takes a session into hand, and extends its life by `expire`. One round trip.
    ///
    /// `id` is what a client presented, unchecked. `None`: there is no such session, or no longer;
    /// what has not the shape of an id is not even asked for. A session that was renewed or
    /// destroyed a moment ago ([`renew_grace`](Settings::renew_grace)) comes as an empty one that
    /// [`is_ended`](Session::is_ended).
    ///
    /// # Errors
    ///
    /// [`is_unavailable`](Error::is_unavailable), or [`is_unreadable`](Error::is_unreadable). Neither
    /// means that the session is gone.
    pub async fn retrieve(&self, id: &str) -> Result<Option<Session>, Error> {
        retrieve::retrieve(self, id, Source::Anywhere).await
    }

    /// The same, but never from the [cache](Settings::cache): for where even a log-out of a moment ago,
    /// on another machine, must be seen.
    ///
    /// # Errors
    ///
    /// As [`retrieve`](Self::retrieve).
    pub async fn retrieve_fresh(&self, id: &str) -> Result<Option<Session>, Error> {
        retrieve::retrieve(self, id, Source::Store).await
    }

    /// Sets how long a key lives from now on, without making anybody wait for it.
    fn touch_later(&self, key: Key, ttl: Duration) {
        let (store, by) = (Arc::clone(&self.here.store), self.deadline());
        let reports = Arc::clone(&self.here.reports);
        self.later(async move {
            if let Err(error) = store.touch(&key, ttl, by).await {
                event::touch_failed(&key, &error, &reports);
            }
        });
    }

    /// Whether the log should have an event of this name: in an outage every request has the same to
    /// tell, and it is news once a minute. An error that is about one session alone always is. For
    /// adapters.
    pub fn is_news(&self, event: &'static str, error: &Error) -> bool {
        self.here.reports.is_news(event, error)
    }

    /// Does what nobody waits for.
    fn later(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut work = Box::pin(work);
        // On its way before whatever this request sends next: a touch behind a log-out would give
        // the stub the time of the session.
        let mut context = Context::from_waker(Waker::noop());
        if work.as_mut().poll(&mut context).is_pending() {
            match &self.here.ahead {
                Some(ahead) => ahead.keep(work),
                None => drop(tokio::spawn(work)),
            }
        }
    }

    /// Replaces a payload that was read; its key lives for `ttl`, or as long as it did.
    async fn replace(
        &self,
        key: &Key,
        read: &[u8],
        payload: &[u8],
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Replace, Error> {
        let _changing = self.begin_change(key);
        match self.here.store.replace(key, read, payload, ttl, by).await {
            Err(error) if self.is_foreign(&error, key) => Ok(Replace::Gone),
            outcome => outcome,
        }
    }

    /// Whether the store has found something of another type: under a bare key that is a stranger's.
    fn is_foreign(&self, error: &Error, key: &Key) -> bool {
        let foreign = error.is_unreadable() && self.here.codec.layout == Layout::Dancer;
        if foreign {
            event::foreign_key(key);
        }
        foreign
    }

    /// A stub made now, and how long its key shall live.
    fn stub(&self, key: &Key, mark: Mark) -> (Bytes, Duration) {
        let now = self.here.clock.now();
        let (ends, ttl) = self.here.lifetime.stub(now);
        (self.here.codec.encode_stub(key, Stub { ends, mark }), ttl)
    }

    /// How long a session in hand has to live if nobody uses it again.
    pub(crate) fn time_left(&self, document: &Document) -> Duration {
        self.limit(document, self.here.clock.now())
            .unwrap_or_default()
    }

    /// What a session that is used at `now` has to live from then on; `None`: nothing.
    fn limit(&self, document: &Document, now: Moment) -> Option<Duration> {
        let owned = document.owned.as_deref();
        self.here.lifetime.of(document.created, owned, now)
    }

    /// The time of day in whole seconds since 1970.
    pub(crate) fn seconds_now(&self) -> u64 {
        self.here.clock.now().seconds()
    }

    /// 128 random bits as text.
    pub(crate) fn random_text(&self) -> Result<String, Error> {
        random_text(&self.here.entropy)
    }

    /// What the entries of a new session are, before anything is set.
    pub(crate) fn no_entries(&self) -> Entries {
        self.here.empty.clone()
    }

    pub(crate) fn codec(&self) -> &Codec {
        &self.here.codec
    }

    fn key(&self, id: &SessionId) -> Key {
        self.here.codec.key(id)
    }

    /// Reads a payload as what it is now.
    fn decode(&self, key: &Key, payload: &Bytes) -> Result<Content, Error> {
        self.here.codec.decode(key, payload, self.here.clock.now())
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.here.settings.timeout
    }
}

impl fmt::Debug for SessionEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionEngine({})", self.place())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// How many places requests count in whose threads begin with `engine`.
    fn places(engine: &SessionEngine) -> usize {
        let place = || Arc::as_ptr(&engine.for_request().here) as usize;
        // Other tests begin threads as well, which have their turn between these.
        let places = (0..200).map(|_| thread::scope(|scope| scope.spawn(place).join().unwrap()));
        let mut places: Vec<_> = places.collect();
        places.sort_unstable();
        places.dedup();
        places.len()
    }

    #[test]
    fn requests_count_apart_also_with_a_clone_of_a_request() {
        let engine = SessionEngine::in_memory(Settings::default()).unwrap();
        let cores = thread::available_parallelism().unwrap().get().min(64);
        assert_eq!(places(&engine), cores);
        let for_request = engine.for_request();
        assert_eq!(places(&for_request.clone()), cores);
        // Without the engine itself it goes on where it is.
        drop(engine);
        assert_eq!(places(&for_request), 1);
    }

    #[test]
    fn an_engine_ends_with_its_last_clone() {
        let engine = SessionEngine::in_memory(Settings::default()).unwrap();
        let inner = Arc::downgrade(&engine.here.inner);
        let session = engine.anonymous();
        drop(engine);
        assert!(inner.upgrade().is_some(), "the session has it");
        drop(session);
        assert!(inner.upgrade().is_none());
    }
}
