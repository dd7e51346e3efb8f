//! What requests do to sessions and cookies.

use std::time::Duration;

use axum::http::{StatusCode, header};
use dancer_session::{OnUnreadable, Settings};
use dancer_session_tower::{Flushed, SessionEngine};
use testbench::{Commands, Ending, RedisServer};

use crate::app::{app, ask, body, given, memory, set_cookie};

#[tokio::test]
async fn the_cookie_comes_with_the_first_write_and_then_no_more() {
    let (_, app) = memory();
    assert_eq!(set_cookie(&ask(&app, "/nothing", None).await), None);
    assert_eq!(set_cookie(&ask(&app, "/read", None).await), None);
    let first = ask(&app, "/count", None).await;
    let (cookie, attributes) = set_cookie(&first).unwrap();
    assert_eq!(body(first).await, "1");
    assert_eq!(cookie.strip_prefix("__Host-id=").unwrap().len(), 43);
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Secure; Path=/");
    for expected in ["2", "3"] {
        let next = ask(&app, "/count", Some(&cookie)).await;
        assert_eq!(set_cookie(&next), None);
        assert_eq!(body(next).await, expected);
    }
}

#[tokio::test]
async fn r02_an_unknown_id_is_answered_with_another() {
    let (_, app) = memory();
    let unknown = format!("__Host-id={}", "A".repeat(43));
    assert_eq!(set_cookie(&ask(&app, "/read", Some(&unknown)).await), None);
    let response = ask(&app, "/count", Some(&unknown)).await;
    assert_ne!(given(&response), unknown);
}

#[tokio::test]
async fn log_in_changes_the_cookie_and_log_out_removes_it() {
    let (_, app) = memory();
    let before = given(&ask(&app, "/count", None).await);
    let after = given(&ask(&app, "/log-in", Some(&before)).await);
    assert_ne!(after, before);
    assert_eq!(
        body(ask(&app, "/read", Some(&after)).await).await,
        "Some(1)"
    );
    // A request that still comes with the old one leaves the browser's cookie alone.
    let late = ask(&app, "/count", Some(&before)).await;
    assert_eq!(set_cookie(&late), None);
    let out = ask(&app, "/log-out", Some(&after)).await;
    let (cookie, attributes) = set_cookie(&out).unwrap();
    assert_eq!(cookie, "__Host-id=");
    assert_eq!(
        attributes,
        "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"
    );
    assert_eq!(body(ask(&app, "/read", Some(&after)).await).await, "None");
    assert_eq!(set_cookie(&ask(&app, "/log-out", None).await), None);
}

#[tokio::test]
async fn rule_4_13_a_failed_request_changes_nothing_but_logs_out() {
    let (_, app) = memory();
    let cookie = given(&ask(&app, "/count", None).await);
    let failed = ask(&app, "/fail", Some(&cookie)).await;
    assert_eq!(set_cookie(&failed), None);
    assert_eq!(
        body(ask(&app, "/read", Some(&cookie)).await).await,
        "Some(1)"
    );
    let out = ask(&app, "/log-out-and-fail", Some(&cookie)).await;
    assert_eq!(out.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(given(&out), "__Host-id=");
    assert_eq!(body(ask(&app, "/read", Some(&cookie)).await).await, "None");
}

#[tokio::test]
async fn rule_4_8_one_request_has_one_session_and_one_read() {
    let server = RedisServer::start();
    let settings = Settings {
        sock: Some(server.sock().to_owned()),
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let app = app(&engine);
    let cookie = given(&ask(&app, "/flush-twice", None).await);
    let _ = ask(&app, "/count", Some(&cookie)).await;
    let before = server.commands().await;
    let response = ask(&app, "/together", Some(&cookie)).await;
    assert_eq!(body(response).await, "Some(7)");
    let spent = server.commands().await.since(&before);
    let expected = [("getex", 1), ("evalsha", 1), ("get", 1), ("set", 1)];
    assert_eq!(spent, Commands::from(expected));
    // And who doesn't take it pays nothing.
    let before = server.commands().await;
    let _ = ask(&app, "/nothing", Some(&cookie)).await;
    assert_eq!(server.commands().await.since(&before), Commands::default());
}

#[tokio::test]
async fn an_explicit_flush_tells_what_it_did_and_the_cookie_still_comes() {
    let (_, app) = memory();
    let response = ask(&app, "/flush-twice", None).await;
    let cookie = given(&response);
    assert_eq!(
        body(response).await,
        format!("{:?} {:?}", Flushed::Created, Flushed::Stored)
    );
    assert_eq!(
        body(ask(&app, "/read", Some(&cookie)).await).await,
        "Some(11)"
    );
}

#[tokio::test]
async fn r33_a_fault_is_a_503_and_touches_no_cookie() {
    let server = RedisServer::start_with(&["--appendonly", "yes"]);
    let settings = Settings {
        sock: Some(server.sock().to_owned()),
        timeout: Duration::from_millis(300),
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let app = app(&engine);
    let cookie = given(&ask(&app, "/count", None).await);
    server.stop(Ending::Shutdown);
    for (path, cookie) in [
        ("/read", Some(&cookie)),
        ("/log-out", Some(&cookie)),
        ("/count", None),
    ] {
        let failed = ask(&app, path, cookie.map(String::as_str)).await;
        assert_eq!(failed.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(failed.headers()[header::RETRY_AFTER], "1");
        assert_eq!(set_cookie(&failed), None);
        assert_eq!(body(failed).await, "");
    }
    assert_eq!(
        ask(&app, "/nothing", Some(&cookie)).await.status(),
        StatusCode::OK
    );
    server.launch();
    // After an outage that long, it is not asked with every request.
    let mut counted = ask(&app, "/count", Some(&cookie)).await;
    while counted.status() != StatusCode::OK {
        tokio::time::sleep(Duration::from_millis(20)).await;
        counted = ask(&app, "/count", Some(&cookie)).await;
    }
    assert_eq!(body(counted).await, "2");
}

#[tokio::test]
async fn what_cannot_be_read_is_a_500_or_an_anonymous_visitor() {
    for on_unreadable in [OnUnreadable::Refuse, OnUnreadable::Anonymous] {
        let server = RedisServer::start();
        let settings = Settings {
            sock: Some(server.sock().to_owned()),
            on_unreadable,
            ..Settings::default()
        };
        let engine = SessionEngine::init(settings).await.unwrap();
        let app = app(&engine);
        let cookie = given(&ask(&app, "/count", None).await);
        let key = server.scan().await.remove(0);
        let mut connection = server.connection().await;
        let mut damage = redis::cmd("SETRANGE");
        damage.arg(&key).arg(0).arg("damaged");
        let _: u64 = damage.query_async(&mut connection).await.unwrap();
        let get = redis::cmd("GET").arg(&key).to_owned();
        let before: Vec<u8> = get.query_async(&mut connection).await.unwrap();
        let response = ask(&app, "/count", Some(&cookie)).await;
        match on_unreadable {
            OnUnreadable::Refuse => {
                assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
                assert_eq!(set_cookie(&response), None);
                assert_eq!(body(response).await, "");
            }
            OnUnreadable::Anonymous => {
                assert_ne!(given(&response), cookie);
                assert_eq!(body(response).await, "1");
            }
        }
        let after: Vec<u8> = get.query_async(&mut connection).await.unwrap();
        assert_eq!(after, before, "the stored bytes were changed");
    }
}
