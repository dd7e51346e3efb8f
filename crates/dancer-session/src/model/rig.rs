//! The real engine, on a store that is looked into after every step.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::broken::{Broken, Fault};
use super::faulty::{Faulty, Net};
use super::step::{Outcome, Step, Which};
use super::world::{EXPIRE, Entries, GRACE, LIFETIME, Number, TIMEOUT, World};
use crate::id::Mark;
use crate::layout::{Codec, Content, Key};
use crate::store::ErasedStore;
use crate::{Clock, Layout, Session, SessionEngine, SessionId, Settings};

pub(super) struct Rig {
    pub(super) engine: SessionEngine,
    codec: Codec,
    store: Arc<dyn ErasedStore>,
    net: Arc<Mutex<Net>>,
    pub(super) now: Arc<AtomicU64>,
    pub(super) made: Arc<Made>,
    ids: Mutex<Vec<Arc<Issued>>>,
}

/// An id that was made, and its key.
pub(super) struct Issued {
    pub(super) id: SessionId,
    pub(super) key: Key,
}

/// How many ids and marks were made. They are numbers here, so that each run is like the one before.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) ids: AtomicU64,
    pub(super) marks: AtomicU64,
}

/// What stands under a key.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) there: There,
    pub(super) left: Duration,
}

#[derive(Debug)]
pub(super) enum There {
    Session {
        entries: Entries,
        created: u64,
        mark: Mark,
    },
    Stub {
        until: u64,
        mark: Mark,
    },
}

/// All that is stored under ids that were made, and how many sessions the owner is shown.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) keys: BTreeMap<Number, Seen>,
    pub(super) owned: usize,
}

/// Whose the sessions are.
pub(super) const OWNER: &str = "anna";

/// The time at which every run begins, in seconds since 1970.
pub(super) const START: u64 = 1_000_000;

impl Rig {
    pub(super) fn settings(layout: Layout) -> Settings {
        Settings {
            layout,
            expire: Duration::from_secs(EXPIRE),
            lifetime: Some(Duration::from_secs(LIFETIME)),
            renew_grace: Duration::from_secs(GRACE),
            timeout: Duration::from_secs(TIMEOUT),
            ..Settings::default()
        }
    }

    /// A clock that a run turns.
    pub(super) fn clock() -> (Arc<AtomicU64>, Clock) {
        let now = Arc::new(AtomicU64::new(START));
        let shown = Arc::clone(&now);
        let clock = move || -> SystemTime {
            UNIX_EPOCH + Duration::from_secs(shown.load(Ordering::Relaxed))
        };
        (now, Clock::new(clock))
    }

    pub(super) fn new(
        store: Arc<dyn ErasedStore>,
        layout: Layout,
        fault: Option<Fault>,
        (now, clock): (Arc<AtomicU64>, Clock),
    ) -> Self {
        let made = Arc::new(Made::default());
        let making = Arc::clone(&made);
        let settings = Self::settings(layout);
        let codec = Codec::new(&settings);
        let builder = SessionEngine::builder(settings).clock(clock);
        let builder = builder.entropy(move |bits| {
            making.fill(bits);
            Ok(())
        });
        let net = Arc::default();
        let faulty = Faulty::new(Arc::clone(&store), Arc::clone(&net));
        let engine = match fault {
            None => builder.with_store(faulty),
            Some(fault) => builder.with_store(Broken {
                store: faulty,
                fault,
            }),
        };
        Self {
            engine: engine.expect("the settings can be used"),
            codec,
            store,
            net,
            now,
            made,
            ids: Mutex::default(),
        }
    }

    /// Carries out one step; the model says which value is set next, and which ids there are.
    pub(super) async fn run(
        &self,
        step: Step,
        before: &World,
        requests: &mut [Option<Session>; 3],
    ) -> Outcome {
        let done = |result: Result<(), crate::Error>| {
            result.expect("a call without I/O does not fail");
            Outcome::Done
        };
        let hand = step.who().and_then(|who| requests[who].as_ref());
        let held = || hand.expect("the request has a session in hand");
        match step {
            Step::Retrieve(who, which) => {
                let (session, outcome) = self.retrieve(before.number(which)).await;
                requests[who] = Some(session);
                outcome
            }
            Step::Set(_, name) => done(held().set(name, before.token)),
            Step::Update(_) => {
                done(held().update("n", |count: Option<u64>| count.unwrap_or(0) + 1))
            }
            Step::LogIn(_) => {
                done(held().log_in());
                done(held().set_owner(OWNER));
                done(held().set("user", before.token))
            }
            Step::Renew(_) => {
                held().renew();
                Outcome::Done
            }
            Step::Destroy(_) => {
                held().destroy();
                Outcome::Done
            }
            Step::Flush(_, net) => self.flush(held(), net).await,
            Step::Touch => self.retrieve(before.number(Which::Newest)).await.1,
            Step::DestroyAll => {
                let ended = self.engine.destroy_all(OWNER).await;
                Outcome::All(ended.expect("the store is well"))
            }
            Step::Wait(seconds) => {
                self.now.fetch_add(seconds, Ordering::Relaxed);
                Outcome::Done
            }
        }
    }

    async fn retrieve(&self, number: Number) -> (Session, Outcome) {
        let issued = self.issued(number);
        let found = self.engine.retrieve(issued.id.as_str()).await;
        match found.expect("the store is well") {
            None => (self.engine.anonymous(), Outcome::Missing),
            Some(session) if session.is_ended() => (session, Outcome::Ended),
            Some(session) => (session, Outcome::Found),
        }
    }

    async fn flush(&self, session: &Session, net: Net) -> Outcome {
        let set = |net| *self.net.lock().unwrap_or_else(PoisonError::into_inner) = net;
        set(net);
        let flushed = session.flush().await;
        set(Net::Well);
        match flushed {
            Ok(flushed) => Outcome::Flushed(flushed),
            Err(error) if error.is_unknown() => Outcome::Unknown,
            Err(error) if error.is_unavailable() => Outcome::NotApplied,
            Err(error) => panic!("no flush here fails like that: {error:?}"),
        }
    }

    /// What stands under each id that was made since `first`. Past faults, past the engine.
    pub(super) async fn look(&self, first: Number) -> Look {
        let mut keys = BTreeMap::new();
        for number in first..self.made.ids.load(Ordering::Relaxed) as Number {
            if let Some((payload, left)) = self.peek(number).await {
                let key = &self.issued(number).key;
                let now = self.engine_now();
                let content = self.codec.decode(key, &payload, now);
                let there = match content.expect("what the engine writes can be read") {
                    Content::Session(document) => There::Session {
                        entries: numbers(&document.entries),
                        created: document.created.seconds(),
                        mark: document.mark,
                    },
                    Content::Stub(stub) => There::Stub {
                        until: stub.ends.seconds(),
                        mark: stub.mark,
                    },
                    Content::Foreign => panic!("a payload under another key than its own"),
                };
                keys.insert(number, Seen { there, left });
            }
        }
        let owned = self.engine.sessions_of(OWNER).await;
        let owned = owned.expect("the store is well").len();
        Look { keys, owned }
    }

    /// The bytes under one id, and how long they have left.
    pub(super) async fn peek(&self, number: Number) -> Option<(bytes::Bytes, Duration)> {
        let issued = self.issued(number);
        let found = self.store.peek(&issued.key, self.soon()).await;
        found.expect("the store is well")
    }

    /// Lets a key live for so long from now on, past the engine.
    pub(super) async fn touch(&self, key: &Key, ttl: Duration) {
        let touched = self.store.touch(key, ttl, self.soon()).await;
        let _ = touched.expect("the store is well");
    }

    fn soon(&self) -> Instant {
        Instant::now() + Duration::from_secs(TIMEOUT)
    }

    fn engine_now(&self) -> crate::lifetime::Moment {
        crate::lifetime::Moment::from_seconds(self.now.load(Ordering::Relaxed))
    }

    /// The id with this number, as the engine made it.
    pub(super) fn issued(&self, number: Number) -> Arc<Issued> {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        while ids.len() <= number {
            let id = SessionId::generate(&Made::numbered(ids.len()), self.codec.layout)
                .expect("these random bits never fail");
            let key = self.codec.key(&id);
            ids.push(Arc::new(Issued { id, key }));
        }
        Arc::clone(&ids[number])
    }

    /// The number of an id.
    pub(super) fn number(&self, id: &SessionId) -> Option<Number> {
        let ids = self.made.ids.load(Ordering::Relaxed) as Number;
        (0..ids).find(|number| self.issued(*number).id.as_str() == id.as_str())
    }
}

impl Made {
    fn fill(&self, bits: &mut [u8]) {
        // An id has 32 bytes, or 40 digits.
        let counter = if bits.len() < 32 {
            &self.marks
        } else {
            &self.ids
        };
        let number = counter.fetch_add(1, Ordering::Relaxed);
        write(number, bits);
    }

    fn numbered(number: Number) -> crate::id::Entropy {
        crate::id::Entropy::new(move |bits| {
            write(number as u64, bits);
            Ok(())
        })
    }
}

/// Decimal digits of small numbers are fair bytes in either layout.
fn write(mut number: u64, bits: &mut [u8]) {
    for byte in bits.iter_mut().rev() {
        *byte = (number % 10) as u8;
        number /= 10;
    }
}

/// The entries that steps set. Anything else would be a stranger's.
const NAMES: [&str; 5] = ["a", "b", "n", "user", "logged_in_at"];

pub(super) fn numbers(entries: &crate::layout::Entries) -> Entries {
    let known = NAMES.iter().filter_map(|name| {
        let value = entries.get::<u64>(name).expect("steps set numbers");
        value.map(|value| (*name, value))
    });
    let known: Entries = known.collect();
    assert_eq!(known.len(), entries.len(), "an entry that no step has set");
    known
}

/// Runs what never waits: everything does, on a store in memory.
pub(super) fn at_once<F: Future>(work: F) -> F::Output {
    let mut work = std::pin::pin!(work);
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("on a store in memory nothing waits"),
    }
}
