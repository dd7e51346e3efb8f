//! What is stored but can't be read is neither missing nor overwritten (R37, rule 4.5).

use dancer_session::{Flushed, Session};

use crate::bench::{Bench, Kind, id};

for_the_native_layout! {
    r37_damaged_payloads_are_errors_and_stay
    r37_a_flush_does_not_overwrite_what_it_cannot_read
    r37_other_versions_layouts_and_sizes_are_named
    r34_a_payload_of_another_key_is_not_taken_for_ours
}

async fn unreadable(bench: &Bench, session: &Session) -> String {
    let error = bench.engine.retrieve(&id(session)).await.unwrap_err();
    assert!(error.is_unreadable() && !error.is_unavailable(), "{error}");
    error.to_string()
}

async fn r37_damaged_payloads_are_errors_and_stay(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("abc", 123)]).await;
    session.set("words", "some words").unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let stored = bench.only().await;
    let whole = stored.payload.as_bytes();
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
    for at in 0..whole.len() {
        for byte in [0, b'"', b'{', b'}', b',', 0x80, 0xff] {
            let mut copy = whole.to_vec();
            copy[at] = byte;
            damaged.push(copy);
        }
    }
    let mut refused = 0;
    for payload in &damaged {
        bench.put(&stored.key, payload).await;
        match bench.engine.retrieve(&id(&session)).await {
            // Inside a string, another character is another string: not damage.
            Ok(Some(_)) if std::str::from_utf8(payload).is_ok() => continue,
            Ok(found) => panic!("{found:?} from {}", String::from_utf8_lossy(payload)),
            Err(error) => assert!(error.is_unreadable(), "{error}"),
        }
        refused += 1;
        let after = &bench.all_now().await[0].payload;
        assert_eq!(
            *after,
            String::from_utf8_lossy(payload),
            "the bytes were changed"
        );
    }
    assert!(
        refused >= 500,
        "{refused} of {} were refused",
        damaged.len()
    );
}

async fn r37_a_flush_does_not_overwrite_what_it_cannot_read(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("a", 1)]).await;
    session.set("a", 2).unwrap();
    let stored = bench.only().await;
    bench.put(&stored.key, "not a session").await;
    assert!(session.flush().await.unwrap_err().is_unreadable());
    session.renew();
    assert!(session.flush().await.unwrap_err().is_unreadable());
    assert_eq!(bench.only().await.payload, "not a session");
}

async fn r37_other_versions_layouts_and_sizes_are_named(kind: Kind) {
    let bench = Bench::new(kind).await;
    let session = bench.session(&[("a", 1)]).await;
    let stored = bench.only().await;
    let max = bench.engine.settings().max_size;
    let table: &[(Vec<u8>, &str)] = &[
        (
            stored.payload.replacen('{', "{\"v\":2,", 1).into(),
            "another version (format 2",
        ),
        (
            br#"{"v":7,"new":[1,2]}"#.to_vec(),
            "another version (format 7",
        ),
        (
            b"\x04\x0b\x0812345678\x04\x08\x08\x08\x03\0\0\0\0".to_vec(),
            "Dancer layout",
        ),
        (b"\x05\x0b\x03\0\0\0\0".to_vec(), "Dancer layout"),
        (b"pst0\x04\x0b".to_vec(), "Dancer layout"),
        (
            stored.payload.replace("\"e\":{", "\"z\":1,\"e\":{").into(),
            "damaged",
        ),
        (
            stored.payload.replace("\"e\":{\"a\":1}", "\"x\":1").into(),
            "neither",
        ),
        (b"".to_vec(), "damaged"),
        (vec![b' '; max + 1], "max_size"),
    ];
    for (payload, reason) in table {
        bench.put(&stored.key, payload).await;
        let words = unreadable(&bench, &session).await;
        assert!(words.contains(reason), "{reason} is not in {words}");
        assert!(
            words.contains(session.id().unwrap().fingerprint().as_str()),
            "{words}"
        );
    }
}

async fn r34_a_payload_of_another_key_is_not_taken_for_ours(kind: Kind) {
    let bench = Bench::new(kind).await;
    let ours = bench.session(&[("owner", 1)]).await;
    let key = bench.only().await.key;
    let _theirs = bench.session(&[("owner", 2)]).await;
    let theirs = bench
        .all()
        .await
        .into_iter()
        .find(|stored| stored.key != key)
        .unwrap();
    bench.put(&key, &theirs.payload).await;
    assert!(unreadable(&bench, &ours).await.contains("another key"));
}
