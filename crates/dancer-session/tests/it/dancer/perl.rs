//! What Perl has stored comes back to it as it was, and reads as what Rust asks for.

use super::*;

/// A session with everything in it that Perl puts there: made by Perl, see `tests/perl` of the crate
/// `storable`; the names of its vectors say what each is.
const VECTORS: &str = include_str!("../../../../storable/tests/vectors.tsv");

/// The frozen bytes of a vector in native order.
pub(super) fn vector(name: &str) -> Vec<u8> {
    let row = VECTORS.lines().find(|row| {
        let mut columns = row.split('\t');
        columns.next() == Some(name) && columns.nth(1) == Some("native")
    });
    let hex = row
        .expect("there is such a vector")
        .split('\t')
        .nth(3)
        .unwrap();
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    hex.as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

/// A session of Perl's that holds one vector as an entry, and other entries around it.
pub(super) fn holding(vector: &Document) -> Document {
    let mut session = Document::decode(&frozen(CLASS, LEGACY, &[("a", "1"), ("z", "2")])).unwrap();
    let root = session.root().id();
    session.insert_document(root, "thing", vector).unwrap();
    session
}

#[tokio::test]
async fn r42_what_rust_does_not_touch_comes_back_to_perl_as_it_was() {
    let bench = Bench::new(Kind::DancerInMemory).await;
    let names = [
        "datetime",
        "blessed-hash",
        "shared-hash",
        "cycle-hash",
        "weak-hash",
        "string-all-bytes",
        "string-digits",
        "undef",
        "restricted-hash",
        "regexp-flags",
        "code",
        "vstring",
        "tied-hash",
        "hook-refs-new",
        "overloaded-shared",
        "json-true",
        "array-holes",
        "hash-mixed-keys",
    ];
    for name in names {
        let before = holding(&Document::decode(&vector(name)).unwrap());
        bench.put(LEGACY, before.encode().unwrap()).await;
        let session = bench.find_id(LEGACY).await.unwrap();
        session.set("new", "value").unwrap();
        session.remove("a");
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored, "{name}");
        let mut after = Document::decode(&bench.only().await.bytes).unwrap();
        // The same, but for what was changed and for what the engine keeps beside it.
        let mut expected = before.clone();
        let root = expected.root().id();
        expected.remove(root, "a").unwrap();
        let root = after.root().id();
        for own in ["__created", "__w", "new"] {
            assert!(after.remove(root, own).unwrap(), "{name}: {own}");
        }
        assert_eq!(sorted(&after), sorted(&expected), "{name}");
    }
}

/// The encoded form of each entry by itself: the order in which a hash is written says nothing.
fn sorted(session: &Document) -> BTreeMap<String, Vec<u8>> {
    let Node::Hash(hash) = session.root().kind() else {
        panic!()
    };
    let names: Vec<String> = hash
        .iter()
        .map(|entry| entry.key().unwrap().into_owned())
        .collect();
    let alone = |name: &String| {
        let mut alone = session.clone();
        let root = alone.root().id();
        alone
            .retain(root, |entry| entry.key_bytes() == name.as_bytes())
            .unwrap();
        (name.clone(), alone.encode().unwrap())
    };
    names.iter().map(alone).collect()
}

#[tokio::test]
async fn perls_scalars_read_as_what_is_asked_for() {
    let bench = Bench::new(Kind::DancerInMemory).await;
    let entries = [
        ("n", "42"),
        ("no", ""),
        ("yes", "1"),
        ("text", "some"),
        ("f", "1.5"),
    ];
    bench.put(LEGACY, frozen(CLASS, LEGACY, &entries)).await;
    let session = bench.find_id(LEGACY).await.unwrap();
    assert_eq!(session.get("n").unwrap(), Some(42_u64));
    assert_eq!(session.get("n").unwrap(), Some("42".to_owned()));
    assert_eq!(session.get("no").unwrap(), Some(false));
    assert_eq!(session.get("yes").unwrap(), Some(true));
    assert_eq!(session.get("f").unwrap(), Some(1.5));
    let error = session.get::<u64>("text").unwrap_err();
    assert!(
        error.is_entry() && error.to_string().contains("\"text\""),
        "{error}"
    );
    assert!(!error.to_string().contains("some"), "{error}");
    // And it stays.
    session
        .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
        .unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let again = bench.find_id(LEGACY).await.unwrap();
    assert_eq!(again.get("n").unwrap(), Some(43));
    assert_eq!(again.get("text").unwrap(), Some("some".to_owned()));
}

#[tokio::test]
async fn r44_what_would_hurt_perl_is_not_written() {
    let bench = Bench::new(Kind::DancerInMemory).await;
    let session = bench.session(&[("a", 1)]).await;
    let before = bench.only().await.bytes;
    let mut deep = serde_json::json!(1);
    for _ in 0..100 {
        deep = serde_json::json!([deep]);
    }
    session.set("deep", &deep).unwrap();
    let error = session.flush().await.unwrap_err();
    assert!(error.is_refused(), "{error}");
    session.discard();
    session.set("large", "x".repeat(2 << 20)).unwrap();
    assert!(session.flush().await.unwrap_err().is_refused());
    assert_eq!(bench.only().await.bytes, before);
    // No value makes a class, an id or a reserved key.
    session.discard();
    session
        .set(
            "v",
            BTreeMap::from([("id", "other"), ("__ended", "1"), ("__CLASS__", "Evil")]),
        )
        .unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    let stored = bench.only().await;
    assert_eq!(stored.key, id(&session));
    let document = Document::decode(&stored.bytes).unwrap();
    assert_eq!(document.root().class(), Some(CLASS));
    assert_eq!(
        document
            .root()
            .get("v")
            .unwrap()
            .referent()
            .unwrap()
            .class(),
        None
    );
    assert_eq!(
        document.root().get("id").unwrap().to::<String>().unwrap(),
        id(&session)
    );
}
