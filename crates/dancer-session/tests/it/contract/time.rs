//! Time: the idle limit, the absolute limit, and no key without an end.

use std::time::{Duration, Instant};

use dancer_session::{Flushed, Layout, Settings};

use crate::bench::{Bench, Kind, SECOND, Stored, get, id};

for_every_store! {
    r14_every_key_has_an_expiry
    r15_the_idle_limit_is_exact_and_every_use_extends
    r15_a_flush_extends_unless_a_use_has_just_done_so
    r15_flushes_one_after_the_other_extend
    r15_for_real_with_two_seconds
    r15_for_real_at_the_limit
    r16_for_real_with_two_seconds
    r16_no_use_extends_beyond_the_absolute_limit
    r16_renew_and_conflicts_keep_the_absolute_limit
    r16_a_session_past_its_limit_is_ended_though_its_key_lives
    r16_time_left_is_the_smaller_of_both_limits
    rule_4_11_with_an_interval_reads_extend_rarely
    rule_4_11_a_read_near_the_limit_sets_the_deadline_back
}

fn limits(expire: u64, lifetime: Option<u64>) -> Settings {
    Settings {
        expire: Duration::from_secs(expire),
        lifetime: lifetime.map(Duration::from_secs),
        ..Settings::default()
    }
}

fn left(stored: &Stored) -> Duration {
    stored
        .left
        .unwrap_or_else(|| panic!("{} never expires", stored.key))
}

async fn r14_every_key_has_an_expiry(kind: Kind) {
    let bench = Bench::with(kind, limits(900, None)).await;
    let created = bench.engine.create().await.unwrap();
    let flushed = bench.session(&[("a", 1)]).await;
    let renewed = bench.session(&[("a", 1)]).await;
    renewed.renew();
    assert_eq!(renewed.flush().await.unwrap(), Flushed::Renewed);
    let destroyed = bench.session(&[("a", 1)]).await;
    destroyed.destroy();
    assert_eq!(destroyed.flush().await.unwrap(), Flushed::Destroyed);
    for session in [&created, &flushed, &renewed] {
        let _ = bench.again(session).await;
    }
    let all = bench.all().await;
    assert_eq!(all.len(), 5);
    for stored in &all {
        assert!(left(stored) <= 900 * SECOND, "{stored:?}");
        assert!(left(stored) > 10 * SECOND, "{stored:?}");
    }
}

async fn r15_the_idle_limit_is_exact_and_every_use_extends(kind: Kind) {
    let bench = Bench::with(kind, limits(60, None)).await;
    let session = bench.session(&[("a", 1)]).await;
    for _ in 0..3 {
        bench.pass(59 * SECOND).await;
        let _ = bench.again(&session).await;
    }
    bench.pass(59 * SECOND).await;
    session.set("a", 2).unwrap();
    assert_eq!(
        session.flush().await.unwrap(),
        Flushed::Stored,
        "a flush extends too"
    );
    bench.pass(59 * SECOND).await;
    let _ = bench.again(&session).await;
    bench.pass(60 * SECOND).await;
    assert!(bench.find(&session).await.is_none());
}

/// A flush within 50 ms of its retrieve, or within a thousandth of the idle limit, is the same use: what
/// that moves an end by, nobody notices. In the Dancer layout a retrieve is not known to have extended.
async fn r15_a_flush_extends_unless_a_use_has_just_done_so(kind: Kind) {
    let ms = Duration::from_millis;
    for (expire, pause, extends) in [
        (900, ms(50), false),
        (900, ms(51), true),
        (900, ms(20_000), true),
        (10, ms(10), false),
        (10, ms(11), true),
    ] {
        let bench = Bench::with(kind, limits(expire, None)).await;
        let extends = extends || kind.layout() == Layout::Dancer;
        let session = bench.session(&[("a", 1)]).await;
        bench.pass(SECOND).await;
        let session = bench.again(&session).await;
        bench.pass(pause).await;
        session.set("a", 2).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        let left = left(&bench.only().await);
        let (all, what) = (
            Duration::from_secs(expire),
            format!("{expire} {pause:?}: {left:?}"),
        );
        match (kind.is_redis(), extends) {
            (false, true) => assert_eq!(left, all, "{what}"),
            (false, false) => assert_eq!(left, all - pause, "{what}"),
            // Here time also goes by of its own accord.
            (true, true) => assert!(left > all - pause.max(5 * SECOND), "{what}"),
            (true, false) => assert!(left <= all - pause, "{what}"),
        }
    }
}

/// However near to each other: what one leaves where it is, the next does not take for extended.
async fn r15_flushes_one_after_the_other_extend(kind: Kind) {
    let bench = Bench::with(kind, limits(900, None)).await;
    let session = bench.session(&[("a", 1)]).await;
    let step = Duration::from_millis(30);
    for n in 0..10 {
        bench.pass(step).await;
        session.set("a", n).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        let left = left(&bench.only().await);
        // By itself the test takes no time in memory.
        let least = 900 * SECOND - if kind.is_redis() { 5 * SECOND } else { step };
        assert!(left >= least, "{n}: {left:?}");
    }
}

async fn r15_for_real_with_two_seconds(kind: Kind) {
    let settings = limits(2, None);
    // The memory store must follow the real clock here.
    let bench = Bench::built(kind, settings, |builder| builder).await;
    if !kind.is_redis() {
        return memory_for_real().await;
    }
    let session = bench.session(&[("a", 1)]).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let _ = bench.again(&session).await;
    }
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert!(bench.find(&session).await.is_none());
    assert_eq!(bench.all().await, []);
}

/// Whatever is answered before the two seconds are over, counted from when the last use was asked for,
/// is a session; whatever is asked for 50 ms after them, counted from when it was answered, is none.
async fn r15_for_real_at_the_limit(kind: Kind) {
    if !kind.is_redis() {
        return;
    }
    let bench = Bench::with(kind, limits(2, None)).await;
    let two = Duration::from_secs(2);
    let near = Duration::from_millis(50);
    // On a machine that sleeps too long there is nothing to see.
    for _ in 0..10 {
        let session = bench.session(&[("a", 1)]).await;
        let asked = Instant::now();
        let _ = bench.again(&session).await;
        tokio::time::sleep_until((asked + two - near).into()).await;
        let asked_again = Instant::now();
        let found = bench.find(&session).await;
        let answered = Instant::now();
        if answered > asked + two {
            continue;
        }
        assert!(
            found.is_some(),
            "{:?} too early",
            two - (asked_again - asked)
        );
        tokio::time::sleep_until((answered + two + near).into()).await;
        assert!(bench.find(&session).await.is_none());
        return;
    }
    panic!("this machine is too slow to see the last 50 ms");
}

async fn r16_for_real_with_two_seconds(kind: Kind) {
    let settings = Settings {
        lifetime: Some(Duration::from_secs(2)),
        ..limits(2, None)
    };
    // Its clock is the real one.
    let engine = match kind.is_redis() {
        true => {
            let bench = Bench::with(kind, settings).await;
            let settings = bench.engine.settings().clone();
            let engine = dancer_session::SessionEngine::init(settings).await.unwrap();
            return in_use_for_real(engine, Some(bench)).await;
        }
        false => dancer_session::SessionEngine::in_memory(Settings {
            layout: kind.layout(),
            ..settings
        }),
    };
    in_use_for_real(engine.unwrap(), None).await;
}

/// Uses a session all the time, until two seconds after its beginning have passed.
async fn in_use_for_real(engine: dancer_session::SessionEngine, bench: Option<Bench>) {
    let begun = Instant::now();
    let session = engine.create().await.unwrap();
    let id = id(&session);
    let mut lived = Duration::ZERO;
    loop {
        let asked = begun.elapsed();
        match engine.retrieve(&id).await.unwrap() {
            Some(found) => {
                lived = asked;
                found.set("n", lived.as_millis()).unwrap();
                let _ = found.flush().await.unwrap();
            }
            None => break,
        }
        assert!(asked < Duration::from_secs(10), "it never ends");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Payloads have whole seconds, so a session may end by so much too early, and never too late.
    assert!(lived <= Duration::from_millis(2_000), "{lived:?}");
    assert!(!lived.is_zero(), "it was never there");
    if let Some(bench) = bench {
        assert_eq!(bench.all().await, [], "the key has gone too");
    }
}

async fn memory_for_real() {
    let engine = dancer_session::SessionEngine::in_memory(limits(2, None)).unwrap();
    let session = engine.create().await.unwrap();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert!(engine.retrieve(&id(&session)).await.unwrap().is_some());
    }
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert!(engine.retrieve(&id(&session)).await.unwrap().is_none());
}

async fn r16_no_use_extends_beyond_the_absolute_limit(kind: Kind) {
    let bench = Bench::with(kind, limits(60, Some(300))).await;
    let session = bench.session(&[("a", 1)]).await;
    // In constant use, by reads and by flushes in turn.
    for n in 0..9 {
        bench.pass(33 * SECOND).await;
        let user = bench.again(&session).await;
        if n % 2 == 0 {
            user.set("n", n).unwrap();
            assert_eq!(user.flush().await.unwrap(), Flushed::Stored);
        }
    }
    let last = bench.again(&session).await;
    assert!(left(&bench.only().await) <= 4 * SECOND);
    bench.pass(4 * SECOND).await;
    assert!(bench.find(&session).await.is_none());
    last.set("n", 99).unwrap();
    assert_eq!(last.flush().await.unwrap(), Flushed::Ended);
    assert_eq!(bench.all().await, [], "the key has gone too");
}

async fn r16_renew_and_conflicts_keep_the_absolute_limit(kind: Kind) {
    let bench = Bench::with(kind, limits(60, Some(100))).await;
    let session = bench.session(&[("a", 1)]).await;
    bench.pass(50 * SECOND).await;
    let other = bench.again(&session).await;
    session.renew();
    assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
    other.set("a", 2).unwrap();
    assert_eq!(other.flush().await.unwrap(), Flushed::Ended);
    let (a, b) = (bench.again(&session).await, bench.again(&session).await);
    a.set("a", 3).unwrap();
    b.set("b", 4).unwrap();
    assert_eq!(a.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(b.flush().await.unwrap(), Flushed::Stored);
    bench.pass(49 * SECOND).await;
    assert_eq!(get(&bench.again(&session).await, "b"), Some(4));
    bench.pass(2 * SECOND).await;
    assert!(
        bench.find(&session).await.is_none(),
        "100 s have passed since it was created"
    );
}

async fn r16_time_left_is_the_smaller_of_both_limits(kind: Kind) {
    let bench = Bench::with(kind, limits(60, Some(100))).await;
    let session = bench.session(&[("a", 1)]).await;
    assert_eq!(session.time_left(), Some(60 * SECOND));
    bench.pass(50 * SECOND).await;
    let left = bench.again(&session).await.time_left().unwrap();
    assert!(left <= 50 * SECOND && left >= 49 * SECOND, "{left:?}");
    assert_eq!(bench.engine.anonymous().time_left(), None);
}

async fn rule_4_11_with_an_interval_reads_extend_rarely(kind: Kind) {
    let settings = Settings {
        touch_interval: 10 * SECOND,
        ..limits(60, None)
    };
    let bench = Bench::with(kind, settings).await;
    let session = bench.session(&[("a", 1)]).await;
    bench.pass(5 * SECOND).await;
    let _ = bench.again(&session).await;
    assert!(left(&bench.only().await) <= 55 * SECOND, "not extended yet");
    bench.pass(6 * SECOND).await;
    let _ = bench.again(&session).await;
    assert!(left(&bench.only().await) > 59 * SECOND, "extended");
    // The idle limit may come by the interval early, never late.
    bench.pass(9 * SECOND).await;
    let _ = bench.again(&session).await;
    bench.pass(50 * SECOND).await;
    let _ = bench.again(&session).await;
    bench.pass(61 * SECOND).await;
    assert!(bench.find(&session).await.is_none());
}

async fn rule_4_11_a_read_near_the_limit_sets_the_deadline_back(kind: Kind) {
    let bench = Bench::with(kind, limits(60, Some(100))).await;
    let session = bench.session(&[("a", 1)]).await;
    bench.pass(55 * SECOND).await;
    let _ = bench.again(&session).await;
    let stored = bench.only().await;
    assert!(left(&stored) <= 45 * SECOND, "{stored:?}");
    assert!(left(&stored) > 40 * SECOND, "{stored:?}");
}

/// Whoever should have set the key's deadline back has crashed before it could.
async fn r16_a_session_past_its_limit_is_ended_though_its_key_lives(kind: Kind) {
    let bench = Bench::with(kind, limits(60, Some(100))).await;
    let session = bench.session(&[("a", 1)]).await;
    let stored = bench.only().await;
    bench.put(&stored.key, &stored.bytes).await;
    bench.pass(101 * SECOND).await;
    assert!(left(&bench.only().await) > 700 * SECOND);
    assert!(bench.find(&session).await.is_none());
    assert_eq!(bench.all().await, [], "and its key has gone");
}
