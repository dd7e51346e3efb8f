//! An outage, for many requests at once (R32): what is bounded is the work that it makes.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dancer_session::{SessionEngine, Settings};
use testbench::{RedisServer, Say, Substitute};
use tokio::task::JoinSet;

use super::init;
use crate::bench::id;
use crate::told::Events;

/// Many times as long as the pauses between two probes.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server, what stands in its place, an engine on that, and the id of a session.
struct Bench {
    substitute: Substitute,
    engine: SessionEngine,
    id: String,
    _server: RedisServer,
}

impl Bench {
    async fn new(timeout: Duration) -> Self {
        let server = RedisServer::start();
        let substitute = Substitute::of(&server).await;
        let settings = Settings {
            server: Some(substitute.url()),
            timeout,
            ..Settings::default()
        };
        let engine = init(settings).await.unwrap();
        let id = id(&engine.create().await.unwrap());
        Self {
            substitute,
            engine,
            id,
            _server: server,
        }
    }

    async fn works(&self) -> bool {
        let found = self.engine.retrieve(&self.id).await;
        found.is_ok_and(|found| found.is_some())
    }

    /// Has all commands meet this, and waits until nobody waits for the server any more.
    async fn until_it_is_open(&self, say: Say) {
        self.substitute.rule(move |_| say.clone());
        let open = async || {
            let error = self.engine.retrieve(&self.id).await.unwrap_err();
            error.to_string().contains("not asked again yet")
        };
        for _ in 0..100 {
            if open().await {
                return;
            }
        }
        panic!("a hundred calls have waited for a server that is not there");
    }
}

/// How much of a processor this process has used so far.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    // The process's own time and the kernel's for it, in hundredths of a second.
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

/// The same future, and how often it was woken.
async fn counted<F: Future>(work: F, wakings: Arc<AtomicUsize>) -> F::Output {
    let mut work = Box::pin(work);
    std::future::poll_fn(move |context| {
        wakings.fetch_add(1, Ordering::Relaxed);
        work.as_mut().poll(context)
    })
    .await
}

const WAITING: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_an_outage_with_two_hundred_waiting_requests_costs_next_to_nothing() {
    // A server that is frozen, and one whose port is closed.
    for (say, most_attempts) in [(Say::Nothing, 8), (Say::HangUp, 80)] {
        let timeout = Duration::from_secs(3);
        let bench = Bench::new(timeout).await;
        let what = format!("{say:?}");
        bench.substitute.rule(move |_| say.clone());
        let before = bench.substitute.connections();
        let (begun, processor) = (Instant::now(), processor_time());
        let wakings = Arc::new(AtomicUsize::new(0));
        let mut requests = JoinSet::new();
        for _ in 0..WAITING {
            let (engine, id) = (bench.engine.clone(), bench.id.clone());
            let request = async move { engine.retrieve(&id).await.map(drop) };
            requests.spawn(counted(request, Arc::clone(&wakings)));
        }
        while let Some(outcome) = requests.join_next().await {
            assert!(outcome.unwrap().unwrap_err().is_unavailable(), "{what}");
        }
        let (took, processor) = (begun.elapsed(), processor_time() - processor);
        let attempts = bench.substitute.connections() - before;
        let wakings = wakings.load(Ordering::Relaxed);
        println!(
            "{what}: {WAITING} requests waited {took:.1?}, {processor:?} of processor time, \
             {attempts} attempts to connect, {wakings} wakings"
        );
        assert!(took < 2 * timeout, "{what}: {took:?}");
        assert!((1..most_attempts).contains(&attempts), "{what}: {attempts}");
        assert!(wakings < 10 * WAITING, "{what}: {wakings}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_after_a_while_calls_fail_at_once_and_the_end_is_noticed_without_them() {
    for say in [Say::HangUp, Say::Nothing] {
        let bench = Bench::new(Duration::from_millis(200)).await;
        let what = format!("{say:?}");
        bench.until_it_is_open(say).await;
        let (before, begun) = (bench.substitute.connections(), Instant::now());
        for _ in 0..1_000 {
            assert!(!bench.works().await, "{what}");
        }
        // The probes that are due anyway, however long a loaded machine takes for these calls.
        let due = 3 + begun.elapsed().as_millis() / 100;
        let attempts = bench.substitute.connections() - before;
        assert!(attempts as u128 <= due, "{what}: {attempts} attempts");

        bench.substitute.rule(|_| Say::Pass);
        let healed = Instant::now();
        let probed = bench.substitute.connections();
        // One that had connected just before, and asks only now, is the last: so not for ever. The call
        // below probes nothing: it fails if nobody has.
        while bench.substitute.connections() == probed && healed.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        println!("{what}: probed {:.0?} after the end", healed.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(bench.works().await, "{what}: the first call after that");
    }
}

#[tokio::test]
async fn r32_an_outage_is_told_once_and_so_is_its_end() {
    let bench = Bench::new(Duration::from_millis(100)).await;
    let events = Events::default();
    let guard = events.listen();
    bench.until_it_is_open(Say::HangUp).await;
    for _ in 0..50 {
        assert!(!bench.works().await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench.substitute.rule(|_| Say::Pass);
    while !bench.works().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(bench.works().await);
    drop(guard);
    let told = events.0.lock().unwrap().clone();
    let of = |event: &str| told.iter().filter(|line| line.contains(event)).count();
    assert_eq!(of("redis_unavailable"), 1, "{told:?}");
    assert_eq!(of("redis_available"), 1, "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_what_is_in_flight_is_bounded() {
    const MOST: usize = 4096;
    const MORE: usize = 100;
    let bench = Bench::new(Duration::from_secs(60)).await;
    bench.substitute.rule(|_| Say::Nothing);
    let mut requests = JoinSet::new();
    for _ in 0..MOST + MORE {
        let (engine, id) = (bench.engine.clone(), bench.id.clone());
        requests.spawn(async move { engine.retrieve(&id).await.map(drop) });
    }
    for _ in 0..MORE {
        let outcome = requests.join_next().await.unwrap().unwrap();
        let error = outcome.unwrap_err();
        assert!(error.is_unavailable() && !error.is_unknown());
        assert!(error.to_string().contains("too many"), "{error}");
    }
    // Requests that are dropped make room.
    requests.shutdown().await;
    let next = bench.engine.retrieve(&bench.id);
    let waits = tokio::time::timeout(Duration::from_millis(100), next);
    assert!(waits.await.is_err(), "it waits, too");
}

/// Whoever tries again counts once, whether it waits for that or uses the connection: three thousand are
/// within the bound of four thousand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_who_tries_again_is_not_counted_twice() {
    const MANY: usize = 3_000;
    let bench = Bench::new(Duration::from_secs(60)).await;
    let (loading, refused) = (
        "LOADING still reading the disk",
        Arc::new(AtomicUsize::new(0)),
    );
    let counted = Arc::clone(&refused);
    // Each is refused twice on average, and so most try again at one time.
    bench
        .substitute
        .rule(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
            0..6_000 => Say::Line(format!("-{loading}")),
            _ => Say::Pass,
        });
    let mut requests = JoinSet::new();
    for _ in 0..MANY {
        let (engine, id) = (bench.engine.clone(), bench.id.clone());
        requests.spawn(async move { engine.retrieve(&id).await.map(|found| found.is_some()) });
    }
    while let Some(outcome) = requests.join_next().await {
        let found = outcome.unwrap();
        assert!(matches!(found, Ok(true)), "{found:?}");
    }
    assert!(
        refused.load(Ordering::SeqCst) > 6_000,
        "they have tried again"
    );
}

/// How many connections are made when these become of the next commands `GETEX`, one after the
/// other, and the last request gets its reply.
async fn after_late_replies(timeout: Duration, replies: &'static [u64]) -> usize {
    let bench = Arc::new(Bench::new(timeout).await);
    let asked = AtomicUsize::new(0);
    bench.substitute.rule(move |command| {
        if command[0] != "GETEX" {
            return Say::Pass;
        }
        match replies.get(asked.fetch_add(1, Ordering::SeqCst)) {
            Some(delay) => Say::After(Duration::from_millis(*delay)),
            None => Say::Pass,
        }
    });
    let before = bench.substitute.connections();
    let mut requests = JoinSet::new();
    for _ in replies {
        let bench = Arc::clone(&bench);
        requests.spawn(async move { bench.works().await });
        // In this order.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut late = 0;
    while let Some(works) = requests.join_next().await {
        late += usize::from(!works.unwrap());
    }
    assert!(late > 0, "none was late");
    assert!(bench.works().await, "a late reply is not another's");
    bench.substitute.connections() - before
}

/// A server that is too slow for all that it is asked gets no new connections on top of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_a_connection_that_answers_others_is_not_given_up() {
    let timeout = Duration::from_millis(1_200);
    assert_eq!(after_late_replies(timeout, &[700, 1_000]).await, 0);
    // But one that answers nobody is.
    assert_eq!(after_late_replies(timeout, &[1_900]).await, 1);
}

/// Nor is one by who had no time for it, because it had to be made first: or on a slow line nobody
/// would ever get a reply.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_a_connection_is_not_given_up_by_who_had_no_time_for_it() {
    for _ in 0..50 {
        let bench = Bench::new(Duration::from_millis(500)).await;
        let asked = AtomicUsize::new(0);
        bench.substitute.rule(move |command| match &*command[0] {
            "PING" => Say::After(Duration::from_millis(280)),
            "GETEX" if asked.fetch_add(1, Ordering::SeqCst) == 0 => Say::HangUp,
            "GETEX" => Say::After(Duration::from_millis(300)),
            _ => Say::Pass,
        });
        let error = bench.engine.retrieve(&bench.id).await.unwrap_err();
        if !error.to_string().contains("no reply in time") {
            // The machine was too slow even for the connection.
            continue;
        }
        let connections = bench.substitute.connections();
        bench.substitute.rule(|_| Say::Pass);
        assert!(bench.works().await);
        assert_eq!(bench.substitute.connections(), connections);
        return;
    }
    panic!("in fifty tries nobody got a connection late");
}
