//! Pages that go on while Redis does not answer (R33), and what they can't do.

use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Router, http::HeaderMap};
use dancer_session::{OnUnavailable, Settings};
use dancer_session_tower::{Session, SessionEngine, SessionLayer};
use testbench::{Ending, RedisServer};

use crate::app::{ask, body, given, routes, set_cookie};

async fn on(server: &RedisServer, on_unavailable: OnUnavailable) -> Router {
    let settings = Settings {
        sock: Some(server.sock().to_owned()),
        timeout: Duration::from_millis(200),
        on_unavailable,
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let page = async |session: Session| match session.is_read_only() {
        true => "without",
        false => "with",
    };
    let routes = routes().route("/page", get(page));
    routes.layer(SessionLayer::new(engine))
}

fn tells_the_browser_nothing(headers: &HeaderMap) -> bool {
    !headers.contains_key("set-cookie") && !headers.contains_key("clear-site-data")
}

#[tokio::test]
async fn r33_public_pages_go_on_and_nothing_else_does() {
    let server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let app = on(&server, OnUnavailable::ReadOnly).await;
    let cookie = given(&ask(&app, "/count", None).await);
    server.stop(Ending::Crash);
    // Twice: while it is waited for, and when it is not any more.
    for _ in 0..2 {
        let answer = ask(&app, "/page", Some(&cookie)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(tells_the_browser_nothing(answer.headers()));
        assert_eq!(body(answer).await, "without");
        let answer = ask(&app, "/read", Some(&cookie)).await;
        assert_eq!(body(answer).await, "None");
        // A change, a log-in, a log-out: each is an error, never done.
        for path in ["/count", "/log-in", "/log-out", "/log-out-and-fail"] {
            let answer = ask(&app, path, Some(&cookie)).await;
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert!(answer.headers().contains_key("retry-after"), "{path}");
            assert!(tells_the_browser_nothing(answer.headers()), "{path}");
        }
        // A visitor without a cookie has nothing to be read, and nothing can be stored for him.
        assert_eq!(body(ask(&app, "/page", None).await).await, "with");
        let answer = ask(&app, "/count", None).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(set_cookie(&answer), None);
    }
    server.launch();
    // The same browser is logged in again.
    let answer = loop {
        let answer = ask(&app, "/count", Some(&cookie)).await;
        if answer.status() == StatusCode::OK {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(body(answer).await, "2");
}

#[tokio::test]
async fn r33_by_default_no_page_goes_on() {
    let server = RedisServer::start();
    let app = on(&server, OnUnavailable::Refuse).await;
    let cookie = given(&ask(&app, "/count", None).await);
    server.stop(Ending::Crash);
    let answer = ask(&app, "/page", Some(&cookie)).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(tells_the_browser_nothing(answer.headers()));
}
