//! R34: a reply reaches the request that it belongs to, whatever happened to others before it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dancer_session::{Error, Flushed, SessionEngine, Settings};
use testbench::{Dice, Fault, Proxy, RedisServer};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::dropped::after_polls;
use super::scene::{long, seeds};
use crate::bench::id;

const TASKS: u64 = 64;
const SESSIONS: u64 = 64;
/// One piece in so many is held up for longer than `timeout`, and with it all behind it.
const STALLED: u64 = 500;

/// Sessions that each know their own number.
struct Numbered {
    engine: SessionEngine,
    ids: Vec<String>,
    proxy: Proxy,
    /// How requests have ended.
    ends: [AtomicUsize; 5],
    _server: RedisServer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Right,
    /// The reply did not come within the engine's `timeout`.
    Unavailable,
    /// The reply was that of another request.
    Wrong,
    /// Its client went at some point.
    Dropped,
    /// Its client had a shorter timeout.
    TimedOut,
}

impl Numbered {
    async fn new(timeout: Duration) -> Arc<Self> {
        let server = RedisServer::start();
        let proxy = Proxy::to(&server).await;
        let direct = Settings {
            sock: Some(server.sock().to_owned()),
            ..Settings::default()
        };
        let direct = SessionEngine::init(direct).await.unwrap();
        let mut ids = Vec::new();
        for number in 0..SESSIONS {
            let session = direct.anonymous();
            session.set("number", number).unwrap();
            assert_eq!(session.flush().await.unwrap(), Flushed::Created);
            ids.push(id(&session));
        }
        let settings = Settings {
            server: Some(proxy.url()),
            timeout,
            ..Settings::default()
        };
        let engine = loop {
            if let Ok(engine) = SessionEngine::init(settings.clone()).await {
                break engine;
            }
        };
        Arc::new(Self {
            engine,
            ids,
            proxy,
            ends: Default::default(),
            _server: server,
        })
    }

    /// Reads a session, and now and then writes into it and looks again.
    async fn request(&self, number: u64, write: bool) -> End {
        match self.try_request(number, write).await {
            Ok(true) => End::Right,
            Ok(false) => End::Wrong,
            Err(error) if error.is_unavailable() => End::Unavailable,
            // Noticed, but it was there.
            Err(_) => End::Wrong,
        }
    }

    async fn try_request(&self, number: u64, write: bool) -> Result<bool, Error> {
        let Some(session) = self.engine.retrieve(&self.ids[number as usize]).await? else {
            return Ok(false);
        };
        if write {
            session.set("written", number).unwrap();
            if session.flush().await? != Flushed::Stored {
                return Ok(false);
            }
        }
        let written = session.get::<u64>("written")?.unwrap_or(number);
        let shown = session.get::<u64>("number")?;
        Ok(shown == Some(number) && written == number)
    }

    fn note(&self, end: End) {
        self.ends[end as usize].fetch_add(1, Ordering::SeqCst);
    }

    fn counts(&self) -> [(End, usize); 5] {
        use End::{Dropped, Right, TimedOut, Unavailable, Wrong};
        [Right, Unavailable, Wrong, Dropped, TimedOut].map(|end| (end, self.count(end)))
    }

    fn count(&self, end: End) -> usize {
        self.ends[end as usize].load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r34_no_reply_reaches_another_request_when_others_are_dropped_or_late() {
    // One seed: it takes as long as twenty of others.
    let seed = seeds().start;
    let numbered = Numbered::new(Duration::from_millis(150)).await;
    eprintln!("R34: seed {seed}");
    numbered.proxy.seed(seed);
    numbered.proxy.split(true);
    numbered.proxy.jitter(Duration::from_micros(500));
    // Longer than an operation may take.
    let stall = Duration::from_millis(200);
    numbered.proxy.stall(Some((STALLED, stall)));
    let (operations, time) = match long() {
        true => (200_000, Duration::from_secs(180)),
        false => (200_000, Duration::from_secs(10)),
    };
    let each = operations / TASKS;
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let numbered = Arc::clone(&numbered);
        tasks.spawn(async move {
            let mut dice = Dice::new(seed * 1_000 + task);
            for _ in 0..each {
                if begun.elapsed() > time {
                    return;
                }
                let request = numbered.request(dice.below(SESSIONS), dice.percent(10));
                let end = match dice.below(100) {
                    0..20 => after_polls(dice.below(4), request)
                        .await
                        .unwrap_or(End::Dropped),
                    20..24 => {
                        let patience = Duration::from_micros(dice.below(3_000));
                        timeout(patience, request).await.unwrap_or(End::TimedOut)
                    }
                    _ => request.await,
                };
                numbered.note(end);
            }
        });
    }
    tasks.join_all().await;
    let ends = numbered.counts();
    let all: usize = ends.iter().map(|(_, count)| count).sum();
    let timeouts = numbered.count(End::Unavailable) + numbered.count(End::TimedOut);
    let timeouts = 100.0 * timeouts as f64 / all as f64;
    let line = format!(
        "R34, seed {seed}: {all} operations of {operations} in {:.0?}: {ends:?}, {timeouts:.1} % \
             ended by a timeout",
        begun.elapsed()
    );
    eprintln!("{line}");
    assert_eq!(numbered.count(End::Wrong), 0, "{line}");
    for end in [End::Right, End::Unavailable, End::Dropped, End::TimedOut] {
        assert!(numbered.count(end) > 50, "{line}");
    }
    assert!((2.0..12.0).contains(&timeouts), "{line}");
    assert!(!long() || all as u64 == each * TASKS, "{line}");
}

/// A server, or what stands before it, that does not keep to the protocol. What is wrong is an
/// error, and a moment later all is well again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r34_replies_that_are_broken_are_errors_and_end_their_connection() {
    let faults = [
        Fault::Malform,
        Fault::CutReply(5),
        Fault::Duplicate,
        Fault::Extra(b"$5\r\nextra\r\n"),
        Fault::Extra(b":1\r\n"),
        Fault::Extra(b"+OK\r\n"),
        Fault::Extra(b"-ERR extra\r\n"),
    ];
    let mut seen = BTreeMap::new();
    for fault in faults {
        let numbered = Numbered::new(Duration::from_secs(5)).await;
        // Requests that follow each other closely, so that a reply too much is taken for another's.
        numbered.proxy.delay(Duration::from_millis(5));
        let count = AtomicUsize::new(0);
        let every_20th = move |_: &[u8]| count.fetch_add(1, Ordering::SeqCst) % 20 == 19;
        numbered.proxy.disturb(fault, every_20th, 5);
        let mut wrong = 0;
        for round in 0..40 {
            let requests = (0..8).map(|number| {
                let numbered = Arc::clone(&numbered);
                tokio::spawn(async move {
                    // Each on its own: what comes in one piece has one fate.
                    sleep(Duration::from_millis(number)).await;
                    numbered.request((round + number) % SESSIONS, false).await
                })
            });
            for request in requests.collect::<Vec<_>>() {
                wrong += usize::from(request.await.unwrap() == End::Wrong);
            }
        }
        assert_eq!(numbered.proxy.hits(), 5, "{fault:?}");
        numbered.proxy.delay(Duration::ZERO);
        for number in 0..SESSIONS {
            let end = numbered.request(number, false).await;
            assert_eq!(end, End::Right, "{fault:?}: afterwards all is well");
        }
        seen.insert(format!("{fault:?}"), wrong);
    }
    eprintln!("R34, replies that were noticed to be another's: {seen:?}");
}
