//! How often the work of a request asks for memory: each time costs some 240 instructions, with giving it
//! back, and more where threads give back what others have taken.

use dancer_session::{Flushed, SessionEngine, Settings};
use tokio::runtime::Builder;

use crate::bench::{Bench, Kind, id};

const TIMES: u32 = 200;
/// As many as the sessions of the benchmark have.
const ENTRIES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "last"];

/// Checks that `work` asks for memory at most so often, on average, on a stored session of seven
/// entries; the connection's part included, because all happens in one thread.
fn check<F: Future<Output = ()>>(
    settings: Settings,
    most: u32,
    work: impl Fn(SessionEngine, String) -> F,
) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (bench, id) = runtime.block_on(async {
        let bench = Bench::with(Kind::Redis, settings).await;
        let entries = ENTRIES.map(|name| (name, 1));
        let id = id(&bench.session(&entries).await);
        (bench, id)
    });
    let times = |times: u32| {
        runtime.block_on(async {
            for _ in 0..times {
                work(bench.engine.clone(), id.clone()).await;
            }
        });
    };
    // What is asked for once: scripts, room for replies.
    times(TIMES);
    let asked = allocation_counter::measure(|| times(TIMES));
    // The id is the test's own. And now and then something has to grow.
    let each = asked.count_total as f64 / f64::from(TIMES) - 1.0;
    assert!(each < f64::from(most) + 0.5, "{each} instead of {most}");
    eprintln!("{each} times, at most {most}");
}

#[test]
fn a_read_asks_eight_times() {
    check(Settings::default(), 8, |engine, id| async move {
        let session = engine.retrieve(&id).await.unwrap().unwrap();
        assert_eq!(session.get::<u64>("last").unwrap(), Some(1));
    });
}

#[test]
fn a_read_from_the_cache_asks_twice() {
    let settings = Settings {
        cache: 100,
        ..Settings::default()
    };
    check(settings, 2, |engine, id| async move {
        let session = engine.retrieve(&id).await.unwrap().unwrap();
        assert_eq!(session.get::<u64>("last").unwrap(), Some(1));
    });
}

#[test]
fn a_read_and_a_change_ask_fifteen_times() {
    check(Settings::default(), 15, |engine, id| async move {
        let session = engine.retrieve(&id).await.unwrap().unwrap();
        session.set("last", 1).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    });
}

#[test]
fn a_new_session_asks_twenty_six_times() {
    check(Settings::default(), 26, |engine, _| async move {
        let session = engine.anonymous();
        for name in ENTRIES {
            session.set(name, 1).unwrap();
        }
        assert_eq!(session.flush().await.unwrap(), Flushed::Created);
    });
}
