//! On actix-web.

use std::sync::atomic::{AtomicU64, Ordering};

use actix_session::config::BrowserSession;
use actix_session::storage::RedisSessionStore;
use actix_session::{Session, SessionGetError, SessionInsertError, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::rt::System;
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};

use super::{WORKERS, announce};
use crate::contender::ttl;

pub(super) fn with_sessions(redis: &str) {
    async fn count(session: Session) -> Result<String, SessionInsertError> {
        let visits = visits(&session).unwrap_or(0) + 1;
        session.insert("visits", visits)?;
        Ok(visits.to_string())
    }
    async fn read(session: Session) -> Result<String, SessionGetError> {
        Ok(visits(&session)?.to_string())
    }
    fn visits(session: &Session) -> Result<u64, SessionGetError> {
        Ok(session.get::<u64>("visits")?.unwrap_or(0))
    }
    System::new().block_on(async {
        let store = RedisSessionStore::new(redis).await;
        let store = store.expect("the server has just been started");
        let key = Key::generate();
        let server = HttpServer::new(move || {
            let lifecycle = BrowserSession::default().state_ttl(ttl());
            let sessions = SessionMiddleware::builder(store.clone(), key.clone());
            App::new()
                .wrap(sessions.session_lifecycle(lifecycle).build())
                .route("/count", web::get().to(count))
                .route("/read", web::get().to(read))
        });
        let server = server.workers(WORKERS).bind(("127.0.0.1", 0));
        let server = server.expect("there is a free port");
        announce(server.addrs()[0].port());
        server.run().await.expect("it serves on");
    });
}

pub(super) fn alone() {
    async fn count(visits: Data<AtomicU64>) -> String {
        (visits.fetch_add(1, Ordering::Relaxed) + 1).to_string()
    }
    async fn read(visits: Data<AtomicU64>) -> String {
        visits.load(Ordering::Relaxed).to_string()
    }
    System::new().block_on(async {
        let visits = Data::new(AtomicU64::new(0));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(visits.clone())
                .route("/count", web::get().to(count))
                .route("/read", web::get().to(read))
        });
        let server = server.workers(WORKERS).bind(("127.0.0.1", 0));
        let server = server.expect("there is a free port");
        announce(server.addrs()[0].port());
        server.run().await.expect("it serves on");
    });
}
