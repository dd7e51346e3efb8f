//! A session of one layout becomes one of the other, or says which entry can't.

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn plain_data_goes_to_and_fro() {
    let native = Bench::new(Kind::Memory).await;
    let dancer = Bench::new(Kind::DancerInMemory).await;
    let session = native.session(&[("n", 42)]).await;
    let data = json!({"list": [1, -2, 2.5, null, "text", "é☺"], "empty": {}, "deep": {"a": [[]]}});
    session.set("data", &data).unwrap();
    session.set("é", "key").unwrap();
    session.set("large", u64::MAX).unwrap();
    // Changes that are not flushed go along.
    let there = dancer.engine.convert(&session).await.unwrap();
    assert_ne!(id(&there), id(&session));
    let again = dancer.again(&there).await;
    assert_eq!(again.get::<Value>("data").unwrap(), Some(data.clone()));
    assert_eq!(again.get("large").unwrap(), Some(u64::MAX));
    let mut keys = again.keys();
    keys.sort();
    assert_eq!(keys, ["data", "large", "n", "é"]);
    let back = native.engine.convert(&again).await.unwrap();
    let back = native.again(&back).await;
    assert_eq!(back.get::<Value>("data").unwrap(), Some(data));
    assert_eq!(back.get("é").unwrap(), Some("key".to_owned()));
    assert_eq!(get(&back, "n"), Some(42));
    // The first one stays.
    assert!(native.find(&session).await.is_some());
}

#[tokio::test]
async fn r16_the_absolute_limit_goes_along() {
    let settings = Settings {
        expire: 60 * SECOND,
        lifetime: Some(100 * SECOND),
        ..Settings::default()
    };
    let native = Bench::with(Kind::Memory, settings.clone()).await;
    let session = native.session(&[("a", 1)]).await;
    native.pass(50 * SECOND).await;
    let moved = native
        .engine
        .convert(&native.again(&session).await)
        .await
        .unwrap();
    assert!(moved.time_left().unwrap() <= 50 * SECOND);
    assert!(native.again(&moved).await.time_left().unwrap() <= 50 * SECOND);
}

#[tokio::test]
async fn what_json_cannot_hold_is_refused_by_its_name() {
    let native = Bench::new(Kind::Memory).await;
    let bench = Bench::new(Kind::DancerInMemory).await;
    let table = [
        ("blessed-hash", "an object of class Foo"),
        ("datetime", "an object of class DateTime"),
        ("code", "it has code"),
        ("regexp", "an object of class Regexp"),
        ("shared-hash", "shares a value"),
        ("cycle-array", "shares a value"),
        ("weak-first", "it has a reference"),
        ("tied-hash", "it has a tied variable"),
        ("vstring", "it has a version string"),
        ("restricted-hash", "it has Hash"),
        ("string-all-bytes", "bytes that are no text"),
        ("double-inf", "a number that is none"),
        ("double-nan", "a number that is none"),
    ];
    for (name, words) in table {
        let whole = perl::holding(&Document::decode(&perl::vector(name)).unwrap());
        bench.put(LEGACY, whole.encode().unwrap()).await;
        let session = bench.find_id(LEGACY).await.unwrap();
        let error = native.engine.convert(&session).await.unwrap_err();
        assert!(error.is_refused(), "{name}: {error}");
        let text = error.to_string();
        assert!(
            text.contains("\"thing\"") && text.contains(words),
            "{name}: {text}"
        );
        assert_eq!(native.all().await, [], "{name}");
        session.remove("thing");
        let moved = native.engine.convert(&session).await.unwrap();
        assert_eq!(moved.get("a").unwrap(), Some("1".to_owned()));
        moved.destroy();
        let _ = moved.flush().await.unwrap();
        native.pass(60 * SECOND).await;
    }
    // What two entries share is not found in one of them.
    let bytes = perl::vector("json-true");
    let fits = perl::holding(&Document::decode(&bytes).unwrap());
    bench.put(LEGACY, fits.encode().unwrap()).await;
    let session = bench.find_id(LEGACY).await.unwrap();
    let moved = native.engine.convert(&session).await.unwrap();
    let thing: Value = moved.get("thing").unwrap().unwrap();
    assert_eq!(thing, json!({"yes": 1, "no": 0}));
}

#[tokio::test]
async fn an_integer_that_perl_does_not_have_is_refused_by_its_name() {
    let native = Bench::new(Kind::Memory).await;
    let session = native.session(&[]).await;
    let stored = native.only().await;
    let dancer = Bench::new(Kind::DancerInMemory).await;
    for (value, fits) in [
        ("123456789012345678901234567890", false),
        ("[{\"a\":[-99999999999999999999]}]", false),
        ("18446744073709551615", true),
        ("1e30", true),
        ("-1.5", true),
        ("\"123456789012345678901234567890\"", true),
        ("\"a\\\"123456789012345678901234567890\"", true),
    ] {
        let head = stored.payload.strip_suffix("{}}").unwrap();
        native
            .put(&stored.key, format!("{head}{{\"big\":{value}}}}}"))
            .await;
        let session = native.again(&session).await;
        match dancer.engine.convert(&session).await {
            Ok(_) => assert!(fits, "{value}"),
            Err(error) => {
                assert!(!fits && error.is_refused(), "{value}: {error}");
                assert!(error.to_string().contains("\"big\""), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn keys_that_json_has_no_text_for_are_refused() {
    let native = Bench::new(Kind::Memory).await;
    let bench = Bench::new(Kind::DancerInMemory).await;
    // {a => {"\xe9" => 1, "\xc3\xa9" => 2}}, then {a => {"caf\xe9" => 1}}.
    let twice =
        b"\x05\x0b\x03\x00\x00\x00\x02\x08\x81\x00\x00\x00\x01\xe9\x08\x82\x00\x00\x00\x02\xc3\xa9";
    let latin = b"\x05\x0b\x03\x00\x00\x00\x01\x08\x81\x00\x00\x00\x04caf\xe9";
    for (inner, words) in [(&twice[..], "no text"), (latin, "no text")] {
        let whole = perl::holding(&Document::decode(inner).unwrap());
        bench.put(LEGACY, whole.encode().unwrap()).await;
        let session = bench.find_id(LEGACY).await.unwrap();
        let error = native.engine.convert(&session).await.unwrap_err();
        assert!(
            error.is_refused() && error.to_string().contains(words),
            "{error}"
        );
        assert!(error.to_string().contains("\"thing\""), "{error}");
    }
    assert_eq!(native.all().await, []);
}

#[tokio::test]
async fn a_session_that_is_over_is_not_converted() {
    let native = Bench::new(Kind::Memory).await;
    let dancer = Bench::new(Kind::DancerInMemory).await;
    let session = native.session(&[("a", 1)]).await;
    let other = native.again(&session).await;
    other.destroy();
    assert_eq!(other.flush().await.unwrap(), Flushed::Destroyed);
    let ended = native.again(&session).await;
    assert!(ended.is_ended());
    assert!(
        dancer
            .engine
            .convert(&ended)
            .await
            .unwrap_err()
            .is_refused()
    );
    assert_eq!(dancer.all().await, []);
}

#[tokio::test]
async fn what_is_too_deep_for_perl_is_refused_by_its_name() {
    let native = Bench::new(Kind::Memory).await;
    let dancer = Bench::new(Kind::DancerInMemory).await;
    for (depth, fits) in [(63, true), (64, false), (100, false)] {
        let mut deep = json!(1);
        for _ in 0..depth {
            deep = json!([deep]);
        }
        let session = native.session(&[("n", 1)]).await;
        session.set("deep", &deep).unwrap();
        match dancer.engine.convert(&session).await {
            Ok(_) => assert!(fits, "{depth}"),
            Err(error) => {
                assert!(!fits && error.is_refused(), "{depth}: {error}");
                assert!(error.to_string().contains("\"deep\""), "{error}");
            }
        }
    }
}
