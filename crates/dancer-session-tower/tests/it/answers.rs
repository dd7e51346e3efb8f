//! Answers of the application's own to faults, and to a session that has ended.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use axum::{Router, routing::get};
use dancer_session::Settings;
use dancer_session_tower::{Answers, Error, PlainAnswers, Session, SessionEngine, SessionLayer};
use testbench::{Ending, RedisServer};

use crate::app::{app, ask, body, given, routes, set_cookie};
use crate::log::Log;

#[derive(Clone)]
struct Friendly;

impl Answers<Body> for Friendly {
    fn fault(&self, error: &Error) -> Response<Body> {
        let status = match error.is_unavailable() {
            true => StatusCode::SERVICE_UNAVAILABLE,
            false => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let answer = Response::builder().status(status);
        answer.body("please come back".into()).unwrap()
    }

    fn ended(&self, _: Response<Body>) -> Response<Body> {
        let redirect = Response::builder().status(StatusCode::SEE_OTHER);
        redirect
            .header(header::LOCATION, "/log-in")
            .body(Body::empty())
            .unwrap()
    }
}

#[tokio::test]
async fn a_fault_is_answered_by_the_application_wherever_it_happens() {
    let server = RedisServer::start_with(&["--appendonly", "yes"]);
    let settings = Settings {
        sock: Some(server.sock().to_owned()),
        timeout: Duration::from_millis(200),
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let app = routes().layer(SessionLayer::new(engine).answers(Friendly));
    let cookie = given(&ask(&app, "/count", None).await);
    server.stop(Ending::Shutdown);
    // While reading, while flushing, in the handler's own flush, and twice in one request.
    let requests = [
        ("/read", Some(&cookie)),
        ("/count", None),
        ("/flush-twice", None),
        ("/flush-twice", Some(&cookie)),
    ];
    for (path, cookie) in requests {
        let answer = ask(&app, path, cookie.map(String::as_str)).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(set_cookie(&answer), None);
        assert_eq!(body(answer).await, "please come back", "{path}");
    }
    server.launch();
    // After an outage that long, it is not asked with every request.
    let counted = loop {
        let answer = ask(&app, "/count", Some(&cookie)).await;
        if answer.status() == StatusCode::OK {
            break body(answer).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(counted, "2");
}

/// Two hundred requests that can't read their session, and two hundred that can't store it.
#[tokio::test]
async fn r45_an_outage_is_told_once_and_not_with_every_request() {
    const REQUESTS: usize = 200;
    let server = RedisServer::start();
    let settings = Settings {
        sock: Some(server.sock().to_owned()),
        timeout: Duration::from_millis(200),
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let app = app(&engine);
    let cookie = given(&ask(&app, "/count", None).await);
    server.stop(Ending::Shutdown);
    let log = Log::default();
    let _listening = log.listen();
    for _ in 0..REQUESTS {
        for cookie in [Some(&*cookie), None] {
            let answer = ask(&app, "/count", cookie).await;
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        }
    }
    let log = log.text();
    for event in ["retrieve_failed", "flush_failed"] {
        let told = |level: &str| {
            let of = |line: &&str| line.contains(level) && line.contains(event);
            log.lines().filter(of).count()
        };
        assert_eq!(told("ERROR"), 1, "{event}");
        assert_eq!(told("DEBUG"), REQUESTS - 1, "{event}");
    }
}

#[tokio::test]
async fn the_end_of_a_session_is_answered_by_the_application() {
    let engine = SessionEngine::in_memory(Settings::default()).unwrap();
    let own = routes().layer(SessionLayer::new(engine.clone()).answers(Friendly));
    let plain = routes().layer(SessionLayer::new(engine).answers(PlainAnswers));
    let cookie = given(&ask(&own, "/count", None).await);
    let _ = ask(&own, "/log-out", Some(&cookie)).await;
    let answer = ask(&own, "/count", Some(&cookie)).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(set_cookie(&answer), None);
    // Reading alone loses nothing.
    assert_eq!(
        ask(&own, "/read", Some(&cookie)).await.status(),
        StatusCode::OK
    );
    let answer = ask(&plain, "/count", Some(&cookie)).await;
    assert_eq!(
        (answer.status(), set_cookie(&answer)),
        (StatusCode::OK, None)
    );
    assert_eq!(body(answer).await, "1", "the handler's own answer");
}

#[tokio::test]
async fn all_who_take_a_session_that_fails_get_the_same_fault_at_once() {
    let server = RedisServer::start();
    let timeout = Duration::from_millis(300);
    let settings = Settings {
        sock: Some(server.sock().to_owned()),
        timeout,
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let handler = async |a: Result<Session, Error>, b: Result<Session, Error>| {
        format!(
            "{} {}",
            a.unwrap_err().is_unavailable(),
            b.unwrap_err().is_unavailable()
        )
    };
    let app = Router::new()
        .route("/", get(handler))
        .layer(SessionLayer::new(engine));
    server.stop(Ending::Crash);
    let begun = std::time::Instant::now();
    let answer = ask(&app, "/", Some(&format!("__Host-id={}", "A".repeat(43)))).await;
    assert_eq!(body(answer).await, "true true");
    assert!(begun.elapsed() < 2 * timeout);
}

#[tokio::test]
async fn a_session_without_a_layer_says_what_to_do() {
    let app = Router::new().route(
        "/",
        get(async |session: Result<Session, Error>| session.unwrap_err().to_string()),
    );
    assert!(
        body(ask(&app, "/", None).await)
            .await
            .contains("SessionLayer::new")
    );
    let app = Router::new().route("/", get(async |_: Session| ()));
    let answer = ask(&app, "/", None).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_log_in_too_many_is_no_welcome() {
    let settings = Settings {
        max_sessions: Some(1),
        on_max_sessions: dancer_session::OnMaxSessions::Refuse,
        ..Settings::default()
    };
    let engine = SessionEngine::in_memory(settings).unwrap();
    async fn welcome(session: Session) -> Result<&'static str, Error> {
        session.log_in()?;
        session.set_owner("user:42")?;
        Ok("welcome")
    }
    let routes = || Router::new().route("/", get(welcome));
    let plain = routes().layer(SessionLayer::new(engine.clone()));
    let friendly = routes().layer(SessionLayer::new(engine).answers(Friendly));
    let first = ask(&plain, "/", None).await;
    assert!(set_cookie(&first).is_some());
    assert_eq!(body(first).await, "welcome");
    for (app, says) in [(plain, ""), (friendly, "welcome")] {
        let answer = ask(&app, "/", None).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert_eq!(set_cookie(&answer), None);
        assert_eq!(body(answer).await, says);
    }
}
