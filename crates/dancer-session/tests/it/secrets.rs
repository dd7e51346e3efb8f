//! No id, password or value leaves by the side (R27), and none can be found in the server (R05).

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dancer_session::{Flushed, Secret, Session, SessionEngine, Settings};
use testbench::RedisServer;

use crate::bench::id;

/// Where a traced run notes the ids that it makes.
const NOTES: &str = "DANCER_SESSION_TEST_NOTES";
/// Whether the engine of a traced run has `debug` set.
const DEBUG: &str = "DANCER_SESSION_TEST_DEBUG";

/// Runs tests of this program with everything that they log, at the finest level, on STDERR.
/// Returns that, and the ids that were made.
fn traced(arguments: &[&str], debug: bool, notes: &Path) -> (String, HashSet<String>) {
    let run = Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .args(["--nocapture", "--test-threads", "2"])
        .env(NOTES, notes)
        .env(DEBUG, debug.to_string())
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "{}", panics(&log));
    let noted = fs::read_to_string(notes).unwrap();
    (log, noted.lines().map(str::to_owned).collect())
}

/// What went wrong in a traced run: the log of a whole one is too long to be shown.
fn panics(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let panics = { 0..lines.len() }.filter(|at| lines[*at].contains("panicked at"));
    panics
        .flat_map(|at| lines[at..].iter().take(6))
        .fold(String::new(), |text, line| text + line + "\n")
}

/// In a traced run: logs at TRACE level, and notes every id that is made from these random bits.
pub(crate) fn trace(bits: &[u8]) {
    static NOTED: OnceLock<Option<Mutex<fs::File>>> = OnceLock::new();
    let noted = NOTED.get_or_init(|| {
        let notes = std::env::var_os(NOTES)?;
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .init();
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(notes)
            .unwrap();
        Some(Mutex::new(file))
    });
    if let (Some(file), 32) = (noted, bits.len()) {
        writeln!(file.lock().unwrap(), "{}", URL_SAFE_NO_PAD.encode(bits)).unwrap();
    }
}

/// Every run of characters that could hold an id.
fn candidates(log: &[u8]) -> impl Iterator<Item = &[u8]> {
    let in_ids = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let words = log.split(move |byte| !in_ids(byte));
    words
        .filter(|word| word.len() >= 43)
        .flat_map(|word| word.windows(43))
}

fn leaked<'a>(log: &'a [u8], ids: &HashSet<String>) -> Option<&'a str> {
    let mut text = candidates(log).filter_map(|word| std::str::from_utf8(word).ok());
    text.find(|word| ids.contains(*word))
}

/// What a run at TRACE level leaves out: itself, and what only does the same thousands of times.
/// (What faults make the engine say, it says in the tests of the line, too.)
const LEFT_OUT: [&str; 13] = [
    "secrets",
    "growth",
    "budget",
    "settings",
    "over_tls",
    "r02",
    "r11",
    "r28",
    "for_real",
    "faults::",
    "line::without_threads",
    "r32",
    // To write a log asks for memory.
    "allocations::",
];

#[test]
fn r27_the_whole_run_leaves_no_id_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let notes = directory.path().join("ids");
    let skips = LEFT_OUT.map(|test| ["--skip", test]);
    let (log, ids) = traced(skips.as_flattened(), false, &notes);
    assert!(ids.len() > 1_000, "{} ids were noted", ids.len());
    for event in [
        "malformed_id",
        "unknown_id",
        "legacy_id",
        "foreign_key",
        "id_taken",
        "limit_passed",
        "unreadable",
        "conflict",
        "ended_id",
        "refused_after_end",
        "renewed",
        "destroyed_by_owner",
        "made_room",
        "too_many_sessions",
        "created",
        "flushed",
        "destroyed",
        "left_behind",
        "EVALSHA",
        "GETEX",
        "connect",
    ] {
        assert!(log.contains(event), "{event} was not logged");
    }
    // Neither an id that was noted, nor anything that has the shape of one.
    assert_eq!(leaked(log.as_bytes(), &ids), None);
    // (Panics that tests cause on purpose name the test, in small letters.)
    let mut shape = candidates(log.as_bytes());
    let shape = shape.find(|word| word.iter().any(u8::is_ascii_uppercase));
    assert_eq!(shape.map(String::from_utf8_lossy), None);
    // Those of the Dancer layout are digits.
    let digits = log.split(|c: char| !c.is_ascii_digit());
    assert_eq!({ digits }.find(|word| word.len() >= 30), None);
    for secret in [
        "top-secret",
        "her-own",
        "wrong-one",
        "secret words",
        "some words",
    ] {
        assert!(!log.contains(secret), "{secret} was logged");
    }
    let found = format!("x={}.", ids.iter().next().unwrap());
    assert!(
        leaked(found.as_bytes(), &ids).is_some(),
        "the search finds what it looks for"
    );
}

const PASSWORD: &str = "pass-word-xyzzy";
const VALUE: &str = "value-plugh";

#[test]
fn r27_no_password_and_no_value_in_log_debug_or_errors() {
    let directory = tempfile::tempdir().unwrap();
    for debug in [false, true] {
        let notes = directory.path().join(debug.to_string());
        let run = ["--exact", "secrets::a_life_with_everything", "--ignored"];
        let (log, ids) = traced(&run, debug, &notes);
        assert!(ids.len() >= 2, "{log}");
        assert_eq!(leaked(log.as_bytes(), &ids), None, "{log}");
        assert!(!log.contains("xyzzy") && !log.contains("plugh"), "{log}");
        for command in ["connect ", "GETEX ", "EVALSHA ", "EVAL ", "SET "] {
            let line = format!("dancer-session: {command}");
            assert_eq!(log.contains(&line), debug, "{line:?} in {log}");
            let event = format!("sent=\"{command}");
            assert_eq!(log.contains(&event), !debug, "{event:?} in {log}");
        }
        assert!(
            log.contains("PX 900000") && log.contains(" bytes>"),
            "{log}"
        );
    }
}

/// All that happens to sessions, with every text that the engine makes of it.
#[tokio::test]
#[ignore = "started by r27_no_password_and_no_value_in_log_debug_or_errors"]
async fn a_life_with_everything() {
    trace(&[]);
    let debug = std::env::var(DEBUG).is_ok_and(|debug| debug == "true");
    let server = RedisServer::start_with(&["--requirepass", PASSWORD]);
    let settings = Settings {
        sock: Some(server.sock().to_owned()),
        password: Some(Secret::from(PASSWORD)),
        debug,
        ..Settings::default()
    };
    eprintln!("{settings:?}");
    let builder = SessionEngine::builder(settings.clone()).entropy(noted);
    eprintln!("{builder:?}");
    let engine = builder.init().await.unwrap();
    let session = engine.anonymous();
    session.set("entry", VALUE).unwrap();
    eprintln!("{session:?} {:?}", session.flush().await.unwrap());
    eprintln!("{session:?} {:?} {}", session.id(), session.id().unwrap());
    eprintln!("{:?}", session.get::<u64>("entry").unwrap_err());
    eprintln!(
        "{:?}",
        session
            .update("entry", |n: Option<u64>| n.unwrap_or(0))
            .unwrap_err()
    );
    let other = engine.retrieve(&id(&session)).await.unwrap().unwrap();
    other.set("more", VALUE).unwrap();
    let _ = other.flush().await.unwrap();
    session
        .update("more", |_: Option<String>| VALUE.into())
        .unwrap();
    session.renew();
    eprintln!(
        "{session:?} {:?} {engine:?}",
        session.flush().await.unwrap()
    );

    foreign_things(&server, &engine, [&session, &other]).await;
    no_server(&server, &engine, settings).await;
}

/// Something foreign under its key: text, a list, and then too much of our own.
async fn foreign_things(server: &RedisServer, engine: &SessionEngine, sessions: [&Session; 2]) {
    let [session, other] = sessions;
    let mut connection = server.connection().await;
    for payload in [format!("{{\"v\":1,\"k\":\"{VALUE}\"}}"), VALUE.to_owned()] {
        for key in server.scan().await {
            let set = redis::cmd("SET").arg(key).arg(&payload).to_owned();
            let _: () = set.query_async(&mut connection).await.unwrap();
        }
        eprintln!("{:?}", engine.retrieve(&id(session)).await.unwrap_err());
        session.set("entry", VALUE).unwrap();
        eprintln!("{:?}", session.flush().await.unwrap_err());
    }
    for key in server.scan().await {
        let mut list = redis::pipe();
        list.cmd("DEL").arg(&key).cmd("RPUSH").arg(&key).arg(VALUE);
        let _: [u64; 2] = list.query_async(&mut connection).await.unwrap();
    }
    eprintln!("{:?}", engine.retrieve(&id(session)).await.unwrap_err());
    eprintln!("{:?}", engine.retrieve(&id(other)).await.unwrap_err());
    session.set("big", VALUE.repeat(200_000)).unwrap();
    eprintln!("{:?}", session.flush().await.unwrap_err());
    session.destroy();
    eprintln!("{:?}", session.flush().await.unwrap_err());
    for key in server.scan().await {
        let del = redis::cmd("DEL").arg(key).to_owned();
        let _: u64 = del.query_async(&mut connection).await.unwrap();
    }
    assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
}

async fn no_server(server: &RedisServer, engine: &SessionEngine, settings: Settings) {
    server.stop(testbench::Ending::Crash);
    let session = engine.anonymous();
    session.set("entry", VALUE).unwrap();
    eprintln!("{:?}", session.flush().await.unwrap_err());
    let url = format!("redis://anna:{PASSWORD}@127.0.0.1:1/0");
    let from_url = Settings {
        debug: settings.debug,
        ..Settings::from_url(&url).unwrap()
    };
    eprintln!("{from_url:?}");
    eprintln!("{:?}", SessionEngine::init(from_url).await.unwrap_err());
    eprintln!("{:?}", SessionEngine::init(settings).await.unwrap_err());
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the shape that an engine's source of entropy has"
)]
fn noted(bits: &mut [u8]) -> std::io::Result<()> {
    getrandom::fill(bits).unwrap();
    trace(bits);
    Ok(())
}

#[tokio::test]
async fn r05_no_id_can_be_found_in_the_server() {
    let server = RedisServer::start_with(&[
        "--appendonly",
        "yes",
        "--slowlog-log-slower-than",
        "0",
        "--slowlog-max-len",
        "100000",
    ]);
    let settings = Settings {
        sock: Some(server.sock().to_owned()),
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let mut monitor = server.monitor();
    let ids = a_thousand_lives(&engine).await;
    assert_eq!(ids.len(), 1_500);
    let mut connection = server.connection().await;
    let _: () = redis::cmd("SAVE")
        .query_async(&mut connection)
        .await
        .unwrap();
    let slow: redis::Value = redis::cmd("SLOWLOG")
        .arg("GET")
        .arg(100_000)
        .query_async(&mut connection)
        .await
        .unwrap();
    let clients: String = redis::cmd("CLIENT")
        .arg("LIST")
        .query_async(&mut connection)
        .await
        .unwrap();
    let mut places = vec![
        (
            "MONITOR".to_owned(),
            monitor.lines().join("\n").into_bytes(),
        ),
        ("SLOWLOG".to_owned(), format!("{slow:?}").into_bytes()),
        ("CLIENT LIST".to_owned(), clients.into_bytes()),
    ];
    for file in files_below(server.directory()) {
        places.push((file.display().to_string(), fs::read(&file).unwrap()));
    }
    assert!(places.iter().any(|(name, _)| name.ends_with(".rdb")));
    assert!(places.iter().any(|(name, _)| name.ends_with(".aof")));
    for (name, bytes) in &places {
        assert_eq!(leaked(bytes, &ids), None, "in {name}");
    }
    // The search sees what is there: the names of keys.
    let key = String::from_utf8(server.scan().await.swap_remove(0)).unwrap();
    assert!(String::from_utf8_lossy(&places[0].1).contains(&key));
}

/// The ids of sessions that were created, flushed, read, and some renewed or destroyed.
async fn a_thousand_lives(engine: &SessionEngine) -> HashSet<String> {
    let mut ids = HashSet::new();
    for n in 0..1_000 {
        let session = engine.create().await.unwrap();
        ids.insert(id(&session));
        session.set("n", n).unwrap();
        if n % 2 == 0 {
            session.renew();
        }
        let _ = session.flush().await.unwrap();
        ids.insert(id(&session));
        let again = engine.retrieve(&id(&session)).await.unwrap().unwrap();
        if n % 5 == 0 {
            again.destroy();
            let _ = again.flush().await.unwrap();
        }
    }
    ids
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.is_file() {
            files.push(path);
        }
    }
    files
}
