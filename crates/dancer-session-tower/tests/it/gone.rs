//! Clients that have gone and handlers that were slow, when something of the request goes on.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use axum::{Extension, Router, routing::get};
use dancer_session::{CookieSettings, Error, Settings};
use dancer_session_tower::{Flushed, Session, SessionEngine, SessionHandle, SessionLayer};
use testbench::{Proxy, RedisServer};
use tokio::sync::{Notify, mpsc};
use tower::ServiceExt;

use crate::app::{ask, body, given, memory, routes, set_cookie};

type Said = mpsc::UnboundedReceiver<Result<Flushed, Error>>;

/// Polls a request so often, and drops it: the client has gone.
async fn gone_after(app: &Router, path: &str, cookie: &str, polls: usize) {
    let request = Request::get(path).header(header::COOKIE, cookie);
    let mut request = Box::pin(app.clone().oneshot(request.body(Body::empty()).unwrap()));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        assert!(request.as_mut().poll(&mut context).is_pending());
        tokio::task::yield_now().await;
    }
}

/// A visitor of an application with one more route, whose client goes; what the route's task says.
async fn visit(
    route: axum::routing::MethodRouter,
    go: &Notify,
    mut said: Said,
) -> (String, Result<Flushed, Error>) {
    let (engine, _) = memory();
    let app = routes()
        .route("/gone", route)
        .layer(SessionLayer::new(engine));
    let cookie = given(&ask(&app, "/count", None).await);
    gone_after(&app, "/gone", &cookie, 3).await;
    go.notify_one();
    let said = said.recv().await.unwrap();
    (body(ask(&app, "/read", Some(&cookie)).await).await, said)
}

#[tokio::test]
async fn who_takes_the_session_after_the_client_has_gone_gets_no_new_id() {
    let go = Arc::new(Notify::new());
    let (say, said) = mpsc::unbounded_channel();
    let waits = Arc::clone(&go);
    let route = get(async move |Extension(handle): Extension<SessionHandle>| {
        tokio::spawn(async move {
            waits.notified().await;
            let session = handle.session().await.unwrap();
            session.renew();
            say.send(session.flush().await).unwrap();
        });
        std::future::pending::<()>().await
    });
    let (found, said) = visit(route, &go, said).await;
    assert!(said.unwrap_err().is_refused());
    assert_eq!(found, "Some(1)", "the id that the client has still works");
}

#[tokio::test]
async fn rule_4_13_a_task_that_goes_on_does_not_store_what_the_dropped_handler_had_set() {
    let go = Arc::new(Notify::new());
    let (say, said) = mpsc::unbounded_channel();
    let waits = Arc::clone(&go);
    let route = get(async move |session: Session| {
        session.set("n", 99).unwrap();
        session.renew();
        tokio::spawn(async move {
            waits.notified().await;
            session.set("audit", 1).unwrap();
            say.send(session.flush().await).unwrap();
        });
        std::future::pending::<()>().await
    });
    let (found, said) = visit(route, &go, said).await;
    assert_eq!(
        said.unwrap(),
        Flushed::Stored,
        "its own change is its own business"
    );
    assert_eq!(found, "Some(1)");
}

/// Asks for the log-out when it is dropped.
struct Bye(Session);

impl Drop for Bye {
    fn drop(&mut self) {
        self.0.destroy();
    }
}

#[tokio::test]
async fn rule_4_13_a_guard_of_the_dropped_handler_logs_out() {
    let (engine, _) = memory();
    let route = get(async |session: Session| {
        let _bye = Bye(session);
        std::future::pending::<()>().await
    });
    let app = routes()
        .route("/gone", route)
        .layer(SessionLayer::new(engine));
    let cookie = given(&ask(&app, "/count", None).await);
    gone_after(&app, "/gone", &cookie, 3).await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(body(ask(&app, "/read", Some(&cookie)).await).await, "None");
}

fn sliding() -> SessionEngine {
    let cookie = CookieSettings {
        expires: Some(Duration::from_secs(3600)),
        ..CookieSettings::default()
    };
    let settings = Settings {
        cookie,
        ..Settings::default()
    };
    SessionEngine::in_memory(settings).unwrap()
}

/// A cookie that slides is sent with every answer, but a slow one must not bring an old id back.
#[tokio::test]
async fn r08_a_slow_reader_does_not_put_an_old_cookie_over_a_newer_one() {
    for faster in ["/log-in", "/log-out"] {
        let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (arrives, waits) = (Arc::clone(&arrived), Arc::clone(&go));
        let slow = get(async move |session: Session| {
            arrives.notify_one();
            waits.notified().await;
            session.len().to_string()
        });
        let app = routes()
            .route("/slow", slow)
            .layer(SessionLayer::new(sliding()));
        let old = given(&ask(&app, "/count", None).await);
        let late = tokio::spawn({
            let (app, old) = (app.clone(), old.clone());
            async move { ask(&app, "/slow", Some(&old)).await }
        });
        arrived.notified().await;
        assert_ne!(given(&ask(&app, faster, Some(&old)).await), old);
        go.notify_one();
        assert_eq!(set_cookie(&late.await.unwrap()), None, "behind {faster}");
        // Nor does a later one that reads under the stub.
        assert_eq!(set_cookie(&ask(&app, "/read", Some(&old)).await), None);
    }
}

#[tokio::test]
async fn a_session_that_begins_and_ends_in_one_request_leaves_no_cookie() {
    let (engine, _) = memory();
    let brief = get(async |session: Session| {
        session.set("n", 1).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Created);
        session.destroy();
    });
    let app = routes()
        .route("/brief", brief)
        .layer(SessionLayer::new(engine));
    assert_eq!(set_cookie(&ask(&app, "/brief", None).await), None);
}

#[tokio::test]
async fn a_log_out_during_the_handlers_own_flush_removes_the_cookie() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server).await;
    let settings = Settings {
        server: Some(proxy.url()),
        timeout: Duration::from_secs(20),
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let bye = get(async |session: Session| {
        session.set("n", 5).unwrap();
        let destroy = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            session.destroy();
        };
        let (flushed, ()) = tokio::join!(session.flush(), destroy);
        assert_eq!(flushed.unwrap(), Flushed::Stored);
    });
    let app = routes().route("/bye", bye).layer(SessionLayer::new(engine));
    let cookie = given(&ask(&app, "/count", None).await);
    proxy.delay(Duration::from_millis(100));
    let answer = ask(&app, "/bye", Some(&cookie)).await;
    proxy.delay(Duration::ZERO);
    assert_eq!(given(&answer), "__Host-id=");
    assert_eq!(body(ask(&app, "/read", Some(&cookie)).await).await, "None");
}

#[tokio::test]
async fn r25_an_answer_made_without_the_session_that_was_wanted_varies_too() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server).await;
    let settings = Settings {
        server: Some(proxy.url()),
        timeout: Duration::from_millis(300),
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let lenient = get(
        async |session: Result<Session, dancer_session_tower::Error>| {
            session.map_or("hello", |_| "hello again")
        },
    );
    let app = routes()
        .route("/lenient", lenient)
        .layer(SessionLayer::new(engine));
    let cookie = given(&ask(&app, "/count", None).await);
    proxy.black_hole(true);
    let answer = ask(&app, "/lenient", Some(&cookie)).await;
    assert_eq!(answer.headers()[header::VARY], "Cookie");
    assert_eq!(body(answer).await, "hello");
}
