//! The connection: made by the settings, made again when lost, never waited for too long.

use std::time::{Duration, Instant};

use dancer_session::{Flushed, Secret, SessionEngine, Settings};
use testbench::{Ending, Proxy, RedisServer};

use super::{apart, init};
use crate::bench::{Bench, Kind, get, id};

fn on(server: &RedisServer) -> Settings {
    Settings {
        sock: Some(server.sock().to_owned()),
        ..Settings::default()
    }
}

async fn works(engine: &SessionEngine) {
    let session = engine.create().await.unwrap();
    session.set("n", 1).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let again = engine.retrieve(&id(&session)).await.unwrap().unwrap();
    assert_eq!(get(&again, "n"), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_unix_socket_by_tcp_and_by_url() {
    let server = RedisServer::start_tcp();
    let address = server.address().unwrap().to_string();
    let places = [
        on(&server),
        Settings {
            server: Some(address.clone()),
            ..Settings::default()
        },
        Settings::from_url(&server.url()).unwrap(),
        Settings::from_url(&format!("unix://{}", server.sock().display())).unwrap(),
    ];
    for settings in places {
        let engine = init(settings).await.unwrap();
        works(&engine).await;
        let place = engine.place();
        assert!(
            place.contains(&address) || place.contains("redis.sock"),
            "{place}"
        );
    }
}

fn with_users() -> (RedisServer, Settings) {
    let server = RedisServer::start_with(&[
        "--requirepass",
        "top-secret",
        "--user",
        "anna",
        "on",
        ">her-own",
        "~*",
        "+@all",
    ]);
    let anna = Settings {
        username: Some("anna".into()),
        password: Some(Secret::from("her-own")),
        ..on(&server)
    };
    (server, anna)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_password_user_and_database() {
    let (server, anna) = with_users();
    let settings = Settings {
        password: Some(Secret::from("top-secret")),
        database: Some(3),
        ..on(&server)
    };
    let engine = init(settings).await.unwrap();
    works(&engine).await;
    let place = engine.place();
    assert!(place.contains("database 3"), "{place}");
    let mut connection = server.connection().await;
    let select = redis::cmd("SELECT").arg(3).to_owned();
    let _: () = select.query_async(&mut connection).await.unwrap();
    let size = redis::cmd("DBSIZE");
    let keys: usize = size.query_async(&mut connection).await.unwrap();
    assert_eq!(keys, 1);
    works(&init(anna).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r31_with_the_documented_rights_and_another_database() {
    let rights = "~session:* +ping +getex +get +pttl +set +pexpire +evalsha +eval +select";
    let user = [
        &["--user", "app", "on", ">pw"],
        &rights.split(' ').collect::<Vec<_>>()[..],
    ];
    let server = RedisServer::start_with(&user.concat());
    let settings = Settings {
        username: Some("app".into()),
        password: Some(Secret::from("pw")),
        database: Some(2),
        ..on(&server)
    };
    works(&init(settings).await.unwrap()).await;
    let mut admin = server.connection().await;
    let log = redis::cmd("ACL").arg("LOG").to_owned();
    let log: Vec<redis::Value> = log.query_async(&mut admin).await.unwrap();
    assert!(log.is_empty(), "{log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_an_error_at_init_that_does_not_show_it() {
    let (server, anna) = with_users();
    let wrong = Some(Secret::from("wrong-one"));
    for settings in [
        Settings {
            password: wrong.clone(),
            ..anna
        },
        Settings {
            password: wrong,
            ..on(&server)
        },
        on(&server),
    ] {
        let begun = Instant::now();
        let error = init(settings).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(2));
        assert!(error.is_unavailable(), "{error}");
        let words = format!("{error} {error:?}");
        assert!(words.contains("redis.sock"), "{words}");
        assert!(
            words.contains("AUTH") || words.contains("assword"),
            "{words}"
        );
        assert!(!words.contains("wrong-one"), "{words}");
    }
}

const CA: &str = "DANCER_SESSION_TEST_TLS";

#[test]
fn over_tls_with_a_private_authority() {
    let server = RedisServer::start_tls();
    let child = |ca: Option<std::path::PathBuf>| {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let (_, module) = module_path!().split_once("::").unwrap();
        let test = format!("{module}::one_client_over_tls");
        child.args(["--exact", &test, "--ignored", "--nocapture"]);
        child
            .env(CA, server.url())
            .env_remove("SSL_CERT_FILE")
            .env_remove("SSL_CERT_DIR");
        child.envs(ca.map(|ca| ("SSL_CERT_FILE", ca)));
        let output = child.output().unwrap();
        let ran = String::from_utf8_lossy(&output.stdout).contains("running 1 test");
        assert!(ran, "{test} is gone");
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (trusting, words) = child(Some(server.ca_file()));
    assert!(trusting, "{words}");
    let (strange, words) = child(None);
    assert!(
        !strange && words.contains("certificate"),
        "an unknown authority: {words}"
    );
    let plain = Settings {
        server: server.address().map(|at| at.to_string()),
        ..Settings::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    assert!(
        runtime.block_on(init(plain)).is_err(),
        "no silent plain text"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by over_tls_with_a_private_authority, with its authority in SSL_CERT_FILE"]
async fn one_client_over_tls() {
    let url = std::env::var(CA).unwrap();
    let settings = Settings {
        // All the authorities of this machine are read first, which takes a test build long.
        timeout: Duration::from_secs(5),
        ..Settings::from_url(&url).unwrap()
    };
    let engine = init(settings).await.unwrap();
    works(&engine).await;
    assert!(engine.place().contains("rediss://"), "{}", engine.place());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_without_a_server_names_the_address_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = directory.path().join("nowhere.sock");
    let unused = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let table = [
        Settings {
            sock: Some(nowhere),
            ..Settings::default()
        },
        Settings {
            server: Some(unused.to_string()),
            ..Settings::default()
        },
    ];
    for settings in table {
        let begun = Instant::now();
        let error = init(settings.clone()).await.unwrap_err();
        assert!(
            begun.elapsed() < 2 * settings.timeout,
            "{:?}",
            begun.elapsed()
        );
        assert!(error.is_unavailable() && !error.is_unknown(), "{error}");
        let named = settings.address().unwrap().to_string();
        assert!(
            error.to_string().contains(&named),
            "{named} is not in {error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_black_hole_costs_no_more_than_the_deadline() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server).await;
    let timeout = Duration::from_millis(300);
    let settings = Settings {
        server: Some(proxy.url()),
        timeout,
        ..Settings::default()
    };
    let engine = init(settings).await.unwrap();
    let session = engine.create().await.unwrap();
    proxy.black_hole(true);
    for _ in 0..3 {
        let begun = Instant::now();
        let error = engine.retrieve(&id(&session)).await.unwrap_err();
        assert!(error.is_unavailable(), "{error}");
        assert!(begun.elapsed() < 2 * timeout, "{:?}", begun.elapsed());
    }
    session.set("a", 1).unwrap();
    let begun = Instant::now();
    assert!(session.flush().await.unwrap_err().is_unavailable());
    assert!(begun.elapsed() < 2 * timeout);
    proxy.black_hole(false);
    // The outage was longer than one deadline, so it is not tried with every call any more.
    while engine.retrieve(&id(&session)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    works(&engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgets_its_scripts_costs_no_error() {
    let bench = Bench::new(Kind::Redis).await;
    let session = bench.session(&[("a", 1)]).await;
    let mut connection = bench.server().connection().await;
    for n in 0..3 {
        let _: () = redis::cmd("SCRIPT")
            .arg("FLUSH")
            .query_async(&mut connection)
            .await
            .unwrap();
        session.set("a", n).unwrap();
        if n == 2 {
            session.renew();
        }
        let _ = session.flush().await.unwrap();
    }
    assert_eq!(get(&bench.again(&session).await, "a"), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_costs_no_error() {
    let server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let settings = Settings {
        timeout: Duration::from_secs(20),
        ..on(&server)
    };
    let engine = init(settings).await.unwrap();
    let session = engine.create().await.unwrap();
    for (n, ending) in (1..).zip([Ending::Crash, Ending::Shutdown, Ending::Crash]) {
        server.restart(ending);
        session.set("n", n).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        server.restart(ending);
        let again = engine.retrieve(&id(&session)).await.unwrap().unwrap();
        assert_eq!(get(&again, "n"), Some(n));
    }
    // Also when it is down for a while, and when the request is there first.
    server.stop(Ending::Crash);
    let late = apart({
        let (engine, id) = (engine.clone(), id(&session));
        async move { engine.retrieve(&id).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.launch();
    assert!(late.await.unwrap().unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_4_14_the_handle_does_not_disturb_the_sessions() {
    let bench = Bench::new(Kind::Redis).await;
    let session = bench.session(&[("a", 1)]).await;
    let mut handle = bench.engine.redis().await.unwrap();
    let _: () = redis::cmd("SELECT")
        .arg(5)
        .query_async(&mut handle)
        .await
        .unwrap();
    let _: () = redis::cmd("MULTI").query_async(&mut handle).await.unwrap();
    let _: String = redis::cmd("SET")
        .arg("x")
        .arg(1)
        .query_async(&mut handle)
        .await
        .unwrap();
    assert_eq!(get(&bench.again(&session).await, "a"), Some(1));
    // A blocking command, too, blocks only its own connection.
    let _: redis::Value = redis::cmd("EXEC").query_async(&mut handle).await.unwrap();
    let blocked = tokio::spawn(async move {
        redis::cmd("BLPOP")
            .arg("nothing")
            .arg(2)
            .query_async::<redis::Value>(&mut handle)
            .await
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begun = Instant::now();
    let _ = bench.again(&session).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    blocked.await.unwrap().unwrap();
    // The same connection again, and another one when that is dead.
    let mut handle = bench.engine.redis().await.unwrap();
    let of = async |handle: &mut redis::aio::MultiplexedConnection| -> u64 {
        redis::cmd("CLIENT")
            .arg("ID")
            .query_async(handle)
            .await
            .unwrap()
    };
    let first = of(&mut handle).await;
    assert_eq!(of(&mut bench.engine.redis().await.unwrap()).await, first);
    let mut admin = bench.server().connection().await;
    let _: u64 = redis::cmd("CLIENT")
        .arg("KILL")
        .arg("ID")
        .arg(first)
        .query_async(&mut admin)
        .await
        .unwrap();
    assert_ne!(of(&mut bench.engine.redis().await.unwrap()).await, first);

    let memory = SessionEngine::in_memory(Settings::default()).unwrap();
    let error = memory.redis().await.unwrap_err();
    assert!(
        error.is_refused() && error.to_string().contains("memory"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_least_privilege_and_foreign_keys() {
    let server = RedisServer::start();
    let mut admin = server.connection().await;
    let rights = "ACL SETUSER app on >pw ~session:* \
                  +ping +getex +get +pttl +set +pexpire +evalsha +eval";
    let mut words = rights.split_whitespace();
    let mut acl = redis::cmd(words.next().unwrap());
    acl.arg(words.collect::<Vec<_>>());
    let _: () = acl.query_async(&mut admin).await.unwrap();
    let canaries = canaries(&mut admin).await;

    let settings = Settings {
        username: Some("app".into()),
        password: Some(Secret::from("pw")),
        ..on(&server)
    };
    let engine = init(settings).await.unwrap();
    let mut monitor = server.monitor();
    for n in 0..2_000 {
        // Names of foreign keys, among them those that have the shape of an id.
        let presented = &canaries[n % canaries.len()];
        assert!(engine.retrieve(presented).await.unwrap().is_none());
        let session = engine.anonymous();
        session.set("a", n).unwrap();
        let _ = session.flush().await.unwrap();
        session.set("a", n + 1).unwrap();
        if n % 3 == 0 {
            session.renew();
        }
        let _ = session.flush().await.unwrap();
        let _ = engine.retrieve(&id(&session)).await.unwrap().unwrap();
        if n % 2 == 0 {
            session.destroy();
            let _ = session.flush().await.unwrap();
        }
    }
    for line in monitor.lines() {
        let keys: Vec<_> = line
            .split('"')
            .filter(|word| canaries.iter().any(|key| key == word))
            .collect();
        assert!(keys.is_empty(), "a foreign key in {line}");
        let names_key = ["GETEX", "SET", "EVALSHA", "EVAL", "PEXPIRE"]
            .iter()
            .any(|name| line.contains(&format!("\"{name}\"")));
        assert!(!names_key || line.contains("\"session:"), "{line}");
    }
    let log: Vec<redis::Value> = redis::cmd("ACL")
        .arg("LOG")
        .query_async(&mut admin)
        .await
        .unwrap();
    assert!(log.is_empty(), "{log:?}");
    for key in &canaries {
        assert_eq!(server.pttl(key).await, -1, "{key} was given an expiry");
    }
    assert_eq!(fingerprint_of(&mut admin, &canaries).await, CANARIES);
}

const CANARIES: [&str; 6] = ["string", "list", "hash", "set", "zset", "stream"];

/// Keys of all six types without an expiry, named so that a client could present them.
async fn canaries(admin: &mut redis::aio::MultiplexedConnection) -> Vec<String> {
    let writes = [
        "SET K v",
        "RPUSH K v",
        "HSET K f v",
        "SADD K v",
        "ZADD K 1 v",
        "XADD K 1-1 f v",
    ];
    let mut names = Vec::new();
    for (n, write) in writes.iter().enumerate() {
        // 43 characters of the alphabet of ids.
        let name = format!("{:-<42}A", format!("canary{n}"));
        let write = write.replace('K', &name);
        let mut words = write.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>());
        let _: redis::Value = command.query_async(admin).await.unwrap();
        names.push(name);
    }
    names
}

async fn fingerprint_of(
    admin: &mut redis::aio::MultiplexedConnection,
    keys: &[String],
) -> Vec<String> {
    let mut types = Vec::new();
    for key in keys {
        types.push(
            redis::cmd("TYPE")
                .arg(key)
                .query_async(admin)
                .await
                .unwrap(),
        );
    }
    types
}
