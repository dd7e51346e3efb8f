//! An engine on a store of either kind, with a clock that a test turns and a view of what is stored.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dancer_session::{Clock, EngineBuilder, Layout, Session, SessionEngine, Settings};
use testbench::RedisServer;

use crate::rights;
use crate::secrets::trace;
use crate::watched::Watched;

/// The kinds of store that must behave alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Redis,
    /// The Dancer layout, on each of them.
    DancerInMemory,
    DancerInRedis,
    /// The Dancer layout in Redis, for a process that can have no threads.
    WithoutThreads,
}

impl Kind {
    pub(crate) fn layout(self) -> Layout {
        match self {
            Self::Memory | Self::Redis => Layout::Native,
            Self::DancerInMemory | Self::DancerInRedis | Self::WithoutThreads => Layout::Dancer,
        }
    }

    pub(crate) fn is_redis(self) -> bool {
        matches!(
            self,
            Self::Redis | Self::DancerInRedis | Self::WithoutThreads
        )
    }
}

pub(crate) struct Bench {
    pub(crate) engine: SessionEngine,
    behind: Behind,
    now: Arc<Mutex<SystemTime>>,
}

enum Behind {
    Memory(Watched),
    Redis(Box<RedisServer>),
}

/// What a test does is within the rights that the README asks for, and no more was tried.
impl Drop for Bench {
    fn drop(&mut self) {
        let limited = self.engine.settings().username.as_deref() == Some(rights::USER);
        if let (Behind::Redis(server), true, false) =
            (&self.behind, limited, std::thread::panicking())
        {
            let refused = rights::refused(server).unwrap_or(0);
            assert_eq!(refused, 0, "entries in ACL LOG (R31)");
        }
    }
}

/// One key of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) key: String,
    /// The bytes, as text where they are that.
    pub(crate) payload: String,
    pub(crate) bytes: Vec<u8>,
    /// `None`: it never expires.
    pub(crate) left: Option<Duration>,
}

impl Bench {
    pub(crate) async fn new(kind: Kind) -> Self {
        Self::with(kind, Settings::default()).await
    }

    /// One whose engine may do everything there, for what an application does beside its sessions.
    pub(crate) async fn of_everything(kind: Kind) -> Self {
        Self::with(kind, rights::of_everything()).await
    }

    pub(crate) async fn with(kind: Kind, settings: Settings) -> Self {
        Self::built(kind, settings, |builder| builder).await
    }

    pub(crate) async fn built(
        kind: Kind,
        mut settings: Settings,
        build: impl FnOnce(EngineBuilder) -> EngineBuilder,
    ) -> Self {
        // Payloads have whole seconds: a start between two would be a rare test of its own.
        let seconds = UNIX_EPOCH.elapsed().unwrap().as_secs();
        let now = Arc::new(Mutex::new(UNIX_EPOCH + Duration::from_secs(seconds)));
        let shown = Arc::clone(&now);
        let clock = Clock::new(move || *shown.lock().unwrap());
        let entropy = |bits: &mut [u8]| {
            getrandom::fill(bits).map_err(std::io::Error::other)?;
            trace(bits);
            Ok(())
        };
        let build = |builder: EngineBuilder| build(builder.clock(clock.clone()).entropy(entropy));
        // Loaded machines are slow; what is tested here is not the deadline.
        settings.timeout = settings.timeout.max(Duration::from_secs(20));
        settings.layout = kind.layout();
        let (engine, behind) = match kind {
            Kind::Memory | Kind::DancerInMemory => {
                let watched = Watched::new(clock.clone());
                let builder = build(SessionEngine::builder(settings));
                (
                    builder.with_store(watched.clone()).unwrap(),
                    Behind::Memory(watched),
                )
            }
            Kind::Redis | Kind::DancerInRedis | Kind::WithoutThreads => {
                let server = rights::server(&mut settings);
                let mut builder = build(SessionEngine::builder(settings));
                if kind == Kind::WithoutThreads {
                    builder = builder.without_threads();
                }
                (
                    builder.init().await.unwrap(),
                    Behind::Redis(Box::new(server)),
                )
            }
        };
        Self {
            engine,
            behind,
            now,
        }
    }

    /// The server, in tests that are about Redis alone.
    pub(crate) fn server(&self) -> &RedisServer {
        match &self.behind {
            Behind::Redis(server) => server,
            Behind::Memory(_) => panic!("there is no server behind a store in memory"),
        }
    }

    /// Has another writer store this just before the next replacement. In memory only.
    pub(crate) fn let_another_be_faster(&self, payload: Vec<u8>) {
        match &self.behind {
            Behind::Memory(watched) => watched.let_another_be_faster(payload),
            Behind::Redis(_) => panic!("a server does not wait for that"),
        }
    }

    /// Lets time go by, for the engine and for the store.
    pub(crate) async fn pass(&self, time: Duration) {
        settled().await;
        *self.now.lock().unwrap() += time;
        if let Behind::Redis(server) = &self.behind {
            server.pass_time(time).await;
        }
    }

    /// How many steps (commands) the store has carried out.
    pub(crate) async fn steps(&self) -> u64 {
        settled().await;
        match &self.behind {
            Behind::Memory(watched) => watched.steps(),
            Behind::Redis(server) => server.commands().await.total(),
        }
    }

    /// Everything that is stored.
    pub(crate) async fn all(&self) -> Vec<Stored> {
        settled().await;
        self.all_now().await
    }

    /// The same, without giving touches that are under way the time to arrive.
    pub(crate) async fn all_now(&self) -> Vec<Stored> {
        match &self.behind {
            Behind::Memory(watched) => {
                let all = watched.all().await.into_iter();
                all.map(|(key, payload, left)| Stored {
                    key,
                    payload: String::from_utf8_lossy(&payload).into_owned(),
                    bytes: payload.to_vec(),
                    left: Some(left),
                })
                .collect()
            }
            Behind::Redis(server) => {
                let mut connection = server.connection().await;
                let mut keys = Vec::new();
                for key in server.scan().await {
                    if !is_index(&mut connection, &key).await {
                        keys.push(key);
                    }
                }
                let mut look = redis::pipe();
                for key in &keys {
                    look.cmd("GET").arg(key).cmd("PTTL").arg(key);
                }
                if keys.is_empty() {
                    return Vec::new();
                }
                let seen: Vec<redis::Value> = look.query_async(&mut connection).await.unwrap();
                let pairs = seen
                    .chunks_exact(2)
                    .map(|pair| (bytes(&pair[0]), number(&pair[1])));
                let there = keys.into_iter().zip(pairs);
                // What has expired in between is not there.
                let there = there.filter(|(_, (_, left))| *left != -2);
                there
                    .map(|(key, (payload, left))| Stored {
                        key: String::from_utf8(key).unwrap(),
                        payload: String::from_utf8_lossy(&payload).into_owned(),
                        bytes: payload,
                        left: u64::try_from(left).ok().map(Duration::from_millis),
                    })
                    .collect()
            }
        }
    }

    /// Every index of an owner's sessions, with its members and how long it lives.
    pub(crate) async fn indexes(&self) -> Vec<(String, Vec<String>, Option<Duration>)> {
        settled().await;
        match &self.behind {
            Behind::Memory(watched) => {
                let all = watched.indexes().await.into_iter();
                // An index in memory is nothing but its members, each with an end.
                all.map(|(key, members)| (key, members, Some(SECOND)))
                    .collect()
            }
            Behind::Redis(server) => {
                let mut connection = server.connection().await;
                let mut indexes = Vec::new();
                for key in server.scan().await {
                    if is_index(&mut connection, &key).await {
                        let mut look = redis::pipe();
                        look.cmd("ZRANGE").arg(&key).arg(0).arg(-1);
                        look.cmd("PTTL").arg(&key);
                        let (members, left): (Vec<String>, i64) =
                            look.query_async(&mut connection).await.unwrap();
                        let left = u64::try_from(left).ok().map(Duration::from_millis);
                        indexes.push((String::from_utf8(key).unwrap(), members, left));
                    }
                }
                indexes
            }
        }
    }

    /// The one thing that is stored.
    pub(crate) async fn only(&self) -> Stored {
        let mut all = self.all().await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// Puts a payload under a key, past the engine.
    pub(crate) async fn put(&self, key: &str, payload: impl AsRef<[u8]>) {
        let ttl = Duration::from_secs(900);
        match &self.behind {
            Behind::Memory(watched) => {
                // A key of the Dancer layout is known to the store once it was asked for.
                if !watched.knows(key) {
                    assert!(self.find_id(key).await.is_none());
                }
                watched.put(key, payload.as_ref(), ttl).await;
            }
            Behind::Redis(server) => {
                let mut set = redis::cmd("SET");
                set.arg(key)
                    .arg(payload.as_ref())
                    .arg("PX")
                    .arg(ttl.as_millis() as u64);
                let () = set
                    .query_async(&mut server.connection().await)
                    .await
                    .unwrap();
            }
        }
    }

    /// A stored session with these entries.
    pub(crate) async fn session(&self, entries: &[(&str, u64)]) -> Session {
        let session = self.engine.create().await.unwrap();
        for (name, value) in entries {
            session.set(name, value).unwrap();
        }
        let _ = session.flush().await.unwrap();
        session
    }

    /// The same session, as another request would get it.
    pub(crate) async fn again(&self, session: &Session) -> Session {
        self.find(session).await.expect("the session is there")
    }

    pub(crate) async fn find(&self, session: &Session) -> Option<Session> {
        self.find_id(&id(session)).await
    }

    pub(crate) async fn find_id(&self, id: &str) -> Option<Session> {
        self.engine.retrieve(id).await.unwrap()
    }
}

pub(crate) fn id(session: &Session) -> String {
    // Nearly every test comes by here, also those that make their engines themselves.
    trace(&[]);
    session
        .id()
        .expect("the session has an id")
        .as_str()
        .to_owned()
}

pub(crate) fn get(session: &Session, name: &str) -> Option<u64> {
    session.get(name).unwrap()
}

async fn is_index(connection: &mut redis::aio::MultiplexedConnection, key: &[u8]) -> bool {
    let mut kind = redis::cmd("TYPE");
    kind.arg(key);
    kind.query_async::<String>(connection).await.unwrap() == "zset"
}

fn bytes(value: &redis::Value) -> Vec<u8> {
    match value {
        redis::Value::BulkString(bytes) => bytes.clone(),
        _ => Vec::new(),
    }
}

fn number(value: &redis::Value) -> i64 {
    match value {
        redis::Value::Int(number) => *number,
        other => panic!("{other:?} is no number"),
    }
}

/// Gives what nobody waits for (touches) the time to happen: it is in tasks of this runtime, which
/// run before this one does again, and then takes one round trip.
async fn settled() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
