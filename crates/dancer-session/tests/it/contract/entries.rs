//! Entries: operations on what is stored now, and untouched values kept byte for byte.

use dancer_session::Flushed;
use serde::{Deserialize, Serialize};

use crate::bench::{Bench, Kind, get, id};

for_every_store! {
    rule_4_1_changes_of_different_entries_all_survive
    rule_4_1_the_last_to_set_an_entry_wins
    rule_4_1_update_is_exact
    rule_4_1_clear_and_remove_are_operations_too
    rule_4_1_a_remove_takes_out_what_another_request_has_put_there
    a_session_of_many_entries_keeps_all_of_them
    rule_4_1_after_a_flush_the_session_in_hand_is_what_was_stored
    rule_4_1_an_update_that_no_longer_fits_is_an_error
    rule_4_2_only_the_entry_asked_for_is_decoded
    rule_4_12_reserved_names_are_refused
    max_size_is_a_limit_for_flushes
    names_and_values_of_every_kind_come_back
    a_closure_that_panics_leaves_the_session_as_it_was
}

for_the_native_layout! {
    a_name_that_is_there_twice_is_removed_whole
    create_stores_an_empty_session_at_once
    rule_4_2_untouched_entries_keep_their_bytes
}

async fn create_stores_an_empty_session_at_once(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.engine.create().await.unwrap();
    let stored = bench.only().await;
    assert!(stored.key.starts_with("session:"));
    assert!(stored.payload.ends_with(r#""e":{}}"#), "{}", stored.payload);
    assert!(stored.left.is_some());
    let again = bench.again(&session).await;
    assert!(again.is_empty() && !again.is_ended());
    assert_eq!(again.keys(), Vec::<String>::new());
    assert_eq!(again.flush().await.unwrap(), Flushed::Unchanged);
}

async fn rule_4_1_changes_of_different_entries_all_survive(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("old", 0)]).await;
    let (a, b) = (bench.again(&session).await, bench.again(&session).await);
    a.set("a", 1).unwrap();
    b.set("b", 2).unwrap();
    assert_eq!(a.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(b.flush().await.unwrap(), Flushed::Stored);
    let after = bench.again(&session).await;
    assert_eq!(after.keys(), ["old", "a", "b"]);
    assert_eq!((get(&after, "a"), get(&after, "b")), (Some(1), Some(2)));
}

async fn rule_4_1_the_last_to_set_an_entry_wins(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("a", 0)]).await;
    let (first, last) = (bench.again(&session).await, bench.again(&session).await);
    last.set("a", 2).unwrap();
    first.set("a", 1).unwrap();
    assert_eq!(first.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(last.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(get(&bench.again(&session).await, "a"), Some(2));
}

async fn rule_4_1_update_is_exact(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[]).await;
    let hands = [(); 5].map(|()| bench.again(&session));
    let mut taken = Vec::new();
    for hand in hands {
        let hand = hand.await;
        hand.update("n", |n: Option<u64>| n.unwrap_or(10) + 1)
            .unwrap();
        assert_eq!(
            get(&hand, "n"),
            Some(11),
            "before the flush it sees what it read"
        );
        taken.push(hand);
    }
    for (n, hand) in (11..).zip(&taken) {
        assert_eq!(hand.flush().await.unwrap(), Flushed::Stored);
        assert_eq!(
            get(hand, "n"),
            Some(n),
            "after the flush it sees what it stored"
        );
    }
    assert_eq!(get(&bench.again(&session).await, "n"), Some(15));
}

async fn rule_4_1_clear_and_remove_are_operations_too(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("a", 1), ("b", 2)]).await;
    let (removes, sets) = (bench.again(&session).await, bench.again(&session).await);
    sets.set("c", 3).unwrap();
    assert!(removes.remove("a"));
    assert!(!removes.remove("a"));
    assert!(!removes.contains("a") && removes.contains("b"));
    assert_eq!(sets.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(removes.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(bench.again(&session).await.keys(), ["b", "c"]);

    let (clears, sets) = (bench.again(&session).await, bench.again(&session).await);
    sets.set("d", 4).unwrap();
    clears.clear();
    clears.set("e", 5).unwrap();
    assert_eq!(sets.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(clears.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(
        bench.again(&session).await.keys(),
        ["e"],
        "the later clear clears all there is"
    );
}

async fn rule_4_1_after_a_flush_the_session_in_hand_is_what_was_stored(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("a", 1)]).await;
    let other = bench.again(&session).await;
    other.set("b", 2).unwrap();
    assert_eq!(other.flush().await.unwrap(), Flushed::Stored);
    session.set("c", 3).unwrap();
    assert_eq!(get(&session, "b"), None);
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(get(&session, "b"), Some(2));
    // Nothing is pending any more, and the next change needs one step.
    assert_eq!(session.flush().await.unwrap(), Flushed::Unchanged);
    let before = bench.steps().await;
    session.set("d", 4).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let spent = bench.steps().await - before;
    assert!(
        spent <= 3,
        "{spent} commands: the script and the two inside it"
    );
}

async fn rule_4_1_an_update_that_no_longer_fits_is_an_error(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("n", 1)]).await;
    let other = bench.again(&session).await;
    session
        .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
        .unwrap();
    other.set("n", "many").unwrap();
    assert_eq!(other.flush().await.unwrap(), Flushed::Stored);
    let error = session.flush().await.unwrap_err();
    assert!(
        error.is_entry() && error.to_string().contains("\"n\""),
        "{error}"
    );
    let stored = bench.again(&session).await.get::<String>("n").unwrap();
    assert_eq!(stored.as_deref(), Some("many"));
}

/// Written by another tool: odd blanks, odd numbers, escapes, and a value no Rust type holds.
const ODD: &str = r#"{ "a" :1.50, "b" : [ 1 ,2], "\u0063" :"x\u0079", "big":123456789012345678901234567890e-3 , "s":"\ud83d\ude00" }"#;

async fn rule_4_2_untouched_entries_keep_their_bytes(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[]).await;
    let stored = bench.only().await;
    let head = stored.payload.strip_suffix("{}}").unwrap();
    bench.put(&stored.key, format!("{head}{ODD}}}")).await;
    let again = bench.again(&session).await;
    assert_eq!(again.keys(), ["a", "b", "c", "big", "s"]);
    assert_eq!(again.get::<String>("c").unwrap().as_deref(), Some("xy"));
    again.set("new", true).unwrap();
    again.remove("b");
    assert_eq!(again.flush().await.unwrap(), Flushed::Stored);
    let payload = bench.only().await.payload;
    for kept in [
        r#""a":1.50,"#,
        r#""\u0063":"x\u0079","#,
        r#""big":123456789012345678901234567890e-3,"#,
        r#""s":"\ud83d\ude00","#,
        r#""new":true}}"#,
    ] {
        assert!(payload.contains(kept), "{kept} is not in {payload}");
    }
    assert!(!payload.contains(r#""b""#));
}

async fn rule_4_2_only_the_entry_asked_for_is_decoded(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("n", 1)]).await;
    session.set("text", "secret words").unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let again = bench.again(&session).await;
    let error = again.get::<u64>("text").unwrap_err();
    assert!(error.is_entry());
    let words = format!("{error} {error:?}");
    for part in ["\"text\"", "string", "u64"] {
        assert!(words.contains(part), "{part} is not in {words}");
    }
    assert!(!words.contains("secret"), "{words}");
    assert!(
        again
            .update("text", |n: Option<u64>| n.unwrap_or(0))
            .unwrap_err()
            .is_entry()
    );
    assert_eq!(get(&again, "n"), Some(1));
    again.set("n", 2).unwrap();
    assert_eq!(again.flush().await.unwrap(), Flushed::Stored);
    let text = bench.again(&session).await.get::<String>("text").unwrap();
    assert_eq!(text.as_deref(), Some("secret words"), "the entry stays");
}

async fn rule_4_12_reserved_names_are_refused(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[]).await;
    for name in ["id", "__created", "__owner", "__w", "__ended"] {
        let set = session.set(name, 1).unwrap_err();
        let update = session
            .update(name, |n: Option<u64>| n.unwrap_or(0))
            .unwrap_err();
        for error in [set, update] {
            assert!(
                error.is_refused() && error.to_string().contains(name),
                "{error}"
            );
        }
        assert_eq!(get(&session, name), None);
    }
    session.set("ID", 1).unwrap();
    session.set("__other", 1).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
}

async fn max_size_is_a_limit_for_flushes(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("a", 1)]).await;
    session
        .set("big", "x".repeat(bench.engine.settings().max_size))
        .unwrap();
    let error = session.flush().await.unwrap_err();
    assert!(
        error.is_refused() && error.to_string().contains("max_size"),
        "{error}"
    );
    assert_eq!(bench.again(&session).await.keys(), ["a"]);
    // Less of it is fine.
    session.set("big", "x".repeat(1000)).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(bench.again(&session).await.len(), 2);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Cart {
    items: Vec<(String, u32)>,
    note: Option<String>,
}

async fn names_and_values_of_every_kind_come_back(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[]).await;
    let cart = Cart {
        items: vec![("tea \u{1f375} \"quoted\" \\ \n".into(), u32::MAX)],
        note: None,
    };
    session.set("cart", &cart).unwrap();
    let names = ["", " ", "\"", "\\", "\u{0}", "é\n", "a.b:c", "\u{1f375}"];
    for (n, name) in (0u64..).zip(names) {
        session.set(name, n).unwrap();
    }
    session.set("unit", ()).unwrap();
    session.set("min", i64::MIN).unwrap();
    session.set("max", u64::MAX).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let again = bench.again(&session).await;
    assert_eq!(again.get::<Cart>("cart").unwrap(), Some(cart));
    for (n, name) in (0u64..).zip(names) {
        assert_eq!(get(&again, name), Some(n), "{name:?}");
    }
    assert_eq!(again.get::<()>("unit").unwrap(), Some(()));
    assert_eq!(again.get::<i64>("min").unwrap(), Some(i64::MIN));
    assert_eq!(again.get::<u64>("max").unwrap(), Some(u64::MAX));
    assert_eq!(again.len(), 4 + names.len());
    assert_ne!(id(&again), "");
}

async fn a_closure_that_panics_leaves_the_session_as_it_was(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("a", 1)]).await;
    session.set("b", 2).unwrap();
    let clone = session.clone();
    let panics =
        tokio::spawn(
            async move { clone.update("a", |_: Option<u64>| -> u64 { panic!("on purpose") }) },
        );
    assert!(panics.await.unwrap_err().is_panic());
    assert_eq!((get(&session, "a"), get(&session, "b")), (Some(1), Some(2)));
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(bench.again(&session).await.keys(), ["a", "b"]);
}

async fn rule_4_1_a_remove_takes_out_what_another_request_has_put_there(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[]).await;
    let other = bench.again(&session).await;
    other.set("x", 1).unwrap();
    assert_eq!(other.flush().await.unwrap(), Flushed::Stored);
    assert!(!session.remove("x"), "this request has not seen it");
    session.set("y", 1).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(bench.again(&session).await.keys(), ["y"]);
    // By itself, the removal of what nobody sees costs nothing.
    let before = bench.steps().await;
    assert!(!session.remove("z"));
    assert_eq!(session.flush().await.unwrap(), Flushed::Unchanged);
    assert_eq!(bench.steps().await, before);
}

async fn a_session_of_many_entries_keeps_all_of_them(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[]).await;
    for n in 0..3_000u64 {
        session.set(&format!("k{}", n % 2_000), n).unwrap();
        if n % 7 == 0 {
            session.remove(&format!("k{}", n / 2));
        }
    }
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let again = bench.again(&session).await;
    let mut model = std::collections::BTreeMap::new();
    for n in 0..3_000u64 {
        model.insert(n % 2_000, n);
        if n % 7 == 0 {
            model.remove(&(n / 2));
        }
    }
    assert_eq!(again.len(), model.len());
    for (n, value) in model {
        assert_eq!(get(&again, &format!("k{n}")), Some(value));
    }
}

/// Another tool has written it so; of the two, the first one counts.
async fn a_name_that_is_there_twice_is_removed_whole(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[]).await;
    let stored = bench.only().await;
    let twice = stored.payload.replace("{}}", r#"{"user":1,"user":2}}"#);
    bench.put(&stored.key, twice).await;
    let again = bench.again(&session).await;
    assert_eq!(get(&again, "user"), Some(1));
    assert!(again.remove("user"));
    assert_eq!(again.flush().await.unwrap(), Flushed::Stored);
    assert!(again.is_empty() && bench.again(&session).await.is_empty());
}
