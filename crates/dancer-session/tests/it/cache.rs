//! Sessions read from the cache: nothing is asked for, and nothing is read that the server has told to be
//! old.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use dancer_session::{Clock, Flushed, Layout, Session, SessionEngine, Settings};
use testbench::{Commands, Proxy, RedisServer};

use crate::bench::{get, id};

const SECOND: Duration = Duration::from_secs(1);

fn settings(server: &RedisServer, layout: Layout) -> Settings {
    Settings {
        sock: Some(server.sock().to_owned()),
        layout,
        cache: 1000,
        ..Settings::default()
    }
}

/// Processes with a cache each.
async fn engines<const N: usize>(server: &RedisServer, layout: Layout) -> [SessionEngine; N] {
    let mut engines = Vec::new();
    for _ in 0..N {
        let engine = SessionEngine::init(settings(server, layout)).await;
        engines.push(engine.unwrap());
    }
    engines.try_into().unwrap()
}

async fn stored(engine: &SessionEngine, n: u64) -> Session {
    let session = engine.anonymous();
    session.set("n", n).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Created);
    session
}

async fn read(engine: &SessionEngine, id: &str) -> Option<u64> {
    let session = engine.retrieve(id).await.unwrap()?;
    get(&session, "n")
}

/// How many commands came since then, but for the signs of life that a slow machine has time to ask for.
async fn asked_since(server: &RedisServer, before: &Commands) -> u64 {
    let asked = server.commands().await.since(before);
    asked.total() - asked.calls("ping")
}

async fn asked(server: &RedisServer, name: &str) -> u64 {
    let commands = server.commands().await;
    commands.as_map().get(name).copied().unwrap_or(0)
}

/// Waits until a read shows this; before that only `before` may be seen.
async fn soon(engine: &SessionEngine, id: &str, before: Option<u64>, after: Option<u64>) {
    let until = Instant::now() + 2 * SECOND;
    loop {
        let seen = read(engine, id).await;
        if seen == after {
            return;
        }
        assert_eq!(seen, before);
        assert!(Instant::now() < until, "no word came");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn what_was_read_costs_nothing_to_read_again() {
    let server = RedisServer::start();
    for layout in [Layout::Native, Layout::Dancer] {
        let [engine] = engines(&server, layout).await;
        let session = stored(&engine, 7).await;
        assert_eq!(read(&engine, &id(&session)).await, Some(7));
        let before = server.commands().await;
        for _ in 0..1000 {
            assert_eq!(read(&engine, &id(&session)).await, Some(7));
        }
        assert_eq!(asked_since(&server, &before).await, 0);
        let fresh = engine.retrieve_fresh(&id(&session)).await.unwrap().unwrap();
        assert_eq!(get(&fresh, "n"), Some(7));
        // `GET` and `PTTL` in one round trip.
        assert_eq!(asked_since(&server, &before).await, 2);
    }
}

/// Changes a session once more, which was changed `n` times, perhaps by another process: its last change
/// may have to be waited for.
async fn change(engine: &SessionEngine, id: &str, n: u64) {
    let until = Instant::now() + 2 * SECOND;
    let session = loop {
        let session = engine.retrieve(id).await.unwrap().unwrap();
        let seen = get(&session, "n").unwrap();
        if seen == n {
            break session;
        }
        assert_eq!(seen + 1, n);
        assert!(Instant::now() < until, "no word came");
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    session.set("n", n + 1).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
}

/// What was stored is not asked for again: a request that changes its session is one round trip.
#[tokio::test]
async fn rule_4_7_what_this_process_has_stored_costs_nothing_to_read_again() {
    let server = RedisServer::start();
    for layout in [Layout::Native, Layout::Dancer] {
        let [engine] = engines(&server, layout).await;
        let session = id(&stored(&engine, 0).await);
        // The server gets to know the script.
        change(&engine, &session, 0).await;
        change(&engine, &session, 1).await;
        let before = server.commands().await;
        for n in 2..102 {
            change(&engine, &session, n).await;
        }
        let asked = server.commands().await.since(&before);
        let (reads, inside) = (["getex", "get"], asked.calls("evalsha"));
        assert_eq!(inside, 100, "{asked:?}");
        let reads: u64 = reads.iter().map(|name| asked.calls(name)).sum();
        // Now and then the word about a change may be on its way when its reply is handled.
        assert!((inside..inside + 20).contains(&reads), "{asked:?}");
    }
}

/// A visitor whose requests go from one process to the next: each asks with one command, as without
/// a cache.
#[tokio::test]
async fn rule_4_7_what_two_processes_change_in_turn_costs_no_more_reads_than_without_a_cache() {
    let server = RedisServer::start();
    for layout in [Layout::Native, Layout::Dancer] {
        let engines: [_; 2] = engines(&server, layout).await;
        let session = id(&stored(&engines[0], 0).await);
        let mut before = server.commands().await;
        for n in 0..104 {
            if n == 4 {
                before = server.commands().await;
            }
            change(&engines[n as usize % 2], &session, n).await;
            // Time for the word to come.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let asked = server.commands().await.since(&before);
        // A word may be late: then what was kept is used once more before it is old.
        let reads = asked.calls("getex") + asked.calls("get");
        assert!((200..220).contains(&reads), "{asked:?}");
        // One in each script; a read that is to be kept would ask for it, too.
        assert!((100..120).contains(&asked.calls("pttl")), "{asked:?}");
    }
}

/// What this process has stored is kept, and nobody but the server knows that another process has
/// changed or ended it since.
#[tokio::test]
async fn what_another_process_does_after_a_change_of_this_one_is_seen_when_the_word_has_come() {
    let server = RedisServer::start();
    for layout in [Layout::Native, Layout::Dancer] {
        let [engine] = engines(&server, layout).await;
        let other = SessionEngine::init(Settings {
            cache: 0,
            ..settings(&server, layout)
        });
        let other = other.await.unwrap();
        let session = id(&stored(&engine, 0).await);
        let mut kept = 0;
        for n in (0..60).step_by(2) {
            change(&engine, &session, n).await;
            let before = asked(&server, "get").await;
            assert_eq!(read(&engine, &session).await, Some(n + 1));
            kept += u64::from(asked(&server, "get").await == before);
            change(&other, &session, n + 1).await;
            soon(&engine, &session, Some(n + 1), Some(n + 2)).await;
        }
        assert!(kept > 20, "kept {kept} of 30");
        change(&engine, &session, 60).await;
        let theirs = other.retrieve(&session).await.unwrap().unwrap();
        theirs.destroy();
        assert_eq!(theirs.flush().await.unwrap(), Flushed::Destroyed);
        soon(&engine, &session, Some(61), None).await;
    }
}

/// It was stored in a transaction over another connection, of whose reads the server tells nobody.
#[tokio::test]
async fn a_long_session_that_this_process_has_stored_is_read_again() {
    let server = RedisServer::start();
    let [engine] = engines(&server, Layout::Native).await;
    let session = stored(&engine, 0).await;
    session.set("text", "x".repeat(20_000)).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let session = id(&session);
    for n in 0..3 {
        change(&engine, &session, n).await;
        let before = server.commands().await;
        assert_eq!(read(&engine, &session).await, Some(n + 1));
        assert_eq!(asked_since(&server, &before).await, 1);
    }
}

/// A server on which a user who has a cache may do everything but these.
fn server_without(commands: &[&str], settings: &mut Settings) -> RedisServer {
    let app = ["--user", "app", "on", ">pw", "~*", "+@all"];
    let default = ["--user", "default", "on", "nopass", "~*", "+@all"];
    let server = RedisServer::start_with(&[&app[..], commands, &default[..]].concat());
    settings.sock = Some(server.sock().to_owned());
    settings.username = Some("app".into());
    settings.password = Some("pw".into());
    settings.cache = 1000;
    server
}

/// Whether a server tells of what scripts read is tried. Here that can't be, so nothing is kept that
/// only such a word would take out again.
#[tokio::test]
async fn where_nobody_tells_of_scripts_what_was_stored_is_read_again() {
    let mut settings = Settings::default();
    let server = server_without(&["-pexpire"], &mut settings);
    let engine = SessionEngine::init(settings).await.unwrap();
    let session = id(&stored(&engine, 0).await);
    for n in 0..3 {
        change(&engine, &session, n).await;
        let before = server.commands().await;
        assert_eq!(read(&engine, &session).await, Some(n + 1));
        assert_eq!(asked_since(&server, &before).await, 1);
    }
}

/// What was tried is gone at once.
#[tokio::test]
async fn what_a_new_connection_tries_leaves_nothing() {
    let server = RedisServer::start();
    for layout in [Layout::Native, Layout::Dancer] {
        let engine = SessionEngine::init(settings(&server, layout)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(server.scan().await.is_empty());
        drop(engine.unwrap());
    }
}

/// What follows the change in its script can't make a fault of it.
#[tokio::test]
async fn r31_who_may_not_look_behind_a_change_has_stored_it() {
    let mut settings = Settings::default();
    let server = server_without(&[], &mut settings);
    let engine = SessionEngine::init(settings.clone()).await.unwrap();
    let session = stored(&engine, 0).await;
    let mut connection = server.connection().await;
    let mut forbid = redis::cmd("ACL");
    forbid.arg("SETUSER").arg("app").arg("-pttl");
    let () = forbid.query_async(&mut connection).await.unwrap();
    settings.cache = 0;
    let other = SessionEngine::init(settings).await.unwrap();
    for n in 1..4 {
        session.set("n", n).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        assert_eq!(read(&other, &id(&session)).await, Some(n));
    }
}

/// Also when the requests of a visitor go from one process to the next.
#[tokio::test]
async fn what_is_changed_once_and_then_read_everywhere_is_kept_everywhere() {
    let server = RedisServer::start();
    for layout in [Layout::Native, Layout::Dancer] {
        let engines: [_; 4] = engines(&server, layout).await;
        let session = id(&stored(&engines[0], 0).await);
        for changed in 1..4 {
            let ours = engines[0].retrieve(&session).await.unwrap().unwrap();
            ours.set("n", changed).unwrap();
            assert_eq!(ours.flush().await.unwrap(), Flushed::Stored);
            for engine in &engines {
                soon(engine, &session, Some(changed - 1), Some(changed)).await;
            }
            let mut rounds = 0;
            loop {
                let before = server.commands().await;
                for engine in &engines {
                    assert_eq!(read(engine, &session).await, Some(changed));
                }
                // A word may still be on its way.
                tokio::time::sleep(Duration::from_millis(5)).await;
                if asked_since(&server, &before).await == 0 {
                    break;
                }
                rounds += 1;
                assert!(rounds < 10, "still not kept");
            }
        }
    }
}

/// A server that is full takes no change from a process with a cache either.
#[tokio::test]
async fn f15_a_full_server_refuses_changes() {
    let server = RedisServer::start();
    for cache in [0, 1000] {
        let settings = Settings {
            cache,
            ..settings(&server, Layout::Native)
        };
        let engine = SessionEngine::init(settings).await.unwrap();
        let session = stored(&engine, 0).await;
        let mut full = redis::cmd("CONFIG");
        full.arg("SET").arg("maxmemory");
        let mut connection = server.connection().await;
        let set = async |bytes: u64, connection: &mut _| {
            let set = full.clone().arg(bytes).query_async::<()>(connection).await;
            set.unwrap();
        };
        set(1, &mut connection).await;
        for n in 1..4 {
            let again = engine.retrieve(&id(&session)).await.unwrap().unwrap();
            again.set("n", n).unwrap();
            let error = again.flush().await.unwrap_err();
            assert!(error.is_unavailable(), "{error}");
        }
        set(0, &mut connection).await;
        assert_eq!(read(&engine, &id(&session)).await, Some(0));
    }
}

#[tokio::test]
async fn what_another_process_does_is_seen_when_the_word_has_come() {
    let server = RedisServer::start();
    for layout in [Layout::Native, Layout::Dancer] {
        let [engine, other] = engines(&server, layout).await;
        let session = stored(&engine, 1).await;
        let id = id(&session);
        for n in 2..50 {
            assert_eq!(read(&engine, &id).await, Some(n - 1));
            let theirs = other.retrieve_fresh(&id).await.unwrap().unwrap();
            theirs.set("n", n).unwrap();
            assert_eq!(theirs.flush().await.unwrap(), Flushed::Stored);
            soon(&engine, &id, Some(n - 1), Some(n)).await;
        }
        let theirs = other.retrieve_fresh(&id).await.unwrap().unwrap();
        theirs.renew();
        assert_eq!(theirs.flush().await.unwrap(), Flushed::Renewed);
        soon(&engine, &id, Some(49), None).await;
        let new = theirs.id().unwrap().as_str().to_owned();
        assert_eq!(read(&engine, &new).await, Some(49));
        theirs.destroy();
        assert_eq!(theirs.flush().await.unwrap(), Flushed::Destroyed);
        soon(&engine, &new, Some(49), None).await;
        assert!(engine.retrieve(&new).await.unwrap().unwrap().is_ended());
    }
}

#[tokio::test]
async fn what_this_process_does_is_seen_at_once() {
    let server = RedisServer::start();
    for layout in [Layout::Native, Layout::Dancer] {
        let [engine] = engines(&server, layout).await;
        let session = stored(&engine, 1).await;
        let first = id(&session);
        for n in 2..200 {
            let ours = engine.retrieve(&first).await.unwrap().unwrap();
            ours.set("n", n).unwrap();
            assert_eq!(ours.flush().await.unwrap(), Flushed::Stored);
            assert_eq!(read(&engine, &first).await, Some(n));
        }
        let ours = engine.retrieve(&first).await.unwrap().unwrap();
        ours.renew();
        ours.set_owner("user:42").unwrap();
        assert_eq!(ours.flush().await.unwrap(), Flushed::Renewed);
        let second = id(&ours);
        assert!(engine.retrieve(&first).await.unwrap().unwrap().is_ended());
        assert_eq!(read(&engine, &second).await, Some(199));
        assert_eq!(engine.destroy_all("user:42").await.unwrap(), 1);
        assert!(engine.retrieve(&second).await.unwrap().unwrap().is_ended());
    }
}

/// Readers and writers of four processes at once: what one of them reads never goes back, and no
/// update is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_what_is_read_never_goes_back() {
    let server = RedisServer::start();
    let mut slow = settings(&server, Layout::Native);
    slow.timeout = 20 * SECOND;
    let engine = SessionEngine::init(slow.clone()).await.unwrap();
    let id = Arc::new(id(&stored(&engine, 0).await));
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let engine = SessionEngine::init(slow.clone()).await.unwrap();
        for _ in 0..4 {
            let (engine, id) = (engine.clone(), Arc::clone(&id));
            tasks.push(tokio::spawn(async move {
                let mut last = 0;
                for turn in 0..300 {
                    let session = engine.retrieve(&id).await.unwrap().unwrap();
                    let seen = get(&session, "n").unwrap();
                    assert!(seen >= last, "{seen} after {last}");
                    last = seen;
                    if turn % 10 == 0 {
                        session
                            .update("n", |n: Option<u64>| n.unwrap() + 1)
                            .unwrap();
                        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
                        last = last.max(get(&session, "n").unwrap());
                    }
                    tokio::task::yield_now().await;
                }
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    let fresh = engine.retrieve_fresh(&id).await.unwrap().unwrap();
    assert_eq!(get(&fresh, "n"), Some(16 * 30));
}

#[tokio::test]
async fn an_emptied_database_empties_the_cache() {
    let server = RedisServer::start();
    let [engine] = engines(&server, Layout::Native).await;
    let session = id(&stored(&engine, 1).await);
    assert_eq!(read(&engine, &session).await, Some(1));
    let mut connection = server.connection().await;
    let () = redis::cmd("FLUSHDB")
        .query_async(&mut connection)
        .await
        .unwrap();
    soon(&engine, &session, Some(1), None).await;
}

#[tokio::test]
async fn a_lost_connection_empties_the_cache() {
    let server = RedisServer::start();
    let [engine] = engines(&server, Layout::Native).await;
    let other = SessionEngine::init(Settings {
        cache: 0,
        ..settings(&server, Layout::Native)
    });
    let other = other.await.unwrap();
    let session = id(&stored(&engine, 1).await);
    assert_eq!(read(&engine, &session).await, Some(1));
    // What changes from now on is told to nobody.
    let mut connection = server.connection().await;
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL")
        .arg("TYPE")
        .arg("normal")
        .arg("SKIPME")
        .arg("yes");
    let killed: u64 = kill.query_async(&mut connection).await.unwrap();
    assert!(killed >= 2);
    let theirs = other.retrieve(&session).await.unwrap().unwrap();
    theirs.set("n", 2).unwrap();
    assert_eq!(theirs.flush().await.unwrap(), Flushed::Stored);
    soon(&engine, &session, Some(1), Some(2)).await;
    // And it keeps again.
    assert_eq!(read(&engine, &session).await, Some(2));
    let before = asked(&server, "get").await;
    assert_eq!(read(&engine, &session).await, Some(2));
    assert_eq!(asked(&server, "get").await, before);
}

#[tokio::test]
async fn a_line_that_says_nothing_is_not_believed() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server).await;
    let settings = Settings {
        sock: None,
        server: Some(proxy.url()),
        timeout: Duration::from_millis(400),
        ..settings(&server, Layout::Native)
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let session = id(&stored(&engine, 1).await);
    assert_eq!(read(&engine, &session).await, Some(1));
    // It stays in use while nothing happens but signs of life; on a loaded machine they may be late.
    tokio::time::sleep(SECOND).await;
    let mut served = false;
    for _ in 0..100 {
        let before = asked(&server, "get").await;
        assert_eq!(read(&engine, &session).await, Some(1));
        served |= asked(&server, "get").await == before;
        if served {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(served, "nothing was read from the cache");
    proxy.black_hole(true);
    tokio::time::sleep(Duration::from_millis(800)).await;
    let error = engine.retrieve(&session).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    proxy.black_hole(false);
}

#[tokio::test]
async fn rule_4_11_the_limits_hold_in_the_cache_too() {
    let server = RedisServer::start();
    let now = Arc::new(Mutex::new(SystemTime::now()));
    let shown = Arc::clone(&now);
    let settings = Settings {
        expire: 60 * SECOND,
        lifetime: Some(100 * SECOND),
        ..settings(&server, Layout::Native)
    };
    let builder =
        SessionEngine::builder(settings).clock(Clock::new(move || *shown.lock().unwrap()));
    let engine = builder.init().await.unwrap();
    let pass = |time| *now.lock().unwrap() += time;
    let session = id(&stored(&engine, 1).await);
    assert_eq!(read(&engine, &session).await, Some(1));
    let touches = || asked(&server, "pexpire");
    // One touch in a tenth of the idle limit, however many uses.
    let before = touches().await;
    for _ in 0..20 {
        pass(SECOND);
        assert_eq!(read(&engine, &session).await, Some(1));
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(touches().await - before, 3);
    // Nobody has used it: it has ended here, whatever the server still has.
    pass(61 * SECOND);
    let gets = asked(&server, "get").await;
    let _ = engine.retrieve(&session).await.unwrap();
    assert_eq!(asked(&server, "get").await, gets + 1, "it was asked for");
    // Past the absolute limit it is none, also where the cache has it.
    pass(30 * SECOND);
    assert_eq!(read(&engine, &session).await, None);
}

#[tokio::test]
async fn a_cache_is_no_setting_without_threads() {
    let server = RedisServer::start();
    let builder = SessionEngine::builder(settings(&server, Layout::Dancer));
    let error = builder.without_threads().init().await.unwrap_err();
    assert!(
        error.is_settings() && error.to_string().contains("cache"),
        "{error}"
    );
}

/// On one thread: what is always there at once must not keep others from their work, least of all the
/// task that hears what has changed.
#[tokio::test]
async fn whoever_only_reads_from_the_cache_lets_others_have_a_turn() {
    let server = RedisServer::start();
    let [engine] = engines(&server, Layout::Native).await;
    let id = id(&stored(&engine, 7).await).to_owned();
    let turns = Arc::new(Mutex::new(0));
    let others = tokio::spawn({
        let turns = Arc::clone(&turns);
        async move {
            loop {
                *turns.lock().unwrap() += 1;
                tokio::task::yield_now().await;
            }
        }
    });
    let before = server.commands().await;
    assert_eq!(read(&engine, &id).await, Some(7));
    *turns.lock().unwrap() = 0;
    for _ in 0..10_000 {
        assert_eq!(read(&engine, &id).await, Some(7));
    }
    let turns = *turns.lock().unwrap();
    others.abort();
    // The first read asked, and nothing else.
    assert_eq!(asked_since(&server, &before).await, 2);
    assert!(turns > 50, "{turns} turns");
}
