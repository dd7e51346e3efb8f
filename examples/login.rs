//! `cargo run -p examples --example login`, then open <http://127.0.0.1:3002/> and log in as `anna`
//! with the password `correct horse`.
//!
//! A form with a value against forged requests, a new id at the log-in, a message that is shown
//! once, a page for members, a log-out that is final, and answers of our own when the sessions
//! can't be reached or have ended. With `REDIS_URL=redis://127.0.0.1:6379/` the sessions live in
//! Redis, else in memory.

use std::env;
use std::time::SystemTime;

use askama::Template;
use axum::body::Body;
use axum::extract::Form;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, serve};
use dancer_session_tower::{Answers, Error, Session, SessionEngine, SessionLayer, Settings};
use serde::Deserialize;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = engine().await?;
    eprintln!("http://127.0.0.1:3002/, sessions in {}", engine.place());
    let listener = TcpListener::bind("127.0.0.1:3002").await?;
    Ok(serve(listener, app(engine)).await?)
}

async fn engine() -> Result<SessionEngine, dancer_session::Error> {
    let mut settings = Settings {
        server: env::var("REDIS_URL").ok(),
        ..Settings::default()
    };
    // A browser sends a secure cookie over HTTPS only, and this is plain HTTP. A real site leaves
    // it on: without it, whoever listens to the network is logged in as well.
    settings.cookie.secure = false;
    SessionEngine::init_or_in_memory(settings).await
}

/// The whole application.
pub(crate) fn app(engine: SessionEngine) -> Router {
    Router::new()
        .route("/", get(members))
        .route("/log-in", get(form).post(log_in))
        // POST alone: a link or an image on another site must not log anybody out.
        .route("/log-out", post(log_out))
        .route("/ended", get(ended))
        .layer(SessionLayer::new(engine).answers(OurAnswers))
}

async fn form(session: Session) -> Result<Response, Error> {
    if session.contains("user") {
        return Ok(Redirect::to("/").into_response());
    }
    // Also a log-in can be forged: the victim would then work in the attacker's account.
    Ok(page(&LogInPage {
        messages: session.take_flash("error")?,
        name: session.take_flash("name")?.pop().unwrap_or_default(),
        csrf: session.csrf()?,
    }))
}

#[derive(Deserialize)]
struct LogIn {
    name: String,
    password: String,
    csrf: String,
}

async fn log_in(session: Session, Form(form): Form<LogIn>) -> Result<Response, Error> {
    if !session.csrf_fits(&form.csrf)? {
        return Ok(refused(&session));
    }
    // For the example. A real application compares with a password hash (argon2, say), takes as
    // long for names that it doesn't know, and lets nobody try without end.
    if form.name != "anna" || form.password != "correct horse" {
        session.flash("error", "This name and password do not fit.")?;
        session.flash("name", form.name)?;
        return Ok(Redirect::to("/log-in").into_response());
    }
    // A new id, and what the visitor did before (a basket, say) stays. Call `clear` first if
    // nothing of it should. One flush after the handler stores all of this.
    session.log_in()?;
    session.set("user", &form.name)?;
    session.flash("success", format!("Welcome, {}!", form.name))?;
    // The log-in made the old one worthless. Stored here, it is the same in all pages that the
    // browser asks for next, in parallel perhaps.
    session.csrf()?;
    Ok(Redirect::to("/").into_response())
}

async fn members(session: Session) -> Result<Response, Error> {
    let Some(user) = session.get("user")? else {
        return Ok(Redirect::to("/log-in").into_response());
    };
    Ok(page(&MembersPage {
        user,
        minutes: minutes_since(session.logged_in_at()?),
        messages: session.take_flash("success")?,
        csrf: session.csrf()?,
    }))
}

fn minutes_since(moment: Option<SystemTime>) -> u64 {
    let since = moment.and_then(|moment| moment.elapsed().ok());
    since.unwrap_or_default().as_secs() / 60
}

#[derive(Deserialize)]
struct LogOut {
    csrf: String,
}

async fn log_out(session: Session, Form(form): Form<LogOut>) -> Result<Response, Error> {
    if !session.csrf_fits(&form.csrf)? {
        return Ok(refused(&session));
    }
    session.destroy();
    Ok(Redirect::to("/log-in").into_response())
}

/// A form that is not from our own page, or older than the last log-in.
fn refused(session: &Session) -> Response {
    // The second half of a double click on `Log in` comes with the id from before.
    if session.is_ended() {
        return Redirect::to("/ended").into_response();
    }
    let sorry = "<p>This form is out of date. <a href=\"/\">Please try again.</a>";
    (StatusCode::FORBIDDEN, Html(sorry)).into_response()
}

/// Where [`OurAnswers`] sends visitors whose session another request has ended. A browser that has
/// a newer id by now comes with that, and goes on. One that still has the dead id would get nothing
/// stored under it, not even the value in the form; `renew` gives it a new one.
async fn ended(session: Session) -> Result<Redirect, Error> {
    if session.is_ended() {
        session.renew();
        session.flash("error", "Your session has ended. Please log in again.")?;
    }
    Ok(Redirect::to("/log-in"))
}

/// What visitors see in place of a handler's answer. The log has the error itself.
#[derive(Clone)]
struct OurAnswers;

impl Answers<Body> for OurAnswers {
    fn fault(&self, error: &Error) -> Response {
        if !error.is_unavailable() {
            let sorry = "<p>Something is broken here, and we are told of it.";
            return (StatusCode::INTERNAL_SERVER_ERROR, Html(sorry)).into_response();
        }
        let sorry = "<p>We can't look up who you are. You stay logged in; please try again soon.";
        let headers = [(RETRY_AFTER, "5")];
        (StatusCode::SERVICE_UNAVAILABLE, headers, Html(sorry)).into_response()
    }

    fn ended(&self, _: Response) -> Response {
        Redirect::to("/ended").into_response()
    }
}

fn page(template: &impl Template) -> Response {
    match template.render() {
        // Not to be stored: after the log-out, `Back` would show it to whoever sits there then.
        Ok(html) => ([(CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!DOCTYPE html>
<title>Log in</title>
{% for message in messages %}<p role="alert">{{ message }}</p>{% endfor %}
<form method="post" action="/log-in">
  <input type="hidden" name="csrf" value="{{ csrf }}">
  <label>Name <input name="name" value="{{ name }}" autocomplete="username"></label>
  <label>Password <input name="password" type="password" autocomplete="current-password"></label>
  <button>Log in</button>
</form>
"#
)]
struct LogInPage {
    messages: Vec<String>,
    name: String,
    csrf: String,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!DOCTYPE html>
<title>Members</title>
{% for message in messages %}<p role="status">{{ message }}</p>{% endfor %}
<p>You are {{ user }}, logged in {{ minutes }} min ago.</p>
<form method="post" action="/log-out">
  <input type="hidden" name="csrf" value="{{ csrf }}">
  <button>Log out</button>
</form>
"#
)]
struct MembersPage {
    user: String,
    minutes: u64,
    messages: Vec<String>,
    csrf: String,
}
