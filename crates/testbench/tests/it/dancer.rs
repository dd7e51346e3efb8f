//! The Dancer application keeps its sessions in Redis the way the manual says.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use testbench::{DancerApp, RedisServer, Visitor};

use crate::ask;

const COOKIE: &str = "dancer.session";

#[tokio::test]
async fn a_session_of_dancer_from_its_first_request_to_its_log_out() {
    let redis = RedisServer::start();
    let app = DancerApp::start(&redis);
    let visitor = Visitor::default();
    for count in ["1", "2"] {
        assert_eq!(visitor.get(app.address(), "/count").await, count);
    }
    let id = visitor.cookie(COOKIE).unwrap();
    assert_eq!(visitor.get(app.address(), "/id").await, id);
    assert_eq!(redis.scan().await, [id.as_bytes()]);
    let left = redis.pttl(&id).await;
    assert!((840_000..=900_000).contains(&left), "{left}");
    let payload: Vec<u8> = ask(&redis.connection().await, &format!("GET {id}"))
        .await
        .unwrap();
    assert!(payload.starts_with(&[0x04, 0x0b]), "{payload:x?}");

    visitor.post(app.address(), "/object", &[]).await;
    assert_eq!(visitor.get(app.address(), "/object").await, "intact");
    visitor
        .post(app.address(), "/set/digits", &[("value", "42")])
        .await;
    let changed = visitor.get(app.address(), "/object").await;
    assert_eq!(changed, "digits is characters, not bytes");

    let name = [("name", "Žofie & co.")];
    visitor.post(app.address(), "/login", &name).await;
    assert_eq!(visitor.get(app.address(), "/whoami").await, name[0].1);
    visitor.post(app.address(), "/logout", &[]).await;
    assert!(redis.scan().await.is_empty());
    assert_eq!(visitor.get(app.address(), "/whoami").await, "nobody");
    assert_ne!(visitor.cookie(COOKIE).unwrap(), id);
    assert_eq!(app.log().matches(" at ").count(), 0, "{}", app.log());
}

#[tokio::test]
async fn values_are_shown_with_their_kinds() {
    let redis = RedisServer::start();
    let app = DancerApp::start(&redis);
    let visitor = Visitor::default();
    let shown = async |route: &str, value: &str| {
        let path = format!("{route}/it");
        visitor
            .post(app.address(), &path, &[("value", value)])
            .await;
        visitor.get(app.address(), "/get/it").await
    };
    assert_eq!(shown("/set", "čaj").await, "čaj");
    assert_eq!(shown("/set_bytes", "č").await, "\u{c4}\u{8d}");
    let value = r#"{"b": [1, "1", 1.5, null, true], "a": "č"}"#;
    assert_eq!(
        shown("/set_json", value).await,
        r#"{"a":"\x{10d}","b":[1,"1",1.5,undef,JSON::PP::Boolean=\1]}"#
    );
    assert_eq!(visitor.get(app.address(), "/get/none").await, "undef");
    assert_eq!(visitor.get(app.address(), "/keys").await, "id\nit");
}

#[tokio::test]
async fn a_held_request_writes_what_it_read() {
    let redis = RedisServer::start();
    let app = DancerApp::start(&redis);
    let visitor = Visitor::default();
    visitor.get(app.address(), "/count").await;

    let gate = app.gate("gate");
    let (address, slow) = (app.address(), visitor.clone());
    let path = gate.before("/held_count");
    let held = tokio::spawn(async move { slow.get(address, &path).await });
    gate.reached().await;
    assert_eq!(visitor.get(app.address(), "/count").await, "2");
    gate.open();
    assert_eq!(held.await.unwrap(), "2", "Dancer's lost update");
    assert_eq!(visitor.get(app.address(), "/get/counter").await, "2");
}

#[tokio::test]
async fn the_environment_reaches_dancer() {
    let redis = RedisServer::start();
    let environment = [
        ("WORKERS", "1"),
        ("SESSION_NAME", "shop"),
        ("SESSION_SAME_SITE", "Lax"),
        ("REDIS_EXPIRE", "60"),
    ];
    let app = DancerApp::start_with(&redis, &environment);
    let visitor = Visitor::default();
    let answer = visitor.ask(app.address(), "GET", "/id", &[]).await;
    assert_eq!(
        answer.cookies,
        [format!(
            "shop={}; path=/; SameSite=Lax; HttpOnly",
            answer.text
        )]
    );
    assert!((1..=60_000).contains(&redis.pttl(&answer.text).await));
}

#[test]
#[should_panic(expected = "install perl libdancer-perl libredis-perl")]
fn without_its_modules_it_says_what_to_install() {
    let redis = RedisServer::start();
    DancerApp::start_with(&redis, &[("PERL5OPT", "-MNo::Such::Module")]);
}

/// Idle workers notice that their leader is gone, busy ones do not: one is kept busy.
#[test]
fn its_workers_end_with_it() {
    let redis = RedisServer::start();
    let app = DancerApp::start(&redis);
    let gate = app.directory().join("gate").display().to_string();
    let mut held = TcpStream::connect(app.address()).unwrap();
    held.set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let request = format!("GET /held_count?gate={gate} HTTP/1.0\r\n\r\n");
    held.write_all(request.as_bytes()).unwrap();
    while !Path::new(&format!("{gate}.read")).exists() {
        thread::sleep(Duration::from_millis(1));
    }
    drop(app);
    // A worker that was left behind would hold the connection, and the test.
    let ended = held.read_to_end(&mut Vec::new());
    let left_waiting = |why: &io::Error| why.kind() == io::ErrorKind::WouldBlock;
    assert!(!ended.as_ref().is_err_and(left_waiting), "{ended:?}");
}
