//! R45: each event of `docs/events.md` is sent once when what it is about happens once, and nothing else
//! is sent that the list does not have.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dancer_session::{Flushed, OnMaxSessions, Session, SessionEngine, Settings};
use testbench::{RedisServer, Say, Substitute};
use tracing::subscriber::DefaultGuard;

use crate::bench::{Bench, Kind, SECOND, id};

/// What was told since it was made, to this thread.
struct Told {
    lines: Arc<Mutex<Vec<u8>>>,
    _listening: DefaultGuard,
}

#[derive(Clone)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Told {
    fn listening() -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let writer = Lines(Arc::clone(&lines));
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_target(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        Self {
            lines,
            _listening: tracing::subscriber::set_default(subscriber),
        }
    }

    /// The lines since the last call.
    fn lines(&self) -> Vec<String> {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap());
        let text = String::from_utf8(lines).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    /// The names of the events since the last call; the first line must be of this level.
    #[track_caller]
    fn only(&self, level: &str, name: &str) -> String {
        let lines = self.lines();
        assert_eq!(lines.len(), 1, "{name}: {lines:?}");
        let start = format!("{level} {name}");
        assert!(lines[0].starts_with(&start), "{name}: {lines:?}");
        lines[0].clone()
    }
}

async fn flush(session: &Session) -> Flushed {
    session.flush().await.unwrap()
}

#[tokio::test]
async fn r45_the_life_of_a_session() {
    let bench = Bench::new(Kind::Redis).await;
    let told = Told::listening();
    let session = bench.engine.create().await.unwrap();
    let shown = format!("session={}…", session.id().unwrap().fingerprint());
    assert!(told.only("DEBUG", "created").ends_with(&shown));
    session.set("a", 1).unwrap();
    let _ = flush(&session).await;
    assert!(told.only("DEBUG", "flushed").ends_with(&shown));
    let slow = bench.again(&session).await;
    session.set("a", 2).unwrap();
    let _ = flush(&session).await;
    told.only("DEBUG", "flushed");
    slow.set("b", 1).unwrap();
    let _ = flush(&slow).await;
    let lines = told.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("DEBUG conflict"), "{lines:?}");
    let session = bench.again(&session).await;
    session.renew();
    let _ = flush(&session).await;
    let renewed = told.only("INFO", "renewed");
    assert!(renewed.contains("before="), "{renewed}");
    // The old id, and what a request that still has it wants to store.
    assert!(bench.find(&slow).await.unwrap().is_ended());
    told.only("INFO", "ended_id");
    slow.set("c", 1).unwrap();
    assert_eq!(flush(&slow).await, Flushed::Ended);
    told.only("INFO", "refused_after_end");
    slow.set("c", 2).unwrap();
    assert_eq!(flush(&slow).await, Flushed::Ended);
    told.only("INFO", "refused_after_end");
    let again = bench.again(&session).await;
    session.destroy();
    let _ = flush(&session).await;
    let destroyed = told.only("INFO", "destroyed");
    assert!(destroyed.contains("before=false"), "{destroyed}");
    again.destroy();
    assert_eq!(flush(&again).await, Flushed::Ended);
    assert!(told.only("INFO", "destroyed").contains("before=true"));
}

#[tokio::test]
async fn r45_what_is_presented() {
    let settings = Settings {
        lifetime: Some(Duration::from_secs(1000)),
        ..Settings::default()
    };
    let bench = Bench::with(Kind::Memory, settings.clone()).await;
    let told = Told::listening();
    assert!(bench.find_id("nonsense").await.is_none());
    told.only("DEBUG", "malformed_id");
    assert!(bench.find_id(&"A".repeat(43)).await.is_none());
    told.only("DEBUG", "unknown_id");
    let session = bench.session(&[("a", 1)]).await;
    let presented = id(&session);
    let stored = bench.only().await;
    told.lines();
    bench.put(&stored.key, "{\"v\":1").await;
    assert!(bench.engine.retrieve(&presented).await.is_err());
    told.only("ERROR", "unreadable");
    bench.put(&stored.key, &stored.bytes).await;
    bench.pass(Duration::from_secs(1001)).await;
    // As it is in Redis if a reader has extended it and crashed.
    bench.put(&stored.key, &stored.bytes).await;
    told.lines();
    assert!(bench.find_id(&presented).await.is_none());
    told.only("INFO", "limit_passed");
    drop(told);

    let bench = Bench::with(Kind::DancerInRedis, Settings::default()).await;
    let told = Told::listening();
    let legacy = "1".repeat(39);
    bench.put(&legacy, "a stranger's").await;
    assert!(bench.find_id(&legacy).await.is_none());
    told.only("WARN", "foreign_key");
    let frozen =
        b"\x04\x0b\x0812345678\x04\x08\x08\x08\x11\x16Dancer::Session::Redis\x03\x01\0\0\0\x0a\x27";
    let payload = [&frozen[..], legacy.as_bytes(), b"\x02\0\0\0id"].concat();
    bench.put(&legacy, payload).await;
    assert!(bench.find_id(&legacy).await.is_some());
    told.only("INFO", "legacy_id");
}

#[tokio::test]
async fn r45_owners() {
    let settings = Settings {
        max_sessions: Some(1),
        on_max_sessions: OnMaxSessions::EndOldest,
        ..Settings::default()
    };
    let bench = Bench::with(Kind::Memory, settings.clone()).await;
    let login = async |engine: &SessionEngine| {
        let session = engine.anonymous();
        session.set_owner("user:42").unwrap();
        flush(&session).await
    };
    let _ = login(&bench.engine).await;
    let told = Told::listening();
    let _ = login(&bench.engine).await;
    let lines = told.lines();
    let names: Vec<_> = lines
        .iter()
        .map(|line| line.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(names, ["made_room", "destroyed_by_owner", "created"]);
    assert_eq!(bench.engine.destroy_all("user:42").await.unwrap(), 1);
    told.only("INFO", "destroyed_by_owner");
    let settings = Settings {
        on_max_sessions: OnMaxSessions::Refuse,
        ..settings
    };
    let bench = Bench::with(Kind::Memory, settings).await;
    let _ = login(&bench.engine).await;
    told.lines();
    assert_eq!(login(&bench.engine).await, Flushed::TooMany);
    told.only("WARN", "too_many_sessions");
}

#[tokio::test]
async fn r45_what_goes_wrong() {
    let bench = Bench::new(Kind::Memory).await;
    let session = bench.session(&[("a", 1)]).await;
    let told = Told::listening();
    session.set("c", 3).unwrap();
    drop(session);
    let left = told.only("WARN", "left_behind");
    assert!(left.contains("what=\"changes\""), "{left}");
    // A generator that gives the same id twice.
    let zeroes = Mutex::new(2);
    let entropy = move |bits: &mut [u8]| {
        let mut left = zeroes.lock().unwrap();
        match (bits.len(), *left) {
            (32, 1..) => {
                *left -= 1;
                bits.fill(0);
                Ok(())
            }
            _ => getrandom::fill(bits).map_err(io::Error::other),
        }
    };
    let engine = SessionEngine::builder(Settings::default()).entropy(entropy);
    let engine = engine.in_memory().unwrap();
    let _first = engine.create().await.unwrap();
    told.lines();
    let _second = engine.create().await.unwrap();
    let lines = told.lines();
    assert!(lines[0].starts_with("WARN id_taken"), "{lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[tokio::test]
async fn r45_what_nobody_waits_for() {
    let bench = Bench::of_everything(Kind::DancerInRedis).await;
    let session = bench.session(&[("a", 1)]).await;
    session.set_owner("user:42").unwrap();
    let _ = flush(&session).await;
    let told = Told::listening();
    let server = bench.server();
    let mut connection = server.connection().await;
    for rule in ["-pexpire", "-zrem"] {
        let mut acl = redis::cmd("ACL");
        acl.arg("SETUSER").arg("default").arg(rule);
        let () = acl.query_async(&mut connection).await.unwrap();
    }
    told.lines();
    let again = bench.again(&session).await;
    bench.all().await;
    let lines = told.lines();
    assert_eq!(named(&lines, "WARN touch_failed"), 1, "{lines:?}");
    again.destroy();
    let _ = flush(&again).await;
    bench.all().await;
    let lines = told.lines();
    assert_eq!(named(&lines, "WARN delist_failed"), 1, "{lines:?}");
}

/// In the Dancer layout every retrieve is followed by a touch, which a server that lacks its replicas
/// refuses.
#[tokio::test]
async fn r45_what_an_outage_brings_with_every_request_is_told_once_a_minute() {
    const REQUESTS: usize = 200;
    let bench = Bench::of_everything(Kind::DancerInRedis).await;
    let session = bench.session(&[("a", 1)]).await;
    let mut connection = bench.server().connection().await;
    let mut config = redis::cmd("CONFIG");
    config.arg("SET").arg("min-replicas-to-write").arg(1);
    let () = config.query_async(&mut connection).await.unwrap();
    let told = Told::listening();
    for _ in 0..REQUESTS {
        bench.again(&session).await;
    }
    // Nobody waits for the touches.
    bench.all().await;
    let lines = told.lines();
    assert_eq!(named(&lines, "WARN touch_failed"), 1);
    assert_eq!(named(&lines, "DEBUG touch_failed"), REQUESTS - 1);
    assert_eq!(lines.len(), REQUESTS);
}

/// A server, or a proxy before it, that has lost count.
#[tokio::test]
async fn r45_a_payload_of_another_session_is_told_once_for_each_wrong_reply() {
    let server = RedisServer::start();
    let substitute = Substitute::of(&server).await;
    let settings = Settings {
        server: Some(substitute.url()),
        timeout: 20 * SECOND,
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let (ours, theirs) = (engine.anonymous(), engine.anonymous());
    for session in [&ours, &theirs] {
        session.set("a", 1).unwrap();
        assert_eq!(flush(session).await, Flushed::Created);
    }
    let payload = theirs.payload().unwrap();
    let payload = String::from_utf8(payload.to_vec()).unwrap();
    let wrong = format!("${}\r\n{payload}", payload.len());
    let left = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&left);
    substitute.rule(move |command| {
        let one_less = |left: usize| left.checked_sub(1);
        let is_read = command[0] == "GETEX";
        match is_read && count.fetch_update(SeqCst, SeqCst, one_less).is_ok() {
            true => Say::Line(wrong.clone()),
            false => Say::Pass,
        }
    });
    let told = Told::listening();
    let shown = format!("session={}…", ours.id().unwrap().fingerprint());
    for _ in 0..3 {
        left.store(1, SeqCst);
        let found = engine.retrieve(&id(&ours)).await.unwrap().unwrap();
        assert_eq!(found.id(), ours.id());
        let lines = told.lines();
        assert_eq!(named(&lines, "ERROR payload_of_another"), 1, "{lines:?}");
        assert!(lines[0].ends_with(&shown), "{lines:?}");
        assert!(engine.retrieve(&id(&ours)).await.unwrap().is_some());
        assert_eq!(told.lines(), [""; 0]);
    }
    // What the new connection brings is believed: then that is what is stored.
    left.store(2, SeqCst);
    let error = engine.retrieve(&id(&ours)).await.unwrap_err();
    assert!(error.is_unreadable(), "{error}");
    let lines = told.lines();
    assert_eq!(named(&lines, "ERROR payload_of_another"), 1, "{lines:?}");
    assert_eq!(named(&lines, "ERROR unreadable"), 1, "{lines:?}");
}

fn named(lines: &[String], start: &str) -> usize {
    lines.iter().filter(|line| line.starts_with(start)).count()
}

#[tokio::test]
async fn r45_a_log_out_that_nobody_could_store() {
    let bench = Bench::of_everything(Kind::Redis).await;
    let session = bench.session(&[("a", 1)]).await;
    let told = Told::listening();
    let mut connection = bench.server().connection().await;
    let mut acl = redis::cmd("ACL");
    acl.arg("SETUSER").arg("default").arg("-evalsha");
    let () = acl.query_async(&mut connection).await.unwrap();
    session.destroy();
    session.abandon();
    for _ in 0..100 {
        tokio::time::sleep(SECOND / 100).await;
        let lines = told.lines();
        if named(&lines, "ERROR abandoned_destroy_failed") == 1 {
            return;
        }
    }
    panic!("nothing was told");
}

/// The names in the first column of every table of `docs/events.md`.
fn listed() -> BTreeSet<String> {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/events.md");
    let text = std::fs::read_to_string(place).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("| `"));
    names
        .filter_map(|line| Some(line.split_once('`')?.0.to_owned()))
        .collect()
}

#[test]
fn r45_the_list_has_every_event_and_no_other() {
    let mut told = BTreeSet::new();
    let mut places = vec![
        concat!(env!("CARGO_MANIFEST_DIR"), "/src").into(),
        concat!(env!("CARGO_MANIFEST_DIR"), "/../dancer-session-tower/src").into(),
    ];
    while let Some(place) = places.pop() {
        let place: std::path::PathBuf = place;
        if place.is_dir() {
            places.extend(
                std::fs::read_dir(place)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let text = std::fs::read_to_string(&place).unwrap_or_default();
        for part in text.split("tracing::").skip(1) {
            // `level!(fields, "name")`
            let levels = ["error!(", "warn!(", "info!(", "debug!("];
            if levels.iter().any(|level| part.starts_with(level)) {
                told.insert(part.split('"').nth(1).unwrap().to_owned());
            }
        }
    }
    assert_eq!(told, listed());
}
