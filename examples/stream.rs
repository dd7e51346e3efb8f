//! `cargo run -p examples --example stream`, then open <http://127.0.0.1:3004/>.
//!
//! A long job that tells how far it is (server-sent events) and keeps that in the session, so that
//! a browser that lost the connection goes on where it was. With
//! `REDIS_URL=redis://127.0.0.1:6379/` the sessions live in Redis, else in memory.
//!
//! The layer flushes once, before the head of the response leaves. What a body does afterwards is
//! stored by an explicit `flush().await` alone, and the cookie can't change any more. So before the
//! body begins, the handler sets the session's first entry, and calls `log_in` or `renew` if it has
//! to. See `work`, and `too_late` for what happens otherwise.
//!
//! A WebSocket handler does it in the same way: it takes the `Session` beside the
//! `WebSocketUpgrade`, sets the first entry, moves the session into the closure of `on_upgrade`, and
//! flushes after each change there. Two things to know for connections that stay open for long: only
//! a retrieve or a flush with changes extends the session's life, and only such a flush learns that
//! it has ended, by a log-out in another window. Close the socket then.

use std::convert::Infallible;
use std::env;
use std::time::Duration;

use axum::Router;
use axum::response::Html;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use dancer_session_tower::{Error, Flushed, Session, SessionEngine, SessionLayer, Settings};
use futures_util::stream::{Stream, unfold};
use tokio::net::TcpListener;
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = engine().await?;
    eprintln!("http://127.0.0.1:3004/, sessions in {}", engine.place());
    let listener = TcpListener::bind("127.0.0.1:3004").await?;
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

/// The whole application.
pub(crate) fn app(engine: SessionEngine) -> Router {
    Router::new()
        .route("/", get(Html(PAGE)))
        .route("/work", get(work))
        .route("/too-late", get(too_late))
        .route("/progress", get(progress))
        .layer(SessionLayer::new(engine))
}

async fn work(session: Session) -> Result<Sse<impl Stream<Item = Sent>>, Error> {
    // Before the body: this stores a session for a visitor who had none, and its cookie leaves with
    // the head. A job that was interrupted goes on, one that was finished starts again.
    session.update("done", |done: Option<u32>| match done {
        Some(done) if done < STEPS => done,
        _ => 0,
    })?;
    Ok(events(session))
}

/// The mistake: nothing is set before the body. To a visitor without a session no cookie can be
/// given any more, so the flush in the body is refused. (Who has a session gets through.)
async fn too_late(session: Session) -> Sse<impl Stream<Item = Sent>> {
    events(session)
}

async fn progress(session: Session) -> Result<String, Error> {
    let done: Option<u32> = session.get("done")?;
    Ok(done.unwrap_or(0).to_string())
}

type Sent = Result<Event, Infallible>;

fn events(session: Session) -> Sse<impl Stream<Item = Sent>> {
    // The stream ends when there is no session to go on with; it also ends between two steps when
    // the client goes away.
    let events = unfold(Some(session), async |session| {
        let session = session?;
        let (event, goes_on) = match step(&session).await {
            Ok(Some(done)) => (told("step", &done.to_string()), done < STEPS),
            Ok(None) => (told("over", "ended by another request"), false),
            Err(error) => {
                // The head has left, so this can be no 503; and the visitor must not read it.
                eprintln!("not stored: {error}");
                (told("over", "not stored"), false)
            }
        };
        Some((Ok(event), goes_on.then_some(session)))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// Does a piece of the work and stores that it is done. `None`: another request has ended the
/// session, and nothing is stored.
async fn step(session: &Session) -> Result<Option<u32>, dancer_session::Error> {
    sleep(PACE).await;
    session.update("done", |done: Option<u32>| done.unwrap_or(0) + 1)?;
    match session.flush().await? {
        Flushed::Ended => Ok(None),
        _ => session.get("done"),
    }
}

fn told(what: &str, text: &str) -> Event {
    Event::default().event(what).data(text)
}

pub(crate) const STEPS: u32 = 10;
const PACE: Duration = Duration::from_millis(100);

const PAGE: &str = r#"<!DOCTYPE html>
<title>A long job</title>
<p><progress id="bar" max="10" value="0"></progress> <output id="told"></output>
<script>
  const source = new EventSource("/work");
  const tell = text => document.getElementById("told").textContent = text;
  source.addEventListener("step", event => {
    document.getElementById("bar").value = event.data;
    // Without this the browser would connect again, and the job start again.
    if (event.data === "10") { source.close(); tell("finished"); }
  });
  source.addEventListener("over", event => { source.close(); tell(event.data); });
</script>
"#;
