//! What one side has written is on the other what it was, and with the original module as well.

use dancer_session_tower::Flushed;
use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_perls_stay_intact_through_every_pair_of_hands() {
    let both = Both::start().await;
    let original = DancerApp::start(&both.redis);
    let (perl, rust) = (both.perl.address(), both.rust);
    for writer in [perl, original.address()] {
        let visitor = Visitor::default();
        visitor.post(writer, "/object", &[]).await;
        let id = visitor.cookie(COOKIE).unwrap();
        let readers = [
            perl,
            original.address(),
            rust,
            perl,
            rust,
            original.address(),
        ];
        for (turn, &address) in readers.iter().enumerate() {
            // Everybody stores all of it again.
            let name = format!("/set/turn{turn}");
            visitor.post(address, &name, &[("value", "by Perl")]).await;
            for reader in [perl, original.address()] {
                assert_eq!(
                    visitor.get(reader, "/object").await,
                    "intact",
                    "turn {turn}"
                );
            }
        }
        assert_eq!(visitor.get(rust, "/get/turn0").await, "\"by Perl\"");
        assert_eq!(visitor.get(perl, "/get/turn2").await, "by Rust");
        assert_eq!(
            visitor.cookie(COOKIE).unwrap(),
            id,
            "nobody needed a new id"
        );
        let left = both.redis.pttl(&id).await;
        assert!((840_000..=900_000).contains(&left), "{left}");
    }
    assert_eq!(
        both.redis.scan().await.len(),
        2,
        "two sessions and nothing else"
    );
    no_complaints(&both.perl);
    no_complaints(&original);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r43_rust_reads_what_perl_has_set() {
    let both = Both::start().await;
    let visitor = Visitor::default();
    let perl = both.perl.address();
    visitor.post(perl, "/object", &[]).await;
    let list = r#"{"b": [1, "1", 1.5, null], "a": "č"}"#;
    visitor
        .post(perl, "/set_json/list", &[("value", list)])
        .await;
    visitor.post(perl, "/set/čaj", &[("value", "žluť €")]).await;
    let id = visitor.cookie(COOKIE).unwrap();
    let session = both.engine.retrieve(&id).await.unwrap().unwrap();
    let read = |name: &str| session.get::<Value>(name).unwrap();
    assert_eq!(read("one"), Some(json!([1, "two", 3.5])));
    assert_eq!(read("one"), read("other"));
    assert_eq!(read("text"), Some(json!("café €")));
    assert_eq!(read("digits"), Some(json!("0042")));
    assert_eq!(read("big"), Some(json!(9_007_199_254_740_993_u64)));
    assert_eq!(
        read("list"),
        Some(json!({"b": [1, "1", 1.5, null], "a": "č"}))
    );
    assert_eq!(read("čaj"), Some(json!("žluť €")));
    assert_eq!(session.get::<i64>("minus").unwrap(), Some(-1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r43_perl_reads_what_rust_has_set() {
    let both = Both::start().await;
    let original = DancerApp::start(&both.redis);
    let session = both.engine.create().await.unwrap();
    session
        .set("list", json!({"b": [1, "1", 1.5, null], "a": "č"}))
        .unwrap();
    session.set("text", "žluť €").unwrap();
    session.set("big", 9_007_199_254_740_993_u64).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let visitor = Visitor::default();
    visitor.set_cookie(COOKIE, session.id().unwrap().as_str());
    for address in [both.perl.address(), original.address()] {
        let list = visitor.get(address, "/get/list").await;
        assert_eq!(list, r#"{"a":"\x{10d}","b":[1,"1",1.5,undef]}"#);
        assert_eq!(visitor.get(address, "/get/text").await, "žluť €");
        assert_eq!(visitor.get(address, "/get/big").await, "9007199254740993");
        // Changed on the way, which the engine has to find out.
        visitor
            .post(address, "/set/text", &[("value", "žluť €")])
            .await;
    }
    let again = both
        .engine
        .retrieve(session.id().unwrap().as_str())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        again.get::<Value>("list").unwrap(),
        session.get("list").unwrap()
    );
    assert_eq!(
        again.get::<Value>("big").unwrap(),
        session.get("big").unwrap()
    );
    no_complaints(&both.perl);
}
