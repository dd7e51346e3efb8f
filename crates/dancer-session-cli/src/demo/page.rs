//! The application that the demo serves: one page, as HTML and as JSON.

use askama::Template;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use dancer_session_tower::{Error, Flushed, Session, SessionEngine, SessionLayer};
use serde::Serialize;

/// The application, with its sessions in `engine`.
pub(crate) fn app(engine: SessionEngine) -> Router {
    Router::new()
        .route("/", get(count))
        .fallback((StatusCode::NOT_FOUND, "Not found\n"))
        .layer(SessionLayer::new(engine.clone()))
        .with_state(engine)
}

/// Counts the visit. The flush comes before the answer is made, so that it shows the number that
/// was stored: of visits at the same time, no two get the same.
async fn count(
    State(engine): State<SessionEngine>,
    session: Session,
    headers: HeaderMap,
) -> Result<Response, Error> {
    session.update("counter", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    let counter = match session.flush().await? {
        Flushed::Ended => None,
        _ => session.get::<u64>("counter")?,
    };
    let page = Page {
        counter,
        session: session.id().map(|id| id.fingerprint().to_string()),
        seconds_left: session.time_left().map(|left| left.as_secs()),
        sessions_live_in: engine.place(),
        in_memory: !engine.is_in_redis(),
    };
    Ok(page.answer(&headers))
}

/// What the page shows. `counter` and `seconds_left` are missing when another request has ended
/// the session.
#[derive(Serialize, Template)]
#[template(path = "counter.html")]
struct Page {
    counter: Option<u64>,
    session: Option<String>,
    seconds_left: Option<u64>,
    sessions_live_in: String,
    #[serde(skip)]
    in_memory: bool,
}

impl Page {
    fn answer(&self, asked: &HeaderMap) -> Response {
        // Each visit counts, so no answer may be used twice.
        let headers = [(CACHE_CONTROL, "no-store"), (VARY, ACCEPT.as_str())];
        if wants_json(asked) {
            return (headers, Json(self)).into_response();
        }
        match self.render() {
            Ok(html) => (headers, Html(html)).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

/// Whether the client names JSON, and HTML not before it.
fn wants_json(asked: &HeaderMap) -> bool {
    let accepted = asked.get_all(ACCEPT).iter();
    accepted
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(','))
        .filter_map(|range| range.split(';').next())
        .map(str::trim)
        .find(|kind| matches!(*kind, "application/json" | "text/html"))
        .is_some_and(|kind| kind == "application/json")
}
