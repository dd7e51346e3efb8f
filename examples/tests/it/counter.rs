//! The counter counts for each visitor, exactly, and answers in both forms.

use std::collections::BTreeSet;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE, VARY};
use dancer_session_tower::{SessionEngine, Settings};
use testbench::RedisServer;

use crate::browser::{Browser, memory};
use crate::examples::counter::app;

#[tokio::test]
async fn each_visitor_has_a_count_of_their_own() {
    let app = app(memory());
    let (mut anna, mut ben) = (Browser::new(&app), Browser::new(&app));
    assert_eq!(anna.get("/").await.body, "visit 1\n");
    assert_eq!(anna.get("/").await.body, "visit 2\n");
    assert_eq!(ben.get("/").await.body, "visit 1\n");
}

#[tokio::test]
async fn it_answers_in_json_to_who_asks_for_that() {
    let mut anna = Browser::new(&app(memory()));
    let page = anna.get_as("/", "application/json").await;
    assert_eq!(page.body, r#"{"visits":1}"#);
    assert_eq!(page.header(CONTENT_TYPE), "application/json");
    let vary = page.header(VARY).to_lowercase();
    assert!(vary.contains("accept") && vary.contains("cookie"), "{vary}");
    assert_eq!(page.header(CACHE_CONTROL), "no-store");
}

#[tokio::test]
async fn no_two_visits_at_the_same_time_are_told_the_same_number() {
    // All of them ask before the first is answered: in memory they would not overlap.
    let server = RedisServer::start();
    let settings = Settings {
        sock: Some(server.sock().to_owned()),
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let mut anna = Browser::new(&app(engine));
    anna.get("/").await;
    let visits: Vec<_> = (0..20)
        .map(|_| {
            let mut anna = anna.clone();
            tokio::spawn(async move { anna.get("/").await.body })
        })
        .collect();
    let mut told = BTreeSet::new();
    for visit in visits {
        told.insert(visit.await.unwrap());
    }
    let expected: BTreeSet<_> = (2..=21).map(|n| format!("visit {n}\n")).collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_page_without_a_session_sets_no_cookie() {
    let page = Browser::new(&app(memory())).get("/health").await;
    assert_eq!(page.header(SET_COOKIE) + &page.header(VARY), "");
}
