//! What lies in the same database and is no session of the key: never shown, never touched (R04,
//! R37).

use redis::AsyncCommands;

use super::*;

/// What stands under an id and is not the session of that id.
fn strangers() -> Vec<(&'static str, Vec<u8>)> {
    let other = "11111111111111111111111111111111";
    let unblessed = Document::of(&BTreeMap::from([("id", LEGACY)])).unwrap();
    let mut list = Document::of(&["id", LEGACY]).unwrap();
    let root = list.root().id();
    list.bless(root, CLASS).unwrap();
    let mut nameless = Document::of(&BTreeMap::from([("user", "anna")])).unwrap();
    let root = nameless.root().id();
    nameless.bless(root, CLASS).unwrap();
    vec![
        ("nothing", Vec::new()),
        ("text", b"some text".to_vec()),
        ("json", b"{\"a\":1}".to_vec()),
        ("a number", b"42".to_vec()),
        ("no object", unblessed.encode().unwrap()),
        ("no hash", list.encode().unwrap()),
        ("an object without an id", nameless.encode().unwrap()),
        (
            "the session of another id",
            frozen(CLASS, other, &[("user", "anna")]),
        ),
        (
            "a frozen thing cut short",
            frozen(CLASS, other, &[("a", "1")])[..40].to_vec(),
        ),
        ("a header alone", b"\x05\x0b".to_vec()),
    ]
}

#[tokio::test]
async fn r04_what_is_no_session_of_the_id_is_missing_and_stays_as_it_is() {
    for kind in [Kind::DancerInMemory, Kind::DancerInRedis] {
        let bench = Bench::new(kind).await;
        for (name, bytes) in strangers() {
            bench.put(LEGACY, &bytes).await;
            assert!(bench.find_id(LEGACY).await.is_none(), "{name}");
            // A visitor gets a session of his own.
            let visitor = bench.engine.anonymous();
            visitor.set("a", 1).unwrap();
            assert_eq!(visitor.flush().await.unwrap(), Flushed::Created);
            let all = bench.all().await;
            let there = all.iter().find(|stored| stored.key == LEGACY).unwrap();
            assert_eq!(there.bytes, bytes, "{name}");
        }
    }
}

#[tokio::test]
async fn r04_canaries_of_every_type_keep_value_type_and_no_expiry() {
    let bench = Bench::new(Kind::DancerInRedis).await;
    let mut connection = bench.server().connection().await;
    // Names of every length that an id may have, a type for each in turn.
    let names: Vec<String> = (20..=128).map(|len| "c".repeat(len)).collect();
    for (at, name) in names.iter().enumerate() {
        let () = match at % 6 {
            0 => connection.set(name, "a canary").await.unwrap(),
            1 => connection.rpush(name, "a canary").await.unwrap(),
            2 => connection.sadd(name, "a canary").await.unwrap(),
            3 => connection.zadd(name, "a canary", 1).await.unwrap(),
            4 => connection.hset(name, "a", "canary").await.unwrap(),
            _ => {
                let mut add = redis::cmd("XADD");
                add.arg(name).arg("*").arg("a").arg("canary");
                let _: String = add.query_async(&mut connection).await.unwrap();
            }
        };
    }
    let look = async |mut connection: redis::aio::MultiplexedConnection| {
        let mut seen = Vec::new();
        for name in &names {
            let dump: Vec<u8> = redis::cmd("DUMP")
                .arg(name)
                .query_async(&mut connection)
                .await
                .unwrap();
            let left: i64 = connection.ttl(name).await.unwrap();
            seen.push((dump, left));
        }
        seen
    };
    let before = look(connection.clone()).await;
    for touch_interval in [0, 60] {
        let settings = Settings {
            sock: Some(bench.server().sock().to_owned()),
            layout: dancer_session::Layout::Dancer,
            lifetime: Some(1000 * SECOND),
            touch_interval: Duration::from_secs(touch_interval),
            ..Settings::default()
        };
        let engine = SessionEngine::init(settings).await.unwrap();
        for name in &names {
            assert!(engine.retrieve(name).await.unwrap().is_none());
        }
        let random = (0..5_000).map(|number| format!("{number:020}"));
        for name in random {
            assert!(engine.retrieve(&name).await.unwrap().is_none());
        }
    }
    assert_eq!(look(connection.clone()).await, before);
    assert!(before.iter().all(|(_, left)| *left == -1));
}

#[tokio::test]
async fn r37_a_proved_session_that_cannot_be_read_is_an_error_and_stays() {
    let whole = frozen(CLASS, LEGACY, &[("user", "anna"), ("words", "some words")]);
    let end = whole.len();
    let mut newer = whole.clone();
    newer[1] = 13;
    let mut deep = Document::decode_with(
        &whole,
        storable::Limits {
            depth: 250,
            ..storable::Limits::default()
        },
    )
    .unwrap();
    let root = deep.root().id();
    let mut nested = serde_json::json!(1);
    for _ in 0..100 {
        nested = serde_json::json!([nested]);
    }
    deep.insert(root, "deep", &nested).unwrap();
    let native = {
        let bench = Bench::new(Kind::Memory).await;
        bench.session(&[("a", 1)]).await;
        bench.only().await.bytes
    };
    let table = [
        ("cut short", whole[..end - 1].to_vec(), "expected"),
        ("of a newer version", newer, "2.13"),
        ("nested too deep", deep.encode().unwrap(), "128 levels"),
        (
            "with more behind it",
            [&whole[..], b"more"].concat(),
            "expected the end",
        ),
    ];
    for kind in [Kind::DancerInMemory, Kind::DancerInRedis] {
        let bench = Bench::new(kind).await;
        for (name, bytes, words) in &table {
            bench.put(LEGACY, bytes).await;
            let error = bench.engine.retrieve(LEGACY).await.unwrap_err();
            assert!(error.is_unreadable(), "{name}: {error}");
            let text = format!("{error} {error:?}");
            assert!(text.contains(words), "{name}: {text}");
            assert!(!text.contains("anna") && !text.contains(LEGACY), "{text}");
            assert_eq!(bench.only().await.bytes, *bytes, "{name}");
        }
        // That of another id in the native layout is a stranger's.
        bench.put(LEGACY, &native).await;
        assert!(bench.find_id(LEGACY).await.is_none());
    }
}

#[tokio::test]
async fn r37_the_other_layout_is_named_and_never_overwritten() {
    // The same id in both layouts can only be one that Dancer's accepts: 43 characters.
    let native = Bench::new(Kind::Memory).await;
    let session = native.session(&[("a", 1)]).await;
    let payload = native.only().await.bytes;
    let bench = Bench::new(Kind::DancerInMemory).await;
    bench.put(&id(&session), &payload).await;
    let error = bench.engine.retrieve(&id(&session)).await.unwrap_err();
    assert!(error.is_unreadable(), "{error}");
    assert!(
        error.to_string().contains("is in the native layout"),
        "{error}"
    );
    assert_eq!(bench.only().await.bytes, payload);
    let dancer = frozen(CLASS, &id(&session), &[("a", "1")]);
    let key = native.only().await.key;
    native.put(&key, &dancer).await;
    let error = native.engine.retrieve(&id(&session)).await.unwrap_err();
    assert!(
        error.to_string().contains("is in the Dancer layout"),
        "{error}"
    );
    assert_eq!(native.only().await.bytes, dancer);
}

#[tokio::test]
async fn r37_another_type_that_took_the_place_of_a_session_is_missing() {
    let bench = Bench::new(Kind::DancerInRedis).await;
    let mut connection = bench.server().connection().await;
    for round in 0..3 {
        bench
            .put(LEGACY, frozen(CLASS, LEGACY, &[("a", "1")]))
            .await;
        let session = bench.find_id(LEGACY).await.unwrap();
        match round {
            0 => session.set("a", 2).unwrap(),
            1 => session.renew(),
            _ => session.destroy(),
        }
        let () = connection.del(LEGACY).await.unwrap();
        let () = connection.rpush(LEGACY, "a canary").await.unwrap();
        let flushed = session.flush().await.unwrap();
        let expected = if round == 2 {
            Flushed::Destroyed
        } else {
            Flushed::Ended
        };
        assert_eq!(flushed, expected);
        let list: Vec<String> = connection.lrange(LEGACY, 0, -1).await.unwrap();
        assert_eq!(list, ["a canary"]);
        assert_eq!(bench.server().pttl(LEGACY).await, -1);
        let () = connection.del(LEGACY).await.unwrap();
    }
}

#[tokio::test]
async fn r37_a_flush_that_finds_a_stranger_there_stores_nothing() {
    for kind in [Kind::DancerInMemory, Kind::DancerInRedis] {
        let bench = Bench::new(kind).await;
        for (name, bytes) in strangers() {
            bench
                .put(LEGACY, frozen(CLASS, LEGACY, &[("a", "1")]))
                .await;
            let session = bench.find_id(LEGACY).await.unwrap();
            session.set("a", 2).unwrap();
            bench.put(LEGACY, &bytes).await;
            assert_eq!(session.flush().await.unwrap(), Flushed::Ended, "{name}");
            assert_eq!(bench.only().await.bytes, bytes, "{name}");
        }
    }
}
