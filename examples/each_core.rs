//! `REDIS_URL=redis://127.0.0.1:6379/ cargo run --release -p examples --example each_core`, then open
//! <http://127.0.0.1:3007/>.
//!
//! A runtime for each core, with a listener on the same port and an engine of its own, in place of one
//! runtime with several threads. A request stays where it began, and nothing of it goes from core to
//! core: the counter serves a third more visitors then (crates/bench has the figures). The kernel
//! hands each connection to one of the listeners, so this is for many visitors, and for handlers that
//! never keep their thread for long. It needs Redis: sessions in memory would be those of one core.

use std::net::{SocketAddr, TcpListener};
use std::{env, io, thread};

use axum::Router;
use axum::routing::get;
use dancer_session_tower::{Error, Session, SessionEngine, SessionLayer, Settings};
use socket2::{Domain, Socket, Type};
use tokio::runtime;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut settings = Settings {
        server: Some(
            env::var("REDIS_URL").map_err(|_| "expected the address of a Redis in REDIS_URL")?,
        ),
        ..Settings::default()
    };
    // As in `counter`: only because this is plain HTTP.
    settings.cookie.secure = false;
    let cores = thread::available_parallelism()?.get();
    let listeners = listeners(([127, 0, 0, 1], 3007).into(), cores)?;
    eprintln!("http://127.0.0.1:3007/, on {cores} cores");
    serve(listeners, &settings)
}

/// So many listeners on one address; with port 0 on the same free one.
pub(crate) fn listeners(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for _ in 0..count {
        let address = match listeners.first() {
            Some(first) => first.local_addr()?,
            None => address,
        };
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        listeners.push(socket.into());
    }
    Ok(listeners)
}

/// Serves on each of them with a thread of its own, until one fails.
pub(crate) fn serve(listeners: Vec<TcpListener>, settings: &Settings) -> Result<(), Failure> {
    let (failed, failure) = std::sync::mpsc::channel();
    for listener in listeners {
        let (settings, failed) = (settings.clone(), failed.clone());
        thread::spawn(move || {
            // Who would listen has gone with the process.
            let _ = failed.send(serve_one(listener, settings));
        });
    }
    failure.recv()?
}

fn serve_one(listener: TcpListener, settings: Settings) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // Made here: an engine belongs to the runtime that its connection lives in.
        let engine = SessionEngine::init(settings).await?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok(axum::serve(listener, app(engine)).await?)
    })
}

fn app(engine: SessionEngine) -> Router {
    Router::new()
        .route("/", get(count))
        .layer(SessionLayer::new(engine))
}

async fn count(session: Session) -> Result<String, Error> {
    session.update("visits", |visits: Option<u32>| visits.unwrap_or(0) + 1)?;
    let visits = session.get::<u32>("visits")?.unwrap_or(0);
    Ok(format!("visit {visits}\n"))
}
