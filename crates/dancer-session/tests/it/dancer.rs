//! The Dancer layout: bare keys in a database that may hold anything, payloads that Perl shares.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use dancer_session::{Flushed, SessionEngine, Settings};
use storable::{Document, Header, Kind as Node};

use crate::bench::{Bench, Kind, SECOND, get, id};

mod conversion;
mod foreign;
mod ids;
mod perl;

/// What Perl freezes for a session with these entries: no mark, no time of creation.
fn frozen(class: &str, id: &str, entries: &[(&str, &str)]) -> Vec<u8> {
    let mut hash = BTreeMap::from([("id", id)]);
    hash.extend(entries.iter().copied());
    let mut document = Document::of(&hash).unwrap();
    let root = document.root().id();
    document.bless(root, class).unwrap();
    document.encode().unwrap()
}

const CLASS: &str = "Dancer::Session::Redis";
/// An id as Dancer 1 makes them.
const LEGACY: &str = "39485023948576023948576023948576";

#[tokio::test]
async fn a_payload_is_what_perl_expects() {
    for kind in [Kind::DancerInMemory, Kind::DancerInRedis] {
        let bench = Bench::new(kind).await;
        let session = bench.session(&[("visits", 3)]).await;
        let stored = bench.only().await;
        assert_eq!(stored.key, id(&session));
        let document = Document::decode(&stored.bytes).unwrap();
        assert_eq!(document.header(), Header::native());
        let root = document.root();
        assert_eq!(root.class(), Some(CLASS));
        let Node::Hash(hash) = root.kind() else {
            panic!("{root:?}")
        };
        let mut keys: Vec<_> = hash.iter().map(|entry| entry.key().unwrap()).collect();
        keys.sort();
        assert_eq!(keys, ["__created", "__w", "id", "visits"]);
        assert_eq!(
            root.get("id").unwrap().to::<String>().unwrap(),
            id(&session)
        );
        let created: u64 = root.get("__created").unwrap().to().unwrap();
        let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
        assert!(now - created < 60);
    }
}

#[tokio::test]
async fn the_class_read_is_the_class_written() {
    let bench = Bench::new(Kind::DancerInMemory).await;
    bench
        .put(LEGACY, frozen("My::Session", LEGACY, &[("a", "1")]))
        .await;
    let session = bench.find_id(LEGACY).await.unwrap();
    session.set("a", 2).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let document = Document::decode(&bench.only().await.bytes).unwrap();
    assert_eq!(document.root().class(), Some("My::Session"));
    let settings = Settings {
        class: "Other::Class".into(),
        ..Settings::default()
    };
    let bench = Bench::with(Kind::DancerInMemory, settings).await;
    bench.session(&[("a", 1)]).await;
    let document = Document::decode(&bench.only().await.bytes).unwrap();
    assert_eq!(document.root().class(), Some("Other::Class"));
}

#[tokio::test]
async fn metadata_is_no_entry_and_survives() {
    let bench = Bench::new(Kind::DancerInMemory).await;
    let bytes = frozen(CLASS, LEGACY, &[("a", "1"), ("__owner", "user:42")]);
    bench.put(LEGACY, bytes).await;
    let session = bench.find_id(LEGACY).await.unwrap();
    assert_eq!(session.keys(), ["a"]);
    assert_eq!(session.len(), 1);
    for reserved in ["id", "__created", "__owner", "__w", "__ended"] {
        assert!(!session.contains(reserved));
        assert_eq!(session.get::<String>(reserved).unwrap(), None);
        assert!(session.set(reserved, "x").unwrap_err().is_refused());
        assert!(!session.remove(reserved));
    }
    session.clear();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let document = Document::decode(&bench.only().await.bytes).unwrap();
    assert!(document.root().get("a").is_none());
    let owner = document.root().get("__owner").unwrap();
    assert_eq!(owner.to::<String>().unwrap(), "user:42");
    assert!(bench.find_id(LEGACY).await.unwrap().is_empty());
}

#[tokio::test]
async fn r14_a_missing_expiry_is_repaired_by_the_retrieve() {
    let bench = Bench::new(Kind::DancerInRedis).await;
    let mut connection = bench.server().connection().await;
    let bytes = frozen(CLASS, LEGACY, &[("a", "1")]);
    for interval in [0, 60] {
        let settings = Settings {
            touch_interval: Duration::from_secs(interval),
            sock: Some(bench.server().sock().to_owned()),
            layout: dancer_session::Layout::Dancer,
            ..Settings::default()
        };
        let engine = SessionEngine::init(settings).await.unwrap();
        let () = redis::cmd("SET")
            .arg(LEGACY)
            .arg(&bytes)
            .query_async(&mut connection)
            .await
            .unwrap();
        assert_eq!(bench.only().await.left, None);
        assert!(engine.retrieve(LEGACY).await.unwrap().is_some());
        let left = bench.only().await.left.expect("an expiry by now");
        assert!(left > 890 * SECOND && left <= 900 * SECOND, "{left:?}");
    }
}

#[tokio::test]
async fn r16_a_session_of_perls_is_dated_at_its_first_retrieve() {
    for kind in [Kind::DancerInMemory, Kind::DancerInRedis] {
        let settings = Settings {
            expire: 60 * SECOND,
            lifetime: Some(100 * SECOND),
            ..Settings::default()
        };
        let bench = Bench::with(kind, settings).await;
        bench
            .put(LEGACY, frozen(CLASS, LEGACY, &[("a", "1")]))
            .await;
        let session = bench.find_id(LEGACY).await.unwrap();
        assert_eq!(get(&session, "a"), Some(1));
        let dated = Document::decode(&bench.only().await.bytes).unwrap();
        assert!(dated.root().get("__created").is_some());
        assert!(bench.only().await.left.unwrap() <= 60 * SECOND);
        // And it is the one in hand: its flush finds what it expects.
        session.set("a", 2).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        bench.pass(50 * SECOND).await;
        assert!(bench.find_id(LEGACY).await.is_some());
        bench.pass(49 * SECOND).await;
        assert!(bench.find_id(LEGACY).await.is_some());
        bench.pass(2 * SECOND).await;
        assert!(bench.find_id(LEGACY).await.is_none());
    }
}

#[tokio::test]
async fn without_a_limit_a_session_of_perls_is_dated_when_it_is_flushed() {
    let bench = Bench::new(Kind::DancerInMemory).await;
    let bytes = frozen(CLASS, LEGACY, &[("a", "1")]);
    bench.put(LEGACY, &bytes).await;
    let session = bench.find_id(LEGACY).await.unwrap();
    assert_eq!(bench.only().await.bytes, bytes);
    session.set("a", 2).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let dated = Document::decode(&bench.only().await.bytes).unwrap();
    assert!(dated.root().get("__created").is_some());
}

#[tokio::test]
async fn a_change_of_perls_between_read_and_flush_survives() {
    for kind in [Kind::DancerInMemory, Kind::DancerInRedis] {
        let bench = Bench::new(kind).await;
        bench
            .put(LEGACY, frozen(CLASS, LEGACY, &[("n", "1")]))
            .await;
        let session = bench.find_id(LEGACY).await.unwrap();
        session
            .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
            .unwrap();
        bench
            .put(
                LEGACY,
                frozen(CLASS, LEGACY, &[("n", "41"), ("perl", "was here")]),
            )
            .await;
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        let again = bench.find_id(LEGACY).await.unwrap();
        assert_eq!(get(&again, "n"), Some(42));
        assert_eq!(
            again.get::<String>("perl").unwrap().as_deref(),
            Some("was here")
        );
    }
}

#[tokio::test]
async fn rule_4_12_a_mark_that_perl_has_copied_is_still_ours() {
    // Perl keeps the mark it has read: what it writes is the work of a flush that it had seen.
    let bench = Bench::new(Kind::DancerInMemory).await;
    let session = bench.session(&[("n", 1)]).await;
    let mut document = Document::decode(&bench.only().await.bytes).unwrap();
    let root = document.root().id();
    document.insert(root, "n", &41).unwrap();
    bench.put(&id(&session), document.encode().unwrap()).await;
    session
        .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
        .unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(get(&bench.again(&session).await, "n"), Some(42));
}

#[tokio::test]
async fn what_perl_puts_into_a_stub_is_a_session_of_its_own() {
    for kind in [Kind::DancerInMemory, Kind::DancerInRedis] {
        let bench = Bench::new(kind).await;
        let session = bench.session(&[("secret", 1)]).await;
        let old = id(&session);
        session.destroy();
        assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
        assert!(bench.find_id(&old).await.unwrap().is_ended());
        // To Perl that is an empty session, and it goes on with it.
        let mut stub = Document::decode(&bench.only().await.bytes).unwrap();
        let root = stub.root().id();
        stub.insert(root, "user", "bert").unwrap();
        bench.put(&old, stub.encode().unwrap()).await;
        let again = bench.find_id(&old).await.unwrap();
        assert!(!again.is_ended());
        assert_eq!(again.keys(), ["user"]);
        assert!(bench.only().await.left.unwrap() > 800 * SECOND);
        again.set("n", 1).unwrap();
        assert_eq!(again.flush().await.unwrap(), Flushed::Stored);
        let document = Document::decode(&bench.only().await.bytes).unwrap();
        assert!(document.root().get("__ended").is_none());
    }
}

#[tokio::test]
async fn r04_a_destroy_does_not_overwrite_what_took_the_place_of_the_session() {
    for kind in [Kind::DancerInMemory, Kind::DancerInRedis] {
        let bench = Bench::new(kind).await;
        let session = bench.session(&[("a", 1)]).await;
        session.destroy();
        bench.put(&id_of(&bench).await, "a stranger's").await;
        assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
        assert_eq!(bench.only().await.payload, "a stranger's");
        // A change of Perl's does not save a session from its log-out.
        let bench = Bench::new(kind).await;
        bench
            .put(LEGACY, frozen(CLASS, LEGACY, &[("a", "1")]))
            .await;
        let session = bench.find_id(LEGACY).await.unwrap();
        session.destroy();
        bench
            .put(LEGACY, frozen(CLASS, LEGACY, &[("a", "2")]))
            .await;
        assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
        assert!(bench.find_id(LEGACY).await.unwrap().is_ended());
    }
}

async fn id_of(bench: &Bench) -> String {
    bench.only().await.key
}

#[tokio::test]
async fn what_perl_has_left_undefined_is_as_good_as_none() {
    let bench = Bench::new(Kind::DancerInMemory).await;
    let mut undefined = Document::decode(&frozen(CLASS, LEGACY, &[])).unwrap();
    let root = undefined.root().id();
    for name in ["user", "n", "csrf", "flash", "logged_in_at"] {
        undefined.insert(root, name, &()).unwrap();
    }
    bench.put(LEGACY, undefined.encode().unwrap()).await;
    let session = bench.find_id(LEGACY).await.unwrap();
    assert_eq!(session.get::<String>("user").unwrap(), None);
    assert_eq!(session.get::<bool>("user").unwrap(), Some(false));
    assert_eq!(session.get::<Option<u8>>("n").unwrap(), Some(None));
    session
        .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
        .unwrap();
    assert_eq!(session.take_flash("info").unwrap(), Vec::<String>::new());
    session.flash("info", "hello").unwrap();
    assert!(!session.csrf().unwrap().is_empty());
    assert_eq!(session.logged_in_at().unwrap(), None);
    assert_eq!(get(&session, "n"), Some(1));
}

#[tokio::test]
async fn a_small_session_is_changed_as_often_as_one_likes() {
    let bench = Bench::new(Kind::DancerInMemory).await;
    let session = bench.engine.anonymous();
    for round in 0..300 {
        session.set("list", vec![round; 1000]).unwrap();
    }
    assert_eq!(session.flush().await.unwrap(), Flushed::Created);
    for round in 0..150 {
        session.set("list", vec![round; 1000]).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    }
    assert_eq!(
        bench
            .again(&session)
            .await
            .get::<Vec<u64>>("list")
            .unwrap()
            .unwrap()
            .len(),
        1000
    );
}

#[tokio::test]
async fn max_size_above_the_default_is_for_new_sessions_too() {
    let settings = Settings {
        max_size: 8 << 20,
        ..Settings::default()
    };
    let bench = Bench::with(Kind::DancerInMemory, settings).await;
    let session = bench.engine.anonymous();
    session.set("large", "x".repeat(2 << 20)).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Created);
    let large: String = bench.again(&session).await.get("large").unwrap().unwrap();
    assert_eq!(large.len(), 2 << 20);
}

#[tokio::test]
async fn odd_metadata_of_perls_says_nothing() {
    let settings = Settings {
        expire: 60 * SECOND,
        lifetime: Some(100 * SECOND),
        ..Settings::default()
    };
    let future = UNIX_EPOCH.elapsed().unwrap().as_secs() + 1_000_000;
    for odd in ["", "soon", "-5", "nan", "1e300", &future.to_string()] {
        let bench = Bench::with(Kind::DancerInMemory, settings.clone()).await;
        let bytes = frozen(
            CLASS,
            LEGACY,
            &[("a", "1"), ("__created", odd), ("__w", odd)],
        );
        bench.put(LEGACY, bytes).await;
        let session = bench.find_id(LEGACY).await.unwrap();
        assert_eq!(get(&session, "a"), Some(1), "{odd:?}");
        assert!(session.time_left().unwrap() <= 100 * SECOND);
        let bytes = frozen(CLASS, LEGACY, &[("__ended", odd)]);
        bench.put(LEGACY, bytes).await;
        let _ = bench.find_id(LEGACY).await;
        let left = bench.all().await.first().and_then(|stored| stored.left);
        assert!(
            left.is_none_or(|left| left <= 3700 * SECOND),
            "{odd:?} {left:?}"
        );
    }
}

/// One thread runs what was spawned only when the request waits: that must not be too late.
#[tokio::test]
async fn rule_4_4_the_touch_of_a_read_does_not_overtake_the_stub() {
    for interval in [0, 60] {
        let settings = Settings {
            touch_interval: interval * SECOND,
            ..Settings::default()
        };
        for kind in [Kind::Redis, Kind::DancerInRedis] {
            let bench = Bench::with(kind, settings.clone()).await;
            for _ in 0..20 {
                let session = bench.session(&[("a", 1)]).await;
                bench.pass(100 * SECOND).await;
                let session = bench.again(&session).await;
                session.destroy();
                assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
                let left = bench.only().await.left.unwrap();
                assert!(left <= 52 * SECOND, "{kind:?} {interval} {left:?}");
                bench.pass(100 * SECOND).await;
            }
        }
    }
}

#[tokio::test]
async fn r16_what_perl_writes_while_a_session_is_dated_survives() {
    let settings = Settings {
        expire: 60 * SECOND,
        lifetime: Some(100 * SECOND),
        ..Settings::default()
    };
    let bench = Bench::with(Kind::DancerInMemory, settings).await;
    bench
        .put(LEGACY, frozen(CLASS, LEGACY, &[("n", "1")]))
        .await;
    bench.let_another_be_faster(frozen(CLASS, LEGACY, &[("n", "2")]));
    let session = bench
        .find_id(LEGACY)
        .await
        .expect("it is there all the time");
    assert_eq!(get(&session, "n"), Some(2));
    let dated = Document::decode(&bench.only().await.bytes).unwrap();
    assert!(dated.root().get("__created").is_some());
    // The session in hand is the one that is stored: its flush takes one step.
    let before = bench.steps().await;
    session.set("n", 3).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(bench.steps().await, before + 1);
    // A destroy that meets a faster change of Perl's ends that, too.
    let session = bench.find_id(LEGACY).await.unwrap();
    session.destroy();
    bench.let_another_be_faster(frozen(CLASS, LEGACY, &[("n", "4")]));
    assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
    assert!(bench.find_id(LEGACY).await.unwrap().is_ended());
}
