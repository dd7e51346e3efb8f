//! The log-in form: what its users see. What attackers see is in `wstg`.

use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use dancer_session::Clock;
use dancer_session_tower::{SessionEngine, Settings};
use testbench::RedisServer;

use crate::browser::{Browser, Page, memory};
use crate::examples::login::app;

/// Fills in the form, with the right password, and returns the answer.
pub(crate) async fn log_in(browser: &mut Browser) -> Page {
    let csrf = browser.get("/log-in").await.csrf();
    try_log_in(browser, "anna", "correct horse", &csrf).await
}

pub(crate) async fn try_log_in(b: &mut Browser, name: &str, password: &str, csrf: &str) -> Page {
    let form = [("name", name), ("password", password), ("csrf", csrf)];
    b.post("/log-in", &form).await
}

pub(crate) async fn log_out(browser: &mut Browser) -> Page {
    let csrf = browser.get("/").await.csrf();
    browser.post("/log-out", &[("csrf", &csrf)]).await
}

/// Whether the members' page opens.
pub(crate) async fn is_in(browser: &mut Browser) -> bool {
    let page = browser.get("/").await;
    match page.status {
        StatusCode::OK => page.body.contains("You are anna"),
        _ => {
            let to = page.leads_to();
            assert!(matches!(to.as_deref(), Some("/log-in" | "/ended")));
            false
        }
    }
}

#[tokio::test]
async fn a_log_in_leads_to_the_members_page_and_changes_the_id() {
    let engine = memory();
    let mut anna = Browser::new(&app(engine.clone()));
    assert_eq!(anna.get("/").await.leads_to().as_deref(), Some("/log-in"));
    anna.get("/log-in").await;
    let before = anna.jar.id().unwrap();
    assert_eq!(log_in(&mut anna).await.leads_to().as_deref(), Some("/"));
    let after = anna.jar.id().unwrap();
    assert_ne!(after, before);
    // All pages show one value against forged requests, also two that are asked for at once.
    let stored = engine.retrieve(&after).await.unwrap().unwrap();
    assert!(stored.contains("csrf"));
    assert!(is_in(&mut anna).await);
    assert_eq!(anna.get("/log-in").await.leads_to().as_deref(), Some("/"));
}

#[tokio::test]
async fn the_welcome_is_read_once() {
    let mut anna = Browser::new(&app(memory()));
    log_in(&mut anna).await;
    assert!(anna.get("/").await.body.contains("Welcome, anna!"));
    assert!(!anna.get("/").await.body.contains("Welcome"));
}

#[tokio::test]
async fn a_wrong_password_is_said_once_and_the_name_comes_back_escaped() {
    let mut anna = Browser::new(&app(memory()));
    let csrf = anna.get("/log-in").await.csrf();
    let answer = try_log_in(&mut anna, "\"><b>anna", "wrong", &csrf).await;
    assert_eq!(answer.leads_to().as_deref(), Some("/log-in"));
    let page = anna.get("/log-in").await;
    assert!(page.body.contains("do not fit"));
    assert!(page.body.contains(r#"value="&#34;&#62;&#60;b&#62;anna""#));
    assert!(!anna.get("/log-in").await.body.contains("do not fit"));
    assert!(!is_in(&mut anna).await);
}

#[tokio::test]
async fn the_page_tells_how_long_ago_the_log_in_was() {
    let slow = Clock::new(|| SystemTime::now() - Duration::from_secs(5 * 60 + 1));
    let engine = SessionEngine::builder(Settings::default()).clock(slow);
    let mut anna = Browser::new(&app(engine.in_memory().unwrap()));
    log_in(&mut anna).await;
    let page = anna.get("/").await;
    assert!(page.body.contains("logged in 5 min ago"), "{}", page.body);
}

#[tokio::test]
async fn the_second_half_of_a_double_click_ends_at_the_members_page_too() {
    let mut anna = Browser::new(&app(memory()));
    let csrf = anna.get("/log-in").await.csrf();
    let mut second = anna.clone();
    try_log_in(&mut anna, "anna", "correct horse", &csrf).await;
    let answer = try_log_in(&mut second, "anna", "correct horse", &csrf).await;
    assert_eq!(answer.leads_to().as_deref(), Some("/ended"));
    assert_eq!(answer.header(SET_COOKIE), "");
    // The browser has one jar, with what the first answer set.
    let next = anna.get("/ended").await;
    assert_eq!(next.leads_to().as_deref(), Some("/log-in"));
    assert_eq!(anna.get("/log-in").await.leads_to().as_deref(), Some("/"));
    assert!(is_in(&mut anna).await);
}

#[tokio::test]
async fn who_has_only_a_dead_id_can_log_in_again_at_once() {
    let mut anna = Browser::new(&app(memory()));
    log_in(&mut anna).await;
    // The answer to the log-out is lost on its way, and with it the removal of the cookie.
    log_out(&mut anna.clone()).await;
    assert_eq!(anna.get("/").await.leads_to().as_deref(), Some("/log-in"));
    let page = anna.get("/log-in").await;
    assert_eq!(page.leads_to().as_deref(), Some("/ended"));
    assert_eq!(page.header(SET_COOKIE), "");
    anna.get("/ended").await;
    assert!(anna.get("/log-in").await.body.contains("has ended"));
    log_in(&mut anna).await;
    assert!(is_in(&mut anna).await);
}

#[tokio::test]
async fn without_its_redis_it_says_sorry_and_nobody_is_logged_out() {
    let server = RedisServer::start();
    let settings = Settings {
        sock: Some(server.sock().to_owned()),
        ..Settings::default()
    };
    let app = app(SessionEngine::init(settings).await.unwrap());
    let mut anna = Browser::new(&app);
    log_in(&mut anna).await;
    server.pause();
    let page = anna.get("/").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.header(RETRY_AFTER), "5");
    assert!(page.body.contains("You stay logged in"));
    assert_eq!(page.header(SET_COOKIE), "");
    server.resume();
    assert!(is_in(&mut anna).await);
}
