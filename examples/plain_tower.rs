//! `cargo run -p examples --example plain_tower`, then
//! `curl -c jar -b jar http://127.0.0.1:3005/`.
//!
//! Sessions without axum: a plain tower service that finds the [`SessionHandle`] in the request's
//! extensions, served by hyper-util. With `REDIS_URL=redis://127.0.0.1:6379/` the sessions live in
//! Redis, else in memory.

use std::convert::Infallible;
use std::env;

use dancer_session_tower::{Error, SessionEngine, SessionHandle, SessionLayer, Settings};
use http::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{Layer, Service, service_fn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = engine().await?;
    eprintln!("http://127.0.0.1:3005/, sessions in {}", engine.place());
    let listener = TcpListener::bind("127.0.0.1:3005").await?;
    let app = TowerToHyperService::new(app(engine));
    loop {
        let (client, _) = listener.accept().await?;
        let app = app.clone();
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let served = server.serve_connection(TokioIo::new(client), app).await;
            // Clients may go away at any time.
            drop(served);
        });
    }
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

/// The whole application. Neither the body of the request nor the type of the error matters to the
/// layer.
pub(crate) fn app<B: Send + 'static>(
    engine: SessionEngine,
) -> impl Service<Request<B>, Response = Response<String>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ 'static {
    SessionLayer::new(engine).layer(service_fn(answer))
}

async fn answer<B>(request: Request<B>) -> Result<Response<String>, Infallible> {
    // It is there: the layer puts it into every request.
    let handle = request.extensions().get::<SessionHandle>().cloned();
    let answered = match (request.uri().path(), handle) {
        ("/", Some(handle)) => greet(&handle).await,
        _ => Ok(with_status(StatusCode::NOT_FOUND)),
    };
    Ok(answered.unwrap_or_else(|error| {
        // A 503 or a 500, which the layer shapes by its `Answers`.
        error.response()
    }))
}

async fn greet(handle: &SessionHandle) -> Result<Response<String>, Error> {
    // Both take the session for themselves, at the same time. It is one session, and one read.
    let (visits, greeting) = tokio::join!(count(handle), greeting(handle));
    let (visits, greeting) = (visits?, greeting?);
    Ok(Response::new(format!("{greeting}, visit {visits}\n")))
}

async fn count(handle: &SessionHandle) -> Result<u32, Error> {
    let session = handle.session().await?;
    session.update("visits", |visits: Option<u32>| visits.unwrap_or(0) + 1)?;
    // Stored by the layer, after the service.
    Ok(session.get("visits")?.unwrap_or_default())
}

async fn greeting(handle: &SessionHandle) -> Result<&'static str, Error> {
    let known = handle.session().await?.id().is_some();
    Ok(if known { "welcome back" } else { "welcome" })
}

fn with_status(status: StatusCode) -> Response<String> {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}
