//! Live, on one Redis: a Dancer application on our `Dancer::Session::Redis`, and one in Rust.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use dancer_session_tower::dancer_session::{CookieSettings, Duplicates, Layout, SameSite};
use dancer_session_tower::{Error, Session, SessionEngine, SessionLayer, Settings};
use serde_json::Value;
use testbench::{DancerApp, RedisServer, Visitor};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio::task::JoinHandle;

use crate::library::include;

mod endings;
mod parallel;
mod upgrade;
mod values;

const COOKIE: &str = "dancer.session";

/// A loaded machine is not what is tested here.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Both applications and what they share.
struct Both {
    redis: RedisServer,
    perl: DancerApp,
    rust: SocketAddr,
    engine: SessionEngine,
    held: Arc<Barrier>,
    serving: JoinHandle<()>,
}

impl Both {
    async fn start() -> Self {
        let redis = RedisServer::start();
        let perl = ours(&redis);
        let engine = SessionEngine::init(settings(&redis)).await.unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let rust = listener.local_addr().unwrap();
        let held = Arc::new(Barrier::new(2));
        let app = routes(Arc::clone(&held)).layer(SessionLayer::new(engine.clone()));
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            redis,
            perl,
            rust,
            engine,
            held,
            serving,
        }
    }

    /// Both: what holds for the one holds for the other.
    fn addresses(&self) -> [SocketAddr; 2] {
        [self.perl.address(), self.rust]
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The Dancer application on our distribution.
fn ours(redis: &RedisServer) -> DancerApp {
    let timeout = TIMEOUT.as_secs().to_string();
    let environment = [("WORKERS", "4"), ("REDIS_TIMEOUT", &timeout)];
    DancerApp::start_on(redis, &include(), &environment)
}

/// Perl has warned of nothing, and no route of it has failed.
fn no_complaints(perl: &DancerApp) {
    let log = perl.log();
    assert!(!log.contains(" at ") && !log.contains(" line "), "{log}");
}

/// As the Dancer application has them.
fn settings(redis: &RedisServer) -> Settings {
    Settings {
        sock: Some(redis.sock().to_owned()),
        layout: Layout::Dancer,
        timeout: TIMEOUT,
        cookie: CookieSettings {
            name: Some(COOKIE.into()),
            secure: false,
            http_only: true,
            same_site: SameSite::Lax,
            duplicates: Some(Duplicates::LastWins),
            ..CookieSettings::default()
        },
        ..Settings::default()
    }
}

fn routes(held: Arc<Barrier>) -> Router {
    Router::new()
        .route("/update", get(update))
        .route("/get/{name}", get(read))
        .route("/set/{name}", post(set))
        .route("/whoami", get(whoami))
        .route("/renew", post(async |session: Session| session.renew()))
        .route("/logout", post(async |session: Session| session.destroy()))
        .route("/held_set/{name}", get(held_set))
        .with_state(held)
}

async fn update(session: Session) -> Result<(), Error> {
    Ok(session.update("counter", |n: Option<u64>| n.unwrap_or(0) + 1)?)
}

async fn read(session: Session, Path(name): Path<String>) -> Result<Json<Value>, Error> {
    Ok(Json(session.get(&name)?.unwrap_or(Value::Null)))
}

async fn set(session: Session, Path(name): Path<String>) -> Result<(), Error> {
    Ok(session.set(&name, "by Rust")?)
}

async fn whoami(session: Session) -> Result<String, Error> {
    Ok(session.get("user")?.unwrap_or_else(|| "nobody".to_owned()))
}

/// Meets whoever holds it twice: when it has read, and when it may write.
async fn held_set(
    State(held): State<Arc<Barrier>>,
    session: Session,
    Path(name): Path<String>,
) -> Result<(), Error> {
    held.wait().await;
    held.wait().await;
    Ok(session.set(&name, "held")?)
}
