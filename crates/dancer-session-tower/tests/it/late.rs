//! Behind the head of the response (rule 4.8): only an explicit flush stores, and no new id.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::{Extension, Router, routing::get};
use dancer_session_tower::{Flushed, Session, SessionEngine, SessionHandle, SessionLayer};
use tokio::sync::mpsc;

use crate::app::{ask, body, given, memory, set_cookie};
use crate::log::Log;

/// What the handler's session still does while the body is on its way, and what that says.
type Act = fn(&Session) -> bool;

/// An application whose answer goes on after its head: it acts, and flushes if told to.
fn app(engine: &SessionEngine, act: Act) -> Router {
    let stream = async move |session: Session| {
        let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
        tokio::spawn(async move {
            // The head has left by now: the first piece of the body is asked for after it.
            sender.send(Ok("begun ".into())).await.unwrap();
            sender.reserve().await.unwrap();
            let words = match act(&session) {
                true => format!(
                    "{:?}",
                    session.flush().await.map_err(|error| error.is_refused())
                ),
                false => "not flushed".to_owned(),
            };
            sender.send(Ok(words.into())).await.unwrap();
        });
        Body::new(Channel(receiver))
    };
    let route = crate::app::routes().route("/stream", get(stream));
    route.layer(SessionLayer::new(engine.clone()))
}

/// A body of what comes through a channel.
struct Channel(mpsc::Receiver<Result<Bytes, std::io::Error>>);

impl axum::body::HttpBody for Channel {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        let next = self.0.poll_recv(context);
        next.map(|next| next.map(|piece| piece.map(http_body::Frame::data)))
    }
}

async fn check(visitor: bool, act: Act, expected: &str) -> (Router, String) {
    let (engine, plain) = memory();
    let cookie = given(&ask(&plain, "/count", None).await);
    let app = app(&engine, act);
    let presented = (!visitor).then_some(cookie.as_str());
    let answer = ask(&app, "/stream", presented).await;
    assert_eq!(set_cookie(&answer), None);
    assert_eq!(body(answer).await, format!("begun {expected}"));
    (app, cookie)
}

#[tokio::test]
async fn an_explicit_flush_behind_the_head_stores() {
    let act: Act = |session| session.set("n", 50).is_ok();
    let (app, cookie) = check(false, act, &format!("Ok({:?})", Flushed::Stored)).await;
    assert_eq!(
        body(ask(&app, "/read", Some(&cookie)).await).await,
        "Some(50)"
    );
}

#[tokio::test]
async fn a_log_out_behind_the_head_ends_the_session() {
    let act: Act = |session| {
        session.destroy();
        true
    };
    let (app, cookie) = check(false, act, &format!("Ok({:?})", Flushed::Destroyed)).await;
    assert_eq!(body(ask(&app, "/read", Some(&cookie)).await).await, "None");
}

#[tokio::test]
async fn a_new_id_behind_the_head_is_an_error() {
    let renews: Act = |session| {
        session.renew();
        true
    };
    let (app, cookie) = check(false, renews, "Err(true)").await;
    assert_eq!(
        body(ask(&app, "/read", Some(&cookie)).await).await,
        "Some(1)",
        "still the old id"
    );
    let begins: Act = |session| session.set("n", 1).is_ok();
    let _ = check(true, begins, "Err(true)").await;
}

/// A handler that hands its handle to the body, where the session is taken for the first time.
#[tokio::test]
async fn a_session_first_taken_behind_the_head_gets_no_new_id_either() {
    let engine = SessionEngine::in_memory(dancer_session::Settings::default()).unwrap();
    let (sender, mut handles) = mpsc::channel(1);
    let hand_over = async move |Extension(handle): Extension<SessionHandle>| {
        sender.send(handle).await.unwrap();
    };
    let route = Router::new().route("/", get(hand_over));
    let app = route.layer(SessionLayer::new(engine));
    let _ = ask(&app, "/", None).await;
    let session = handles.recv().await.unwrap().session().await.unwrap();
    session.set("n", 1).unwrap();
    assert!(session.flush().await.unwrap_err().is_refused());
}

#[tokio::test]
async fn changes_left_behind_are_not_stored_and_raise_a_warning() {
    let log = Log::default();
    let _here = log.listen();
    let act: Act = |session| {
        session.set("n", 50).unwrap();
        false
    };
    let (app, cookie) = check(false, act, "not flushed").await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(
        body(ask(&app, "/read", Some(&cookie)).await).await,
        "Some(1)"
    );
    let log = log.text();
    assert_eq!(log.matches("left_behind").count(), 1, "{log}");
    assert!(log.contains("WARN") && !log.contains(&cookie), "{log}");
}
