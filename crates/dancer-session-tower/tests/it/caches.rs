//! What caches between may do with an answer (R25).

use axum::http::header::{CACHE_CONTROL, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::{Router, routing::get};
use dancer_session::Settings;
use dancer_session_tower::{Session, SessionEngine, SessionLayer};

use crate::app::{ask, given, routes};

/// An application whose handlers set this header themselves.
fn app(name: HeaderName, value: &'static str) -> Router {
    let header =
        HeaderMap::from_iter((!value.is_empty()).then(|| (name, HeaderValue::from_static(value))));
    let read = header.clone();
    let engine = SessionEngine::in_memory(Settings::default()).unwrap();
    Router::new()
        .route(
            "/write",
            get(async move |session: Session| {
                session.set("a", 1).unwrap();
                header
            }),
        )
        .route(
            "/read",
            get(async move |session: Session| {
                assert!(!session.contains("b"));
                read
            }),
        )
        .route("/nothing", get(async || ()))
        .layer(SessionLayer::new(engine))
}

fn all(headers: &HeaderMap, name: HeaderName) -> String {
    let values = headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().unwrap());
    values.collect::<Vec<_>>().join(" | ")
}

#[tokio::test]
async fn r25_answers_with_an_id_are_not_stored_by_caches() {
    // What the handler says, and what the answer says with an id and without one.
    let table = [
        ("", "no-store", ""),
        ("no-store", "no-store", "no-store"),
        ("NO-STORE", "NO-STORE", "NO-STORE"),
        (
            "private, no-store, max-age=0",
            "private, no-store, max-age=0",
            "private, no-store, max-age=0",
        ),
        (
            "public, max-age=3600",
            "public, max-age=3600 | no-store",
            "public, max-age=3600",
        ),
        ("no-cache", "no-cache | no-store", "no-cache"),
    ];
    for (handler, with_id, without) in table {
        let app = app(CACHE_CONTROL, handler);
        let first = ask(&app, "/write", None).await;
        assert_eq!(all(first.headers(), CACHE_CONTROL), with_id, "{handler}");
        let second = ask(&app, "/read", Some(&given(&first))).await;
        assert_eq!(all(second.headers(), CACHE_CONTROL), without, "{handler}");
    }
}

#[tokio::test]
async fn r25_answers_made_from_a_session_vary_with_the_cookie() {
    let table = [
        ("", "Cookie"),
        ("Cookie", "Cookie"),
        ("accept, COOKIE", "accept, COOKIE"),
        ("accept", "accept | Cookie"),
        ("*", "*"),
    ];
    for (handler, answer) in table {
        let app = app(VARY, handler);
        let first = ask(&app, "/write", None).await;
        assert_eq!(all(first.headers(), VARY), answer, "{handler}");
        let second = ask(&app, "/read", Some(&given(&first))).await;
        assert_eq!(all(second.headers(), VARY), answer, "{handler}");
        let nothing = ask(&app, "/nothing", Some(&given(&first))).await;
        assert_eq!(all(nothing.headers(), VARY), "");
    }
}

#[tokio::test]
async fn a_log_out_clears_site_data_if_asked_to() {
    let name = HeaderName::from_static("clear-site-data");
    let engine = SessionEngine::in_memory(Settings::default()).unwrap();
    let layer = SessionLayer::new(engine.clone());
    let directives = HeaderValue::from_static("\"cache\", \"storage\"");
    let clearing = routes().layer(layer.clone().clear_site_data(directives));
    let plain = routes().layer(layer);
    for (app, expected) in [(clearing, "\"cache\", \"storage\""), (plain, "")] {
        let first = ask(&app, "/count", None).await;
        assert_eq!(all(first.headers(), name.clone()), "");
        let out = ask(&app, "/log-out", Some(&given(&first))).await;
        assert_eq!(all(out.headers(), name.clone()), expected);
        assert_eq!(all(out.headers(), CACHE_CONTROL), "no-store");
    }
}
