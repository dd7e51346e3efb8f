//! Ids of the Dancer layout: ours are digits, Dancer's own are tolerated and replaced.

use std::collections::HashSet;

use super::*;

#[tokio::test]
async fn r01_ids_are_forty_digits_evenly_distributed_and_never_repeat() {
    let bench = Bench::new(Kind::DancerInMemory).await;
    let many = 20_000;
    let mut seen = HashSet::new();
    let mut counts = [[0_u32; 10]; 40];
    for _ in 0..many {
        let id = id(&bench.engine.create().await.unwrap());
        assert_eq!(id.len(), 40);
        for (position, digit) in id.bytes().enumerate() {
            counts[position][usize::from(digit - b'0')] += 1;
        }
        assert!(seen.insert(id), "an id came twice");
    }
    let expected = f64::from(many) / 10.0;
    for (position, counts) in counts.iter().enumerate() {
        let off = counts
            .iter()
            .map(|count| (f64::from(*count) - expected).powi(2) / expected);
        // Chance exceeds this once in a million, for nine degrees of freedom.
        assert!(off.sum::<f64>() < 46.0, "position {position}: {counts:?}");
    }
}

#[tokio::test]
async fn r03_what_is_no_id_costs_no_command() {
    let bench = Bench::new(Kind::DancerInRedis).await;
    let good = id(&bench.session(&[("a", 1)]).await);
    let mut malformed: Vec<String> = [
        "",
        " ",
        "\n",
        "\0",
        "*",
        "?",
        "[a-z]",
        "{}",
        "session",
        "0",
        "undef",
        "1",
        "..",
        "%00",
        "'",
        "\"",
        "\\",
        "$",
        "=",
        ":",
        "１２３",
        "dancer.session",
    ]
    .map(str::to_owned)
    .into();
    malformed.push("1".repeat(19));
    malformed.push("1".repeat(129));
    malformed.push("x".repeat(4096));
    malformed.push("é".repeat(20));
    for inside in [
        "!", "@", "#", ",", ";", "\n", " ", "\0", "%", "*", "?", "{", "}", ":", "/", "+", "=", ".",
        "\r", "\t", "é", "\u{ff11}",
    ] {
        malformed.push(format!("{good}{inside}"));
        malformed.push(format!("{inside}{good}"));
        malformed.push(format!("{}{inside}{}", &good[..10], &good[11..]));
    }
    assert!(malformed.len() > 60);
    let before = bench.steps().await;
    for presented in &malformed {
        assert!(bench.find_id(presented).await.is_none(), "{presented:?}");
    }
    assert_eq!(bench.steps().await, before, "a malformed id was asked for");
    assert!(bench.find_id(&good).await.is_some());
}

#[tokio::test]
async fn r02_an_id_that_nobody_issued_is_never_adopted() {
    let bench = Bench::new(Kind::DancerInRedis).await;
    for presented in [LEGACY, "abcdefghijklmnopqrst", "~_-~_-~_-~_-~_-~_-~_-~_-"] {
        assert!(bench.find_id(presented).await.is_none());
        let visitor = bench.engine.anonymous();
        visitor.set("a", 1).unwrap();
        assert_eq!(visitor.flush().await.unwrap(), Flushed::Created);
        assert_ne!(id(&visitor), presented);
    }
    assert!(
        bench
            .all()
            .await
            .iter()
            .all(|stored| stored.key.len() == 40)
    );
}

#[tokio::test]
async fn r04b_an_id_of_dancers_own_is_replaced_at_the_first_renew() {
    for kind in [Kind::DancerInMemory, Kind::DancerInRedis] {
        let bench = Bench::new(kind).await;
        bench
            .put(LEGACY, frozen(CLASS, LEGACY, &[("user", "anna")]))
            .await;
        let session = bench.find_id(LEGACY).await.unwrap();
        session.log_in().unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
        let new = id(&session);
        assert_eq!(new.len(), 40);
        let stored = bench.all().await;
        let payload = stored.iter().find(|stored| stored.key == new).unwrap();
        let document = Document::decode(&payload.bytes).unwrap();
        // Key and embedded id change together, so Perl follows.
        assert_eq!(
            document.root().get("id").unwrap().to::<String>().unwrap(),
            new
        );
        assert_eq!(
            document.root().get("user").unwrap().to::<String>().unwrap(),
            "anna"
        );
        assert!(bench.find_id(LEGACY).await.unwrap().is_ended());
    }
}
