//! What the border to Perl asks of the engine: a session that has an id before it is stored, that is
//! taken into hand again from its payload, and that is taken over whole.

use std::collections::BTreeMap;

use bytes::Bytes;
use dancer_session::{Flushed, Session, Settings};
use serde::Serialize;
use storable::Document;

use crate::bench::{Bench, Kind, get, id};

const KINDS: [Kind; 3] = [Kind::Memory, Kind::DancerInMemory, Kind::WithoutThreads];

/// What a program in Perl freezes of a session.
fn frozen(class: &str, entries: &[(&str, &dyn Shown)]) -> Vec<u8> {
    let mut document = Document::of(&BTreeMap::<&str, u8>::new()).unwrap();
    let root = document.root().id();
    for (name, value) in entries {
        value.put(&mut document, name);
    }
    document.bless(root, class).unwrap();
    document.encode().unwrap()
}

/// A value of any type.
trait Shown {
    fn put(&self, document: &mut Document, name: &str);
}

impl<T: Serialize> Shown for T {
    fn put(&self, document: &mut Document, name: &str) {
        let root = document.root().id();
        document.insert(root, name, self).unwrap();
    }
}

/// Another object of the same session, as another call would have it.
fn resumed(bench: &Bench, session: &Session) -> Session {
    let payload = session.payload().unwrap();
    bench.engine.resume(&id(session), payload).unwrap()
}

const CLASS: &str = "My::Session";

#[tokio::test]
async fn a_session_has_its_id_before_it_is_stored() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        let new = bench.engine.new_id().unwrap();
        let session = bench.engine.begin(new.as_str()).unwrap();
        assert_eq!(session.id().unwrap(), new);
        assert!(bench.all().await.is_empty(), "nothing is stored yet");
        assert_eq!(session.flush().await.unwrap(), Flushed::Created);
        assert_eq!(session.id().unwrap(), new, "even without entries");
        assert!(bench.engine.retrieve(new.as_str()).await.unwrap().is_some());
        // Taken by now.
        let second = bench.engine.begin(new.as_str()).unwrap();
        second.set("mine", 1).unwrap();
        assert_eq!(second.flush().await.unwrap(), Flushed::Created);
        assert_ne!(second.id().unwrap(), new);
        assert_eq!(get(&bench.again(&session).await, "mine"), None);
    }
}

#[tokio::test]
async fn r02_no_session_is_begun_under_what_a_client_may_have_made_up() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        for id in [
            "",
            "XXX",
            "39485023948576023948576023948576",
            "../etc/passwd",
        ] {
            assert!(bench.engine.begin(id).unwrap_err().is_refused(), "{id}");
        }
    }
}

#[tokio::test]
async fn a_session_in_hand_is_told_from_what_its_payload_resumes() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        let session = bench.session(&[("n", 1)]).await;
        let (id, read) = (id(&session), session.payload().unwrap());
        assert!(session.is_resumed_by(&id, &read));
        assert!(!session.is_resumed_by("XXX", &read));
        assert!(!session.is_resumed_by(&id, &read[1..]));
        session.set("n", 2).unwrap();
        assert!(!session.is_resumed_by(&id, &read), "with a change");
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        assert!(!session.is_resumed_by(&id, &read), "that was before");
        let stored = session.payload().unwrap();
        assert!(session.is_resumed_by(&id, &stored));
        session.renew();
        assert!(!session.is_resumed_by(&id, &stored), "with a renew");
        session.discard();
        assert!(session.is_resumed_by(&id, &stored));
        session.destroy();
        assert!(!session.is_resumed_by(&id, &stored));
        assert_eq!(session.flush().await.unwrap(), Flushed::Destroyed);
        assert!(!session.is_resumed_by(&id, &stored));
    }
}

#[tokio::test]
async fn a_payload_resumes_only_its_own_session() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        let (one, two) = (bench.session(&[("n", 1)]).await, bench.session(&[]).await);
        let payload = one.payload().unwrap();
        assert_eq!(get(&resumed(&bench, &one), "n"), Some(1));
        let resume = |id: &str, payload| bench.engine.resume(id, payload);
        assert!(resume(&id(&two), payload.clone()).is_err());
        assert!(resume("XXX", payload).is_err());
        assert!(resume(&id(&one), Bytes::from_static(b"\x04\x0b\x08")).is_err());
        let gone = resumed(&bench, &one);
        one.destroy();
        assert_eq!(one.flush().await.unwrap(), Flushed::Destroyed);
        gone.set("n", 2).unwrap();
        assert_eq!(gone.flush().await.unwrap(), Flushed::Ended);
    }
}

#[tokio::test]
async fn what_nobody_else_has_changed_is_taken_over_as_it_is() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        let session = bench.session(&[("kept", 1), ("removed", 2)]).await;
        let mine = frozen(CLASS, &[("kept", &1), ("added", &"new"), ("__ended", &1)]);
        let adopted = session.adopt(&mine, None).unwrap();
        assert!(!adopted.is_unchanged());
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        let mut names = bench.again(&session).await.keys();
        names.sort();
        assert_eq!(names, ["added", "kept"], "no stub, and no reserved name");
        if kind == Kind::DancerInMemory {
            let stored = Document::decode(&bench.only().await.bytes).unwrap();
            assert_eq!(stored.root().class(), Some(CLASS));
            assert!(stored.root().get("__ended").is_none());
        }
    }
}

#[tokio::test]
async fn r12_what_two_programs_did_is_put_together() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        let session = bench
            .session(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)])
            .await;
        let (one, two) = (resumed(&bench, &session), resumed(&bench, &session));
        // Changes b, removes c, adds e.
        let theirs = frozen(CLASS, &[("a", &1), ("b", &2), ("d", &1), ("e", &5)]);
        drop(one.adopt(&theirs, None).unwrap());
        assert_eq!(one.flush().await.unwrap(), Flushed::Stored);
        // Changes a, and b as text; removes d.
        let mine = frozen(CLASS, &[("a", &9), ("b", &"1"), ("c", &1)]);
        let adopted = two.adopt(&mine, None).unwrap();
        assert_eq!(two.flush().await.unwrap(), Flushed::Stored);
        assert!(adopted.is_merged());
        let stored = bench.again(&session).await;
        let values = ["a", "b", "c", "d", "e"].map(|name| get(&stored, name));
        assert_eq!(values, [Some(9), Some(2), None, None, Some(5)], "{kind:?}");
        let mut overtaken = adopted.overtaken(&two).unwrap();
        overtaken.sort();
        assert_eq!(overtaken, [&b"b"[..], b"c", b"e"].map(Box::<[u8]>::from));
    }
}

#[tokio::test]
async fn r12_an_entry_made_from_an_older_one_is_not_stored() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        let session = bench.session(&[("n", 1), ("x", 1)]).await;
        let (one, two) = (resumed(&bench, &session), resumed(&bench, &session));
        let theirs = frozen(CLASS, &[("n", &2), ("x", &1), ("y", &5)]);
        drop(one.adopt(&theirs, Some("n")));
        assert_eq!(one.flush().await.unwrap(), Flushed::Stored);
        let mine = frozen(CLASS, &[("n", &2), ("x", &7)]);
        let adopted = two.adopt(&mine, Some("n")).unwrap();
        assert!(two.flush().await.unwrap_err().is_refused());
        assert!(adopted.is_outrun());
        let newer = bench.again(&session).await;
        assert_eq!((get(&newer, "n"), get(&newer, "x")), (Some(2), Some(1)));
        let names = adopted.changed_by_others(&newer).unwrap();
        assert_eq!(names, [Box::from(&b"y"[..])], "what it did besides is kept");
        // Of another entry than the one that was changed, it is none of its business.
        let three = resumed(&bench, &session);
        let mine = frozen(CLASS, &[("n", &1), ("x", &3)]);
        drop(three.adopt(&mine, Some("x")).unwrap());
        assert_eq!(three.flush().await.unwrap(), Flushed::Stored);
        let stored = bench.again(&session).await;
        assert_eq!((get(&stored, "n"), get(&stored, "x")), (Some(2), Some(3)));
    }
}

#[tokio::test]
async fn what_the_engine_keeps_beside_the_entries_stays() {
    let bench = Bench::new(Kind::DancerInMemory).await;
    let session = bench.session(&[("n", 1)]).await;
    let mut document = Document::decode(&bench.only().await.bytes).unwrap();
    let root = document.root().id();
    document.insert(root, "__owner", &"user:42").unwrap();
    let created: u64 = document.root().get("__created").unwrap().to().unwrap();
    let payload = Bytes::from(document.encode().unwrap());
    bench.put(&id(&session), &payload).await;
    for n in 2..4 {
        let session = bench.again(&session).await;
        if n == 3 {
            let other = bench.again(&session).await;
            other.set("other", 1).unwrap();
            assert_eq!(other.flush().await.unwrap(), Flushed::Stored);
        }
        let mine = frozen(CLASS, &[("n", &n), ("__owner", &"somebody else")]);
        drop(session.adopt(&mine, None).unwrap());
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        let stored = Document::decode(&bench.only().await.bytes).unwrap();
        let text = |name| stored.root().get(name).unwrap().to::<String>().unwrap();
        assert_eq!(text("__owner"), "user:42");
        assert_eq!(text("__created"), created.to_string());
        assert_eq!(text("n"), n.to_string());
    }
}

#[tokio::test]
async fn in_the_native_layout_what_was_not_touched_keeps_its_bytes() {
    let bench = Bench::new(Kind::Memory).await;
    let session = bench.engine.anonymous();
    session.set("flag", true).unwrap();
    session.set("list", [1, 2]).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Created);
    // As Perl thaws and freezes it: a boolean is a number there.
    let seen = Document::decode(&session.freeze().unwrap().unwrap()).unwrap();
    assert_eq!(seen.root().get("flag").unwrap().to::<u8>().unwrap(), 1);
    let mine = frozen(CLASS, &[("flag", &1), ("list", &[1, 2]), ("new", &"x")]);
    drop(session.adopt(&mine, None).unwrap());
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let payload = bench.only().await.payload;
    assert!(
        payload.contains(r#""e":{"flag":true,"list":[1,2],"new":"x"}"#),
        "{payload}"
    );
}

#[tokio::test]
async fn what_is_no_session_is_not_taken_over() {
    let settings = Settings {
        max_size: 400,
        ..Settings::default()
    };
    for kind in KINDS {
        let bench = Bench::with(kind, settings.clone()).await;
        let session = bench.session(&[("n", 1)]).await;
        let list = Document::of(&[1, 2]).unwrap().encode().unwrap();
        let plain = Document::of(&BTreeMap::from([("n", 2)])).unwrap();
        let large = frozen(CLASS, &[("n", &"x".repeat(500))]);
        for mine in [
            &b""[..],
            b"\x04\x0b",
            &list,
            &plain.encode().unwrap(),
            &large,
        ] {
            assert!(session.adopt(mine, None).unwrap_err().is_refused());
        }
        assert_eq!(session.flush().await.unwrap(), Flushed::Unchanged);
        assert_eq!(get(&session, "n"), Some(1));
    }
}

#[tokio::test]
async fn r12_an_entry_that_only_another_one_has_changed_exactly() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        let session = bench.session(&[("gone", 1)]).await;
        let other = bench.again(&session).await;
        other.set("new", 1).unwrap();
        assert!(other.remove("gone"));
        let (one, two) = (resumed(&bench, &session), resumed(&bench, &session));
        let three = resumed(&bench, &session);
        assert_eq!(other.flush().await.unwrap(), Flushed::Stored);
        let mine = frozen(CLASS, &[("gone", &1), ("new", &7)]);
        drop(one.adopt(&mine, Some("new")).unwrap());
        assert!(one.flush().await.is_err(), "added meanwhile");
        let mine = frozen(CLASS, &[("gone", &2)]);
        drop(two.adopt(&mine, Some("gone")).unwrap());
        assert!(two.flush().await.is_err(), "removed meanwhile");
        let mine = frozen(CLASS, &[("gone", &1), ("own", &7)]);
        drop(three.adopt(&mine, Some("own")).unwrap());
        assert_eq!(three.flush().await.unwrap(), Flushed::Stored);
    }
}

#[tokio::test]
async fn what_was_left_as_it_was_is_unchanged() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        let session = bench.session(&[("n", 1)]).await;
        let same = |mine: Vec<u8>| session.adopt(&mine, None).unwrap().is_unchanged();
        assert!(same(frozen(CLASS, &[("n", &"1")])));
        assert!(!same(frozen(CLASS, &[("n", &2)])));
        assert!(!same(frozen(CLASS, &[])));
        let new = bench.engine.begin(bench.engine.new_id().unwrap().as_str());
        let adopted = new.unwrap().adopt(&frozen(CLASS, &[]), None).unwrap();
        assert!(!adopted.is_unchanged(), "nothing of it is stored");
    }
}

#[tokio::test]
async fn r12_a_large_session_is_put_together_too() {
    let bench = Bench::new(Kind::DancerInMemory).await;
    let large = vec![1u8; 60_000];
    let session = bench.session(&[]).await;
    let all = frozen(CLASS, &[("large", &large), ("x", &1), ("y", &1)]);
    drop(session.adopt(&all, None).unwrap());
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let (one, two) = (resumed(&bench, &session), resumed(&bench, &session));
    let theirs = frozen(CLASS, &[("large", &large), ("x", &2), ("y", &1)]);
    drop(one.adopt(&theirs, None).unwrap());
    assert_eq!(one.flush().await.unwrap(), Flushed::Stored);
    let mine = frozen(CLASS, &[("large", &large), ("x", &1), ("y", &2)]);
    drop(two.adopt(&mine, None).unwrap());
    assert_eq!(two.flush().await.unwrap(), Flushed::Stored);
    let stored = bench.again(&session).await;
    assert_eq!((get(&stored, "x"), get(&stored, "y")), (Some(2), Some(2)));
}

#[tokio::test]
async fn in_the_native_layout_what_perl_cannot_hold_is_refused_before_it_is_stored() {
    let bench = Bench::new(Kind::Memory).await;
    let session = bench.session(&[("n", 1)]).await;
    let (one, two) = (resumed(&bench, &session), resumed(&bench, &session));
    let huge: Box<serde_json::value::RawValue> =
        serde_json::from_str("123456789012345678901234567890").unwrap();
    one.set("huge", huge).unwrap();
    assert_eq!(one.flush().await.unwrap(), Flushed::Stored);
    drop(two.adopt(&frozen(CLASS, &[("n", &2)]), None).unwrap());
    assert!(two.flush().await.unwrap_err().is_refused());
    assert_eq!(get(&bench.again(&session).await, "n"), Some(1));
}
