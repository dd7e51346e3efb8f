//! The typed session: what two requests change at the same time both survives.

use std::sync::Arc;

use axum::http::StatusCode;
use tokio::sync::Barrier;

use crate::browser::{Browser, memory};
use crate::examples::typed::app;

/// Two requests whose handlers go on only when both have read the session.
async fn at_once(visitor: &Browser, puts: [(&str, &str); 2]) {
    let (mut first, mut second) = (visitor.clone(), visitor.clone());
    let both = Arc::new(Barrier::new(2));
    let wait = || {
        let both = Arc::clone(&both);
        async move {
            both.wait().await;
        }
    };
    let [(a, this), (b, that)] = puts;
    let (this, that) = tokio::join!(
        first.put_slowly(a, this, wait()),
        second.put_slowly(b, that, wait()),
    );
    assert_eq!((this.status, that.status), (StatusCode::OK, StatusCode::OK));
}

#[tokio::test]
async fn entries_have_types_and_defaults() {
    let mut visitor = Browser::new(&app(memory()));
    let expected = r#"{"theme":"light","language":"en","basket":[]}"#;
    assert_eq!(visitor.get("/").await.body, expected);
    assert_eq!(visitor.jar.id(), None);
    visitor.put_slowly("/theme", r#""dark""#, async {}).await;
    visitor.put_slowly("/basket", "7", async {}).await;
    let expected = r#"{"theme":"dark","language":"en","basket":[7]}"#;
    assert_eq!(visitor.get("/").await.body, expected);
    let pink = visitor.put_slowly("/theme", r#""pink""#, async {}).await;
    assert_eq!(pink.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(visitor.get("/").await.body, expected);
}

#[tokio::test]
async fn different_fields_changed_at_the_same_time_both_survive() {
    let (theme, language) = (("/theme", r#""dark""#), ("/language", r#""de""#));
    // In both orders, so that each is once the last to be stored.
    for puts in [[theme, language], [language, theme]] {
        let mut visitor = Browser::new(&app(memory()));
        visitor.put_slowly("/basket", "1", async {}).await;
        at_once(&visitor, puts).await;
        let expected = r#"{"theme":"dark","language":"de","basket":[1]}"#;
        assert_eq!(visitor.get("/").await.body, expected);
    }
}

#[tokio::test]
async fn two_articles_put_in_at_the_same_time_are_both_in_the_basket() {
    let mut visitor = Browser::new(&app(memory()));
    visitor.put_slowly("/basket", "1", async {}).await;
    at_once(&visitor, [("/basket", "2"), ("/basket", "3")]).await;
    let body = visitor.get("/").await.body;
    let both = body.contains("[1,2,3]") || body.contains("[1,3,2]");
    assert!(both, "{body}");
}
