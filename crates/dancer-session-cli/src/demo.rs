//! `dancer-session demo`: serves the counter page of Dancer::Session::Redis' example application.

mod page;

use std::env;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dancer_session::SameSite;
use dancer_session_tower::{SessionEngine, Settings};
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;
use tokio::time::sleep;

use crate::Failure;

/// Where the sessions of the demo live, and where its page is served.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The config.yml of a Dancer application, for its Redis.
    ///
    /// The other settings in it count too, but the demo's cookie is called eg_session_id and goes
    /// over plain HTTP to one address, whatever session_name, session_secure and session_domain
    /// say; and browsers take no session_same_site of None there, so that becomes Lax.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where to serve the page: a loopback address, and a port or 0 for any free one.
    ///
    /// Other addresses are refused, because the demo's cookie travels unencrypted.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4100")]
    listen: SocketAddr,
}

/// Serves the page until Ctrl-C.
pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    refuse_network(options.listen)?;
    let engine = engine(options.config.as_deref()).await?;
    let (listener, address) = listen(options.listen).await?;
    eprintln!("dancer-session: open http://{address}/ in a browser; Ctrl-C ends the demo");
    eprintln!("dancer-session: {}", whereabouts(&engine));
    serve(listener, engine)
        .await
        .map_err(|error| Failure::Broken(format!("can't serve at {address}: {error}")))
}

fn refuse_network(address: SocketAddr) -> Result<(), Failure> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    let port = address.port();
    Err(Failure::Usage(format!(
        "won't listen on {address}: others can reach that address, and the demo's cookie would \
         travel to them unencrypted. Listen on 127.0.0.1:{port}, and from another machine come \
         through a tunnel: ssh -L {port}:127.0.0.1:{port} <this machine>"
    )))
}

async fn engine(config: Option<&Path>) -> Result<SessionEngine, dancer_session::Error> {
    let settings = match config {
        Some(file) => Settings::from_file(file)?,
        None if env::var_os("REDIS_URL").is_some_and(|url| !url.is_empty()) => {
            Settings::from_env()?
        }
        None => return SessionEngine::in_memory(with_plain_cookie(Settings::default())),
    };
    SessionEngine::init(with_plain_cookie(settings)).await
}

/// The name that the original example gives its cookie, and what a browser accepts of a page at
/// `http://127.0.0.1`.
fn with_plain_cookie(mut settings: Settings) -> Settings {
    settings.cookie.name = Some("eg_session_id".into());
    settings.cookie.secure = false;
    settings.cookie.domain = None;
    if settings.cookie.same_site == SameSite::None {
        settings.cookie.same_site = SameSite::Lax;
    }
    settings
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let bound_to = listener.local_addr()?;
        Ok((listener, bound_to))
    };
    bound.await.map_err(|error: io::Error| {
        Failure::Broken(format!(
            "can't listen on {address}: {error}. --listen takes another address or port"
        ))
    })
}

fn whereabouts(engine: &SessionEngine) -> String {
    let place = engine.place();
    if !engine.is_in_redis() {
        format!(
            "sessions live in {place} and end with it; to keep them in Redis, start with \
             --config FILE or REDIS_URL=redis://127.0.0.1:6379/"
        )
    } else {
        format!("sessions live in {place}")
    }
}

/// Serves until Ctrl-C, and then answers what was asked before.
async fn serve(listener: TcpListener, engine: SessionEngine) -> io::Result<()> {
    let served = axum::serve(listener, page::app(engine)).with_graceful_shutdown(interrupt());
    let out_of_patience = async {
        interrupt().await;
        sleep(PATIENCE).await;
    };
    tokio::select! {
        served = served => served,
        // Some clients never finish what they ask.
        () = out_of_patience => Ok(()),
    }
}

async fn interrupt() {
    if ctrl_c().await.is_err() {
        // No way to notice it here; the system ends us all the same.
        pending::<()>().await;
    }
}

/// How long requests may go on after Ctrl-C.
const PATIENCE: Duration = Duration::from_secs(2);
