//! What requests cost over HTTP, as the server counts it (rule 4.7, R28).

use dancer_session::Settings;
use dancer_session_tower::SessionEngine;
use testbench::RedisServer;

use crate::app::{app, ask, given};

const TIMES: u64 = 1_000;

async fn check(path: &str, with_cookie: bool, expected: &[(&str, u64)]) {
    let server = RedisServer::start();
    let settings = Settings {
        sock: Some(server.sock().to_owned()),
        ..Settings::default()
    };
    let app = app(&SessionEngine::init(settings).await.unwrap());
    let mut cookies = Vec::new();
    for _ in 0..=TIMES {
        let cookie = match with_cookie {
            true => Some(given(&ask(&app, "/count", None).await)),
            false => None,
        };
        cookies.push(cookie);
    }
    // The server learns a script when it is first used.
    let warm_up = cookies.pop().unwrap();
    let _ = ask(&app, path, warm_up.as_deref()).await;
    let before = server.commands().await;
    for cookie in cookies {
        let answer = ask(&app, path, cookie.as_deref()).await;
        assert!(!answer.status().is_server_error() || path.contains("fail"));
    }
    let spent = server.commands().await.since(&before);
    let expected = expected
        .iter()
        .map(|(name, each)| ((*name).to_owned(), each * TIMES));
    assert_eq!(spent.as_map(), &expected.collect(), "{path}");
}

#[tokio::test]
async fn rule_4_7_over_http_requests_without_their_session_cost_nothing() {
    check("/nothing", true, &[]).await;
    check("/nothing", false, &[]).await;
    check("/nowhere", true, &[]).await;
}

#[tokio::test]
async fn rule_4_7_over_http_reading_costs_one() {
    check("/read", true, &[("getex", 1)]).await;
    check("/fail", true, &[("getex", 1)]).await;
}

#[tokio::test]
async fn rule_4_7_over_http_a_change_costs_one_more() {
    check(
        "/count",
        true,
        &[("getex", 1), ("evalsha", 1), ("get", 1), ("set", 1)],
    )
    .await;
    check(
        "/together",
        true,
        &[("getex", 1), ("evalsha", 1), ("get", 1), ("set", 1)],
    )
    .await;
}

#[tokio::test]
async fn rule_4_7_over_http_a_first_visit_costs_one_and_only_if_it_stores() {
    check("/count", false, &[("set", 1)]).await;
    check("/read", false, &[]).await;
    check("/log-out", false, &[]).await;
}

#[tokio::test]
async fn rule_4_7_over_http_log_in_and_log_out_cost_one_more_each() {
    check(
        "/log-in",
        true,
        &[("getex", 1), ("evalsha", 1), ("get", 1), ("set", 2)],
    )
    .await;
    // In one script: only over the session, and not over what another request has left there.
    check(
        "/log-out",
        true,
        &[("getex", 1), ("evalsha", 1), ("get", 1), ("set", 1)],
    )
    .await;
}
