//! On axum.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use dancer_session_tower::{Error, Session, SessionEngine, SessionLayer, Settings};
use tower_sessions::Session as TowerSession;
use tower_sessions::SessionManagerLayer;

use super::{WORKERS, announce};
use crate::contender::{expiry, settings, store};

pub(super) fn serve(app: impl Future<Output = Router>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build();
    runtime.expect("threads can be started").block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("there is a free port");
        let app = app.await;
        announce(listener.local_addr().expect("it has a port").port());
        axum::serve(listener, app).await.expect("it serves on");
    });
}

/// `cache`: for how many sessions it has room.
pub(super) async fn ours(redis: &str, cache: usize) -> Router {
    async fn count(session: Session) -> Result<String, Error> {
        session.update("visits", |visits: Option<u64>| visits.unwrap_or(0) + 1)?;
        read(session).await
    }
    async fn read(session: Session) -> Result<String, Error> {
        let visits = session.get::<u64>("visits")?;
        Ok(visits.unwrap_or(0).to_string())
    }
    let settings = Settings {
        cache,
        ..settings(redis)
    };
    let engine = SessionEngine::init(settings).await;
    let engine = engine.expect("the server has just been started");
    Router::new()
        .route("/count", get(count))
        .route("/read", get(read))
        .layer(SessionLayer::new(engine))
}

pub(super) async fn tower_sessions(redis: &str, pool: usize) -> Router {
    async fn count(session: TowerSession) -> Result<String, StatusCode> {
        let visits = visits(&session).await? + 1;
        let set = session.insert("visits", visits).await;
        set.map_err(fault)?;
        Ok(visits.to_string())
    }
    async fn read(session: TowerSession) -> Result<String, StatusCode> {
        Ok(visits(&session).await?.to_string())
    }
    async fn visits(session: &TowerSession) -> Result<u64, StatusCode> {
        let visits = session.get::<u64>("visits").await;
        Ok(visits.map_err(fault)?.unwrap_or(0))
    }
    fn fault<E>(_: E) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }
    let layer = SessionManagerLayer::new(store(redis, pool).await).with_expiry(expiry());
    Router::new()
        .route("/count", get(count))
        .route("/read", get(read))
        .layer(layer)
}

pub(super) async fn alone() -> Router {
    async fn count(State(visits): State<Arc<AtomicU64>>) -> String {
        (visits.fetch_add(1, Ordering::Relaxed) + 1).to_string()
    }
    async fn read(State(visits): State<Arc<AtomicU64>>) -> String {
        visits.load(Ordering::Relaxed).to_string()
    }
    Router::new()
        .route("/count", get(count))
        .route("/read", get(read))
        .with_state(Arc::default())
}
