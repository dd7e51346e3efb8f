//! The log-in example in a real browser, and the cookies that a browser does not take.

use axum::Router;
use axum::http::header::SET_COOKIE;
use axum::routing::get;
use dancer_session::{CookieSettings, SameSite};
use dancer_session_tower::{SessionEngine, Settings};
use testbench::Chromium;
use tokio::net::TcpListener;

use crate::examples::login::app;

/// Serves an application on a port of its own; returns where.
async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}")
}

fn plain(cookie: CookieSettings) -> Settings {
    Settings {
        cookie,
        ..Settings::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_logs_in_and_out() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let cookie = CookieSettings {
        secure: false,
        ..CookieSettings::default()
    };
    let site = serve(app(SessionEngine::in_memory(plain(cookie)).unwrap())).await;
    browser.open(&site).await;
    assert_eq!(
        browser.url().await,
        format!("{site}/log-in"),
        "nobody is logged in"
    );
    let visitor = browser.cookie("id").await.expect("the form's session");

    browser.fill("[name=name]", "anna").await;
    browser.fill("[name=password]", "correct horse").await;
    browser.click("button").await;
    assert_eq!(browser.text("[role=status]").await, "Welcome, anna!");
    assert!(browser.text("body").await.contains("You are anna"));
    let member = browser.cookie("id").await.expect("still a session");
    assert_ne!(member, visitor, "the id changes at the log-in");
    browser.open(&site).await;
    assert!(
        !browser.text("body").await.contains("Welcome"),
        "a flash is read once"
    );

    browser.click("button").await;
    let _ = browser.text("[name=password]").await;
    assert_eq!(browser.url().await, format!("{site}/log-in"));
    assert_ne!(browser.cookie("id").await, Some(member));
    browser.open(&site).await;
    assert_eq!(browser.url().await, format!("{site}/log-in"), "logged out");
    browser.end().await;
}

/// What the browser drops without a word is an error when the engine is made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_browser_does_not_take_is_refused_at_the_start() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let setting = |header: &'static str| get(async move || ([(SET_COOKIE, header)], "set"));
    let site = serve(
        Router::new()
            .route("/good", setting("id=1; Path=/; SameSite=Lax"))
            .route("/host", setting("__Host-id=1; Path=/; SameSite=Lax"))
            .route("/secure", setting("__Secure-id=1; Path=/; SameSite=Lax"))
            .route("/none", setting("none=1; Path=/; SameSite=None")),
    )
    .await;
    let named = |name: &str, same_site| CookieSettings {
        name: Some(name.into()),
        secure: false,
        same_site,
        ..CookieSettings::default()
    };
    let table = [
        ("good", named("id", SameSite::Lax), true),
        ("host", named("__Host-id", SameSite::Lax), false),
        ("secure", named("__Secure-id", SameSite::Lax), false),
        ("none", named("none", SameSite::None), false),
    ];
    for (path, cookie, taken) in table {
        browser.open(&format!("{site}/{path}")).await;
        let kept = browser.cookie(cookie.name()).await;
        assert_eq!(kept.is_some(), taken, "the browser and {path}");
        let engine = SessionEngine::in_memory(plain(cookie));
        assert_eq!(engine.is_ok(), taken, "the engine and {path}");
    }
    browser.end().await;
}
