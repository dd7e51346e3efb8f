//! The streaming response: stored behind its head, and only there where a session was begun before.

use axum::body::{Body, BodyDataStream};
use axum::http::Response;
use axum::http::header::SET_COOKIE;
use dancer_session_tower::SessionEngine;
use futures_util::StreamExt;

use crate::browser::{Browser, memory};
use crate::examples::stream::{STEPS, app};

fn events(response: Response<Body>) -> BodyDataStream {
    response.into_body().into_data_stream()
}

async fn next(events: &mut BodyDataStream) -> String {
    let chunk = events.next().await.expect("another event").unwrap();
    String::from_utf8(chunk.into()).unwrap()
}

fn step(done: u32) -> String {
    format!("event: step\ndata: {done}\n\n")
}

#[tokio::test]
async fn progress_is_stored_while_it_streams_and_survives_a_lost_connection() {
    let app = app(memory());
    let mut visitor = Browser::new(&app);
    let mut lost = events(visitor.open("/work").await);
    for done in 1..=2 {
        assert_eq!(next(&mut lost).await, step(done));
        // Another request, while the first one still streams.
        assert_eq!(visitor.get("/progress").await.body, done.to_string());
    }
    drop(lost);
    let again = visitor.open("/work").await;
    assert!(again.headers().get(SET_COOKIE).is_none());
    let mut again = events(again);
    for done in 3..=STEPS {
        assert_eq!(next(&mut again).await, step(done));
    }
    assert!(again.next().await.is_none());
    assert_eq!(visitor.get("/progress").await.body, STEPS.to_string());
}

#[tokio::test]
async fn behind_the_head_a_visitor_without_a_session_gets_none() {
    let app = app(memory());
    let mut visitor = Browser::new(&app);
    let mut late = events(visitor.open("/too-late").await);
    let expected = "event: over\ndata: not stored\n\n";
    assert_eq!(next(&mut late).await, expected);
    assert!(late.next().await.is_none());
    assert_eq!(visitor.jar.id(), None);
    assert_eq!(visitor.get("/progress").await.body, "0");
}

#[tokio::test]
async fn a_session_that_was_there_before_is_enough() {
    let app = app(memory());
    let mut visitor = Browser::new(&app);
    drop(visitor.open("/work").await);
    let mut late = events(visitor.open("/too-late").await);
    assert_eq!(next(&mut late).await, step(1));
}

#[tokio::test]
async fn a_log_out_in_another_window_ends_the_stream() {
    let engine: SessionEngine = memory();
    let mut visitor = Browser::new(&app(engine.clone()));
    let mut running = events(visitor.open("/work").await);
    assert_eq!(next(&mut running).await, step(1));
    let id = visitor.jar.id().unwrap();
    let elsewhere = engine.retrieve(&id).await.unwrap().unwrap();
    elsewhere.destroy();
    let _destroyed = elsewhere.flush().await.unwrap();
    let expected = "event: over\ndata: ended by another request\n\n";
    assert_eq!(next(&mut running).await, expected);
    assert!(running.next().await.is_none());
    assert!(engine.retrieve(&id).await.unwrap().unwrap().is_empty());
}
