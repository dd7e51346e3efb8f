//! The checker is checked: engines on stores that are broken on purpose must be caught.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dancer_session::{
    Create, Enlistment, Error, Key, RedisStore, Renew, Renewal, Replace, Retrieved, SessionEngine,
    Settings, Store, Touch,
};
use redis::aio::MultiplexedConnection;
use testbench::{Fault, Proxy, RedisServer};
use tokio::time::sleep;

use super::load::{Plan, TIMEOUT};
use super::scene::Scene;

/// What a store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// Reads, and later writes all of what it has made of that.
    BlindSet,
    /// When there is no reply it does the same once more, whatever is there by then.
    BlindRetry,
    /// A change whose reply was lost is reported as not applied.
    Denial,
    /// Destroys without waiting for the answer.
    FireAndForget,
    /// Gives one request the reply that another one should have got.
    Crossing,
    /// Creates without an expiry.
    Immortal,
}

struct Broken {
    store: Arc<RedisStore>,
    /// Past the proxy.
    direct: MultiplexedConnection,
    wrong: Wrong,
    /// What was read last, whosoever it is.
    last: Mutex<Option<Bytes>>,
}

impl Broken {
    /// Stores a payload over whatever there is.
    async fn set(&self, key: &Key, payload: &[u8], ttl: Option<Duration>) {
        let mut set = redis::cmd("SET");
        set.arg(key.as_str()).arg(payload);
        match ttl {
            Some(ttl) => set.arg("PX").arg(ttl.as_millis() as u64),
            None => set.arg("KEEPTTL"),
        };
        let mut direct = self.direct.clone();
        let () = set.query_async(&mut direct).await.unwrap();
    }

    /// Now and then the payload that was read before this one, with the binding of this key.
    fn cross(&self, key: &Key, payload: Bytes) -> Bytes {
        let mut last = self.last.lock().unwrap();
        let before = last.replace(payload.clone()).unwrap_or(payload);
        let text = String::from_utf8(before.to_vec()).unwrap();
        // {"k":"xxxxxxxx",…
        let bound = format!("{}{}{}", &text[..6], key.fingerprint(), &text[14..]);
        bound.into_bytes().into()
    }
}

/// What only stubs have.
const STUB: &[u8] = b"\"x\":";

fn is_stub(payload: &[u8]) -> bool {
    payload.windows(STUB.len()).any(|part| part == STUB)
}

impl Store for Broken {
    async fn retrieve(
        &self,
        key: &Key,
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Option<Retrieved>, Error> {
        let found = self.store.retrieve(key, ttl, by).await?;
        Ok(found.map(|read| match self.wrong {
            Wrong::Crossing => Retrieved {
                payload: self.cross(key, read.payload),
                ..read
            },
            _ => read,
        }))
    }

    async fn peek(&self, key: &Key, by: Instant) -> Result<Option<(Bytes, Duration)>, Error> {
        self.store.peek(key, by).await
    }

    async fn create(
        &self,
        key: &Key,
        payload: &[u8],
        ttl: Duration,
        by: Instant,
    ) -> Result<Create, Error> {
        let created = self.store.create(key, payload, ttl, by).await?;
        if self.wrong == Wrong::Immortal {
            let persist = redis::cmd("PERSIST").arg(key.as_str()).to_owned();
            let _: u64 = persist.query_async(&mut self.direct.clone()).await.unwrap();
        }
        Ok(created)
    }

    async fn replace(
        &self,
        key: &Key,
        read: &[u8],
        payload: &[u8],
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Replace, Error> {
        if self.wrong == Wrong::BlindSet {
            self.set(key, payload, ttl).await;
            return Ok(Replace::Replaced);
        }
        if self.wrong == Wrong::FireAndForget && is_stub(payload) {
            let (store, key) = (Arc::clone(&self.store), key.clone());
            let (read, stub) = (read.to_vec(), payload.to_vec());
            tokio::spawn(async move { drop(store.replace(&key, &read, &stub, ttl, by).await) });
            return Ok(Replace::Gone);
        }
        match self.store.replace(key, read, payload, ttl, by).await {
            Err(error) if error.is_unknown() && self.wrong == Wrong::BlindRetry => {
                // Others go on meanwhile, as they would while a connection is made.
                sleep(Duration::from_millis(50)).await;
                self.set(key, payload, ttl).await;
                Ok(Replace::Replaced)
            }
            Err(error) if self.wrong == Wrong::Denial => Err(Error::not_applied(error.to_string())),
            answer => answer,
        }
    }

    async fn renew(&self, renewal: Renewal<'_>, by: Instant) -> Result<Renew, Error> {
        self.store.renew(renewal, by).await
    }

    async fn touch(&self, key: &Key, ttl: Duration, by: Instant) -> Result<Touch, Error> {
        self.store.touch(key, ttl, by).await
    }

    async fn look(&self, keys: &[Key], by: Instant) -> Result<Vec<Option<Bytes>>, Error> {
        self.store.look(keys, by).await
    }

    async fn enlist(&self, enlistment: Enlistment<'_>, by: Instant) -> Result<Vec<String>, Error> {
        self.store.enlist(enlistment, by).await
    }

    async fn delist(&self, index: &Key, member: &str, by: Instant) -> Result<(), Error> {
        self.store.delist(index, member, by).await
    }

    async fn members(&self, index: &Key, by: Instant) -> Result<Vec<String>, Error> {
        self.store.members(index, by).await
    }

    fn place(&self) -> String {
        self.store.place()
    }
}

/// The invariants that a load with lost replies and a network that goes away finds broken.
async fn breaches(wrong: Option<Wrong>, seed: u64) -> BTreeSet<u8> {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server).await;
    let settings = Settings {
        server: Some(proxy.url()),
        timeout: TIMEOUT,
        ..Settings::default()
    };
    let mut engines = Vec::new();
    for _ in 0..2 {
        let builder = SessionEngine::builder(settings.clone());
        engines.push(match wrong {
            None => builder.init().await.unwrap(),
            Some(wrong) => {
                let store = Broken {
                    store: Arc::new(RedisStore::connect(&settings).await.unwrap()),
                    direct: server.connection().await,
                    wrong,
                    last: Mutex::default(),
                };
                builder.with_store(store).unwrap()
            }
        });
    }
    // Few sessions and a slow line, so that clients meet.
    let plan = Plan {
        browsers: 8,
        pause: Duration::from_millis(3),
        ..Plan::default()
    };
    let scene = Scene::on("self-test", seed, server, proxy, engines, plan);
    scene.proxy.jitter(Duration::from_millis(4));
    let asked = AtomicU64::new(0);
    let every = move |word: &'static [u8], so_many: u64| {
        move |request: &[u8]| {
            let picked = request.windows(word.len()).any(|part| part == word);
            picked && asked.fetch_add(1, Ordering::SeqCst) % so_many == so_many - 1
        }
    };
    match wrong {
        Some(Wrong::FireAndForget) => {
            let destroys = every(STUB, 2);
            scene
                .proxy
                .disturb(Fault::CutRequest(20), destroys, usize::MAX);
        }
        _ => {
            let changes = every(b"EVALSHA", 20);
            scene.proxy.disturb(Fault::LoseReply, changes, usize::MAX);
        }
    }
    let report = scene.run(
        async |scene| scene.proxy.refuse(true),
        async |scene| scene.proxy.refuse(false),
    );
    let breaches = report.await.breaches;
    let invariants = breaches.iter().map(|breach| breach.invariant).collect();
    eprintln!("{wrong:?}: {} breaches of {invariants:?}", breaches.len());
    invariants
}

/// Runs the load, with one seed after the other, until what is wrong was found: it takes chance to
/// meet at the wrong moment, but a minute is enough.
async fn caught(wrong: Wrong, wanted: &[u8]) {
    let wanted: BTreeSet<u8> = wanted.iter().copied().collect();
    let mut found = BTreeSet::new();
    for seed in 1..=12 {
        found.extend(breaches(Some(wrong), seed).await);
        if found.is_superset(&wanted) {
            return;
        }
    }
    panic!("{wrong:?} breaks {wanted:?}, and only {found:?} was noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_checker_catches_engines_that_are_broken() {
    // Side by side: they mostly wait.
    let (honest, ..) = tokio::join!(
        breaches(None, 1),
        caught(Wrong::BlindSet, &[1, 4]),
        caught(Wrong::BlindRetry, &[1]),
        caught(Wrong::Denial, &[2]),
        caught(Wrong::FireAndForget, &[4]),
        caught(Wrong::Crossing, &[5]),
        caught(Wrong::Immortal, &[6]),
    );
    assert_eq!(honest, BTreeSet::new(), "and ours is not");
}
