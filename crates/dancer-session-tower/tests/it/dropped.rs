//! The client goes away at any moment: nothing half is left, and a log-out happens (R26).

use std::task::{Context, Waker};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use dancer_session::Settings;
use dancer_session_tower::SessionEngine;
use tokio::task::yield_now;
use tower::ServiceExt;

use crate::app::{app, ask, body, given};
use crate::hesitant::Hesitant;

/// Polls a request `polls` times and drops it. Returns whether it was answered by then.
async fn dropped_after(app: &Router, path: &str, cookie: &str, polls: usize) -> bool {
    let request = Request::get(path).header(header::COOKIE, cookie);
    let mut request = Box::pin(app.clone().oneshot(request.body(Body::empty()).unwrap()));
    let mut context = Context::from_waker(Waker::noop());
    let mut answered = false;
    for _ in 0..polls {
        answered = request.as_mut().poll(&mut context).is_ready();
        if answered {
            break;
        }
        // What was spawned goes on between two polls.
        yield_now().await;
    }
    drop(request);
    // What was begun comes to its end.
    for _ in 0..20 {
        yield_now().await;
    }
    answered
}

/// Runs a request that is dropped after each number of polls there is. Afterwards the visitor finds
/// one visit counted, or from `moment` on what stands in `after`: whole or not at all.
async fn at_every_moment(path: &str, moment: usize, after: &str) {
    for polls in 0.. {
        let builder = SessionEngine::builder(Settings::default());
        let app = app(&builder.with_store(Hesitant::new()).unwrap());
        let cookie = given(&ask(&app, "/count", None).await);
        let answered = dropped_after(&app, path, &cookie, polls).await;
        let found = body(ask(&app, "/read", Some(&cookie)).await).await;
        let expected = if polls >= moment { after } else { "Some(1)" };
        assert_eq!(found, expected, "{path} dropped after {polls} polls");
        if answered {
            assert!(polls > 4, "{path} was answered after {polls} polls");
            return;
        }
    }
}

// Two polls read the session; with the third the handler runs, and the flush has begun.

#[tokio::test]
async fn r26_a_change_happens_whole_or_not_at_all() {
    at_every_moment("/count", 3, "Some(2)").await;
}

#[tokio::test]
async fn r26_a_log_in_happens_whole_or_not_at_all() {
    // Renewed, the old id shows nothing.
    at_every_moment("/log-in", 3, "None").await;
}

#[tokio::test]
async fn r26_a_log_out_happens_once_the_handler_has_asked_for_it() {
    at_every_moment("/log-out", 3, "None").await;
}

#[tokio::test]
async fn rule_4_13_a_handler_dropped_after_it_asked_for_a_log_out_still_logs_out() {
    at_every_moment("/log-out-slowly", 3, "None").await;
}

#[tokio::test]
async fn r26_a_handler_dropped_before_its_end_changes_nothing() {
    // Three more polls in the handler itself.
    at_every_moment("/count-slowly", 6, "Some(2)").await;
}
