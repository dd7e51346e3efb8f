//! `cargo run -p examples --example typed`, then
//! `curl -c jar -b jar -X PUT --json '"dark"' http://127.0.0.1:3003/theme` and
//! `curl -c jar -b jar http://127.0.0.1:3003/`.
//!
//! A session with types: handlers take a `Visitor`, which knows the names of the entries and what
//! is in them. Each field is an entry of its own, so two requests at the same time that change
//! different fields both survive. One entry with the whole struct in it would lose one of them.
//! With `REDIS_URL=redis://127.0.0.1:6379/` the sessions live in Redis, else in memory.

use std::env;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::routing::{get, put};
use axum::{Json, Router};
use dancer_session_tower::{Error, Session, SessionEngine, SessionLayer, Settings};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = engine().await?;
    eprintln!("http://127.0.0.1:3003/, sessions in {}", engine.place());
    let listener = TcpListener::bind("127.0.0.1:3003").await?;
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
        .route("/", get(profile))
        .route("/theme", put(set_theme))
        .route("/language", put(set_language))
        .route("/basket", put(put_into_basket))
        .layer(SessionLayer::new(engine))
}

async fn profile(visitor: Visitor) -> Result<Json<Profile>, Error> {
    Ok(Json(visitor.profile()?))
}

async fn set_theme(visitor: Visitor, Json(theme): Json<Theme>) -> Result<(), Error> {
    visitor.set_theme(theme)
}

async fn set_language(visitor: Visitor, Json(language): Json<String>) -> Result<(), Error> {
    visitor.set_language(&language)
}

async fn put_into_basket(visitor: Visitor, Json(article): Json<u64>) -> Result<(), Error> {
    visitor.put_into_basket(article)
}

/// All that is known of a visitor, at one moment. For showing: changes go through [`Visitor`].
#[derive(Serialize)]
struct Profile {
    theme: Theme,
    language: String,
    basket: Vec<u64>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Theme {
    #[default]
    Light,
    Dark,
}

/// The session as this application sees it. The names of entries are written here and nowhere else.
struct Visitor(Session);

impl Visitor {
    fn profile(&self) -> Result<Profile, Error> {
        Ok(Profile {
            theme: self.theme()?,
            language: self.language()?,
            basket: self.basket()?,
        })
    }

    // Each getter decodes its own entry. Should a later release store something else under one
    // name, only who asks for that one gets an error.
    fn theme(&self) -> Result<Theme, Error> {
        Ok(self.0.get("theme")?.unwrap_or_default())
    }

    fn set_theme(&self, theme: Theme) -> Result<(), Error> {
        Ok(self.0.set("theme", theme)?)
    }

    fn language(&self) -> Result<String, Error> {
        Ok(self.0.get("language")?.unwrap_or_else(|| "en".into()))
    }

    fn set_language(&self, language: &str) -> Result<(), Error> {
        Ok(self.0.set("language", language)?)
    }

    fn basket(&self) -> Result<Vec<u64>, Error> {
        Ok(self.0.get("basket")?.unwrap_or_default())
    }

    /// With `update`, because the new basket is made from the old one: two requests that each put
    /// an article in both get it in.
    fn put_into_basket(&self, article: u64) -> Result<(), Error> {
        Ok(self.0.update("basket", move |basket: Option<Vec<u64>>| {
            let mut basket = basket.unwrap_or_default();
            basket.push(article);
            basket
        })?)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &S) -> Result<Self, Error> {
        Ok(Self(Session::from_request_parts(parts, app).await?))
    }
}
