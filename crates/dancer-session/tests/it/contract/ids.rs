//! Ids: made here, checked first, never adopted.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

use dancer_session::{Flushed, Settings};

use crate::bench::{Bench, Kind, get, id};

for_every_store! {
    r01_without_random_bits_there_is_no_session
    r02_an_id_we_did_not_issue_is_never_adopted
    r13_a_taken_id_is_noticed_and_another_one_made
    r28_visitors_without_data_store_nothing
}

for_the_native_layout! {
    r03_what_is_no_id_costs_no_command
}

async fn r01_without_random_bits_there_is_no_session(kind: Kind) {
    let failing = |_: &mut [u8]| Err(io::Error::other("no entropy"));
    let bench = Bench::built(kind, Settings::default(), |builder| {
        builder.entropy(failing)
    })
    .await;
    let error = bench.engine.create().await.unwrap_err();
    assert!(
        error.to_string().contains("random generator failed"),
        "{error}"
    );
    let session = bench.engine.anonymous();
    session.set("a", 1).unwrap();
    assert!(session.flush().await.is_err());
    assert_eq!(session.id(), None);
    assert_eq!(bench.all().await, []);
}

async fn r02_an_id_we_did_not_issue_is_never_adopted(kind: Kind) {
    let bench = Bench::new(kind).await;
    // Ids of another engine: of the right shape, but unknown here.
    let elsewhere = Bench::new(Kind::Memory).await;
    let mut given = HashSet::new();
    for _ in 0..10_000 {
        let presented = id(&elsewhere.engine.create().await.unwrap());
        assert!(bench.find_id(&presented).await.is_none());
        let session = bench.engine.anonymous();
        session.set("a", 1).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Created);
        assert_ne!(id(&session), presented);
        assert!(given.insert(id(&session)), "an id was given twice");
    }
    assert_eq!(bench.all().await.len(), 10_000);
}

async fn r03_what_is_no_id_costs_no_command(kind: Kind) {
    let bench = Bench::new(kind).await;
    let good = id(&bench.session(&[("a", 1)]).await);
    let before = bench.steps().await;
    let malformed = malformed(&good);
    assert!(malformed.len() >= 40);
    for presented in &malformed {
        assert!(bench.find_id(presented).await.is_none(), "{presented:?}");
    }
    assert_eq!(bench.steps().await, before, "a malformed id was asked for");
    assert!(
        bench.find_id(&good).await.is_some(),
        "the table was made from an id that works"
    );
}

/// What a client may present that is no id, made from one that is.
fn malformed(good: &str) -> Vec<String> {
    let mut all: Vec<String> = [
        "",
        " ",
        "\n",
        "\0",
        "*",
        "?",
        "[a-z]",
        "{",
        "}",
        "{}",
        "session:",
        "a",
        "0",
        "null",
        "undef",
        "../../etc/passwd",
        "%00",
        "%2A",
        "'",
        "\"",
        "\\",
        "$",
        "=",
        ":",
        "__Host-id",
        "１２３",
        "ａ",
    ]
    .map(str::to_owned)
    .into();
    all.push("x".repeat(4096));
    all.push("é".repeat(43));
    all.push(format!("session:{good}"));
    all.push(good[1..].to_owned());
    all.push(good[..42].to_owned());
    for end in ["A", "=", "\n", " ", "\0", "%", "*"] {
        all.push(format!("{good}{end}"));
        all.push(format!("{end}{good}"));
        all.push(format!("{}{end}", &good[..42]));
    }
    for inside in ["+", "/", ".", "~", "*", "\r", "\t", "é", "\u{ff21}"] {
        all.push(format!("{}{inside}{}", &good[..10], &good[11..]));
    }
    // The last character carries four bits: with any of the others it is not what we issue.
    let last = good.chars().last().unwrap();
    let after = char::from_u32(last as u32 + 1).unwrap();
    all.push(format!("{}{after}", &good[..42]));
    // Of these variations a few happen to be ids: those made by putting an "A" at the end.
    all.retain(|presented| presented.len() != 43 || !presented.ends_with('A'));
    all
}

async fn r13_a_taken_id_is_noticed_and_another_one_made(kind: Kind) {
    // Every request for random bits gets the same ones, until the fifth.
    let calls = AtomicU8::new(0);
    let stuck = move |bits: &mut [u8]| {
        bits.fill((calls.fetch_add(1, Ordering::SeqCst) / 5) * 64);
        Ok(())
    };
    let bench = Bench::built(kind, Settings::default(), |builder| builder.entropy(stuck)).await;
    let first = bench.session(&[("owner", 1)]).await;
    let before = bench.only().await;
    let second = bench.engine.anonymous();
    second.set("owner", 2).unwrap();
    assert_eq!(second.flush().await.unwrap(), Flushed::Created);
    assert_ne!(id(&second), id(&first));
    let all = bench.all().await;
    assert_eq!(all.len(), 2);
    let untouched = all.iter().find(|stored| stored.key == before.key).unwrap();
    assert_eq!(
        untouched.payload, before.payload,
        "the first session was changed"
    );
    assert_eq!(get(&bench.again(&second).await, "owner"), Some(2));
}

async fn r28_visitors_without_data_store_nothing(kind: Kind) {
    let bench = Bench::new(kind).await;
    let elsewhere = Bench::new(Kind::Memory).await;
    let before = bench.steps().await;
    for n in 0..10_000 {
        let unknown = n % 2 == 1;
        if unknown {
            let presented = id(&elsewhere.engine.create().await.unwrap());
            assert!(bench.find_id(&presented).await.is_none());
        }
        let visitor = bench.engine.anonymous();
        assert_eq!(get(&visitor, "a"), None);
        assert!(!visitor.remove("a"));
        visitor.clear();
        if n % 3 == 0 {
            visitor.destroy();
        }
        if n % 5 == 0 {
            visitor.renew();
        }
        assert_eq!(visitor.flush().await.unwrap(), Flushed::Unchanged);
        assert_eq!(visitor.id(), None);
        assert!(!visitor.is_destroyed());
    }
    // One read for each id that was presented, and nothing else.
    assert_eq!(bench.steps().await - before, 5_000);
    assert_eq!(bench.all().await, []);
}
