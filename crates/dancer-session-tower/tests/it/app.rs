//! An application whose routes are named after what they do to the session, and how to ask it.

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use axum::{Extension, Router, routing::get};
use dancer_session::Settings;
use dancer_session_tower::{Error, Session, SessionEngine, SessionHandle, SessionLayer};
use tower::ServiceExt;

pub(crate) fn app(engine: &SessionEngine) -> Router {
    routes().layer(SessionLayer::new(engine.clone()))
}

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/nothing", get(async || "nothing"))
        .route(
            "/read",
            get(async |session: Session| format!("{:?}", n(&session))),
        )
        .route("/count", get(count))
        .route("/flush-twice", get(flush_twice))
        .route("/fail", get(fail))
        .route("/log-out-and-fail", get(log_out_and_fail))
        .route("/log-in", get(log_in))
        .route("/log-out", get(async |session: Session| session.destroy()))
        .route("/log-out-slowly", get(log_out_slowly))
        .route("/count-slowly", get(count_slowly))
        .route("/together", get(together))
}

pub(crate) fn n(session: &Session) -> Option<u64> {
    session.get("n").unwrap()
}

async fn count(session: Session) -> Result<String, Error> {
    session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(n(&session).unwrap_or(0).to_string())
}

async fn flush_twice(session: Session) -> Result<String, Error> {
    session.set("n", 10)?;
    let first = session.flush().await?;
    session.set("n", 11)?;
    let second = session.flush().await?;
    Ok(format!("{first:?} {second:?}"))
}

async fn fail(session: Session) -> StatusCode {
    session.set("n", 99).unwrap();
    session.renew();
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn log_out_and_fail(session: Session) -> StatusCode {
    session.destroy();
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn log_in(session: Session) -> Result<(), Error> {
    session.set("user", "anna")?;
    session.renew();
    Ok(())
}

async fn log_out_slowly(session: Session) {
    session.destroy();
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

async fn count_slowly(session: Session) -> Result<(), Error> {
    session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Three tasks take the session at the same time, one of them twice.
async fn together(Extension(handle): Extension<SessionHandle>, session: Session) -> String {
    let tasks = [(); 3].map(|()| {
        tokio::spawn({
            let handle = handle.clone();
            async move { handle.session().await.unwrap().set("n", 7).unwrap() }
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    format!("{:?}", n(&session))
}

pub(crate) async fn ask(app: &Router, path: &str, cookie: Option<&str>) -> Response<Body> {
    let mut request = Request::get(path);
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    app.clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
}

pub(crate) async fn body(response: Response<Body>) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1_000)
        .await
        .unwrap();
    String::from_utf8(bytes.into()).unwrap()
}

/// What the response sets, as a browser would send it back, and the attributes.
pub(crate) fn set_cookie(response: &Response<Body>) -> Option<(String, String)> {
    let mut all = response.headers().get_all(header::SET_COOKIE).iter();
    let cookie = all.next()?.to_str().unwrap();
    assert!(all.next().is_none(), "more than one cookie");
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    Some((pair.to_owned(), attributes.to_owned()))
}

pub(crate) fn given(response: &Response<Body>) -> String {
    set_cookie(response).expect("a cookie is set").0
}

pub(crate) fn memory() -> (SessionEngine, Router) {
    let engine = SessionEngine::in_memory(Settings::default()).unwrap();
    let app = app(&engine);
    (engine, app)
}
