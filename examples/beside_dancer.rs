//! `cargo run -p examples --example beside_dancer -- /srv/shop/config.yml`, with the `config.yml` of
//! a Dancer application, or with the address of its Redis (`127.0.0.1:6379`); then open
//! <http://127.0.0.1:3006/> in the browser that has that application open.
//!
//! A part of a site whose other routes are still Dancer's. Both count in the same entry of the same
//! live session; a log-in here changes the id and Dancer follows; a log-out here is one there. The
//! guide docs/from-dancer.md says how to come this far, and what to mind. A real site has both behind
//! one front proxy. For a try two ports of one host do, as cookies do not know of ports; but without
//! HTTPS only while `session_secure` is 0.

use std::env;
use std::path::Path;

use axum::Router;
use axum::extract::Form;
use axum::routing::{get, post};
use dancer_session::{Layout, SameSite};
use dancer_session_tower::{Error, Flushed, Session, SessionEngine, SessionLayer, Settings};
use serde::Deserialize;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = env::args().nth(1);
    let place = place.ok_or("expected the path of a config.yml, or the address of a Redis")?;
    let engine = SessionEngine::init(settings(&place)?).await?;
    eprintln!("http://127.0.0.1:3006/, sessions in {}", engine.place());
    let listener = TcpListener::bind("127.0.0.1:3006").await?;
    Ok(axum::serve(listener, app(engine)).await?)
}

pub(crate) fn settings(place: &str) -> Result<Settings, dancer_session::Error> {
    let yaml = Path::new(place)
        .extension()
        .is_some_and(|extension| extension == "yml");
    let mut settings = if yaml {
        // Also the cookie is in there. What the file leaves out has our defaults, not Dancer's.
        Settings::from_file(place)?
    } else {
        let mut settings = Settings {
            server: Some(place.into()),
            ..Settings::default()
        };
        // As in a Dancer application without `session_*` settings, but for SameSite: what that one
        // sends, None without Secure, is refused by browsers.
        settings.cookie.name = Some("dancer.session".into());
        settings.cookie.secure = false;
        settings.cookie.http_only = true;
        settings.cookie.same_site = SameSite::Lax;
        settings
    };
    // The file may say it itself, in `redis_session`. Without it, nothing would be shared.
    settings.layout = Layout::Dancer;
    Ok(settings)
}

/// The whole application.
pub(crate) fn app(engine: SessionEngine) -> Router {
    Router::new()
        .route("/", get(count))
        // POST alone: a link on another site must not log anybody in or out.
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .layer(SessionLayer::new(engine))
}

async fn count(session: Session) -> Result<String, Error> {
    // Perl has no types: what it holds there may be 3 or "3", and is a number here all the same.
    session.update("counter", |counter: Option<u64>| counter.unwrap_or(0) + 1)?;

    // Dancer may have written since we read. The closure was run again then, and what is stored now
    // has both.
    if session.flush().await? == Flushed::Ended {
        return Ok("this session has ended\n".into());
    }
    let counter = session.get::<u64>("counter")?.unwrap_or_default();
    let user = session.get::<String>("user")?;
    let mut keys = session.keys();
    keys.sort();
    Ok(format!(
        "visit {counter} of {}\nin the session: {}\n",
        user.as_deref().unwrap_or("nobody"),
        keys.join(", "),
    ))
}

#[derive(Deserialize)]
struct LogIn {
    name: String,
}

async fn log_in(session: Session, Form(form): Form<LogIn>) -> Result<String, Error> {
    // A new id, random where Dancer's is predictable, with the same entries. The answer brings the
    // cookie; from the next request on Dancer finds the session under it. Passwords, and a value
    // against forged requests, are in the example `login`.
    session.log_in()?;
    session.set("user", &form.name)?;
    Ok(format!("hello {}\n", form.name))
}

async fn log_out(session: Session) -> &'static str {
    session.destroy();
    "bye\n"
}
