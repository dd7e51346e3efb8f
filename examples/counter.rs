//! `cargo run -p examples --example counter`, then open <http://127.0.0.1:3001/>.
//!
//! Counts the visits of each visitor, as text or as JSON:
//! `curl -c jar -b jar -H 'Accept: application/json' http://127.0.0.1:3001/`.
//! With `REDIS_URL=redis://127.0.0.1:6379/` before the command the sessions live in Redis and
//! survive a restart; without, they live in memory.

use std::env;

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CACHE_CONTROL, VARY};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use dancer_session_tower::{Error, Flushed, Session, SessionEngine, SessionLayer, Settings};
use serde::Serialize;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = engine().await?;
    eprintln!("http://127.0.0.1:3001/, sessions in {}", engine.place());
    let listener = TcpListener::bind("127.0.0.1:3001").await?;
    Ok(axum::serve(listener, app(engine)).await?)
}

async fn engine() -> Result<SessionEngine, dancer_session::Error> {
    let mut settings = Settings {
        server: env::var("REDIS_URL").ok(),
        ..Settings::default()
    };
    // A browser sends a secure cookie over HTTPS only, and this is plain HTTP. A real site leaves
    // it on: without it, whoever listens to the network has the session.
    settings.cookie.secure = false;
    SessionEngine::init_or_in_memory(settings).await
}

/// The whole application. The layer goes around the routes: those that take no `Session` cost no
/// round trip.
pub(crate) fn app(engine: SessionEngine) -> Router {
    Router::new()
        .route("/", get(count))
        .route("/health", get(async || "well\n"))
        .layer(SessionLayer::new(engine))
}

#[derive(Serialize)]
struct Visits {
    visits: u32,
}

async fn count(session: Session, asked: HeaderMap) -> Result<Response, Error> {
    // Not `get` and `set`: two requests at the same time would read the same number. The closure is
    // called again if another request was faster.
    session.update("visits", |visits: Option<u32>| visits.unwrap_or(0) + 1)?;

    // The layer would flush after this handler, but then the answer could only tell the number that
    // this request made of what it read. After a flush, `get` shows what was stored.
    let visits = match session.flush().await? {
        // Another request has destroyed the session meanwhile; nothing was counted.
        Flushed::Ended => 0,
        _ => session.get("visits")?.unwrap_or(0),
    };

    // Each visit counts, so no cache may answer for us. `Vary: Cookie` comes from the layer.
    let headers = [(CACHE_CONTROL, "no-store"), (VARY, ACCEPT.as_str())];
    Ok(if wants_json(&asked) {
        (headers, Json(Visits { visits })).into_response()
    } else {
        (headers, format!("visit {visits}\n")).into_response()
    })
}

fn wants_json(asked: &HeaderMap) -> bool {
    let accept = asked.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("application/json"))
}
