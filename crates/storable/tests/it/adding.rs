//! Keys written behind what was read: the same as setting them, wherever that can be done.

use std::collections::BTreeMap;

use storable::{Document, Kind, Limits};

use crate::again;
use crate::rendering::render;
use crate::vectors::{limits, vectors};

const NETWORK: &[u8] = b"\x05\x0b";

fn network(items: &[u8]) -> Document {
    Document::decode(&[NETWORK, items].concat()).unwrap()
}

/// `{n => 7, list => ['a', 'b']}`, in the dialect of whatever it is added to.
fn more() -> Document {
    let mut more = Document::of(&BTreeMap::from([("n", 7)])).unwrap();
    let root = more.root().id();
    more.insert(root, "list", &["a", "b"]).unwrap();
    more
}

fn inserted(document: &Document) -> Result<Document, storable::Error> {
    let mut document = document.clone();
    let root = document.root().id();
    document.insert(root, "n", &7)?;
    document.insert(root, "list", &["a", "b"])?;
    Document::decode_with(&document.encode()?, limits())
}

#[test]
fn r43_keys_added_behind_are_the_same_as_keys_set() {
    let mut added = 0;
    for vector in vectors().filter(|vector| vector.refusal().is_none()) {
        let document = Document::decode_with(&vector.bytes, limits()).unwrap();
        let Some(written) = document.encode_adding(&more()).unwrap() else {
            continue;
        };
        added += 1;
        let written = Document::decode_with(&written, limits()).unwrap();
        assert_eq!(
            render(&written),
            render(&inserted(&document).unwrap()),
            "{}",
            vector.name
        );
        assert_eq!(written.header(), document.header(), "{}", vector.name);
    }
    println!("{added} documents");
    assert!(added > 20, "only {added} documents were hashes");
}

#[test]
fn r43_perl_thaws_what_was_added_beside_what_it_has_frozen() {
    for expression in [
        "bless({a => 1, h => {b => [1, 2]}}, 'Some::Class')",
        "do { my $x = [1]; my $h = {a => $x, b => $x, c => bless([], 'C'), d => bless({}, 'C')}; $h }",
        "do { my $h = {a => 1}; $h->{self} = $h; $h }",
        "do { my $h = {\"\\x{20ac}\" => 1, \"\\xe9\" => 2}; $h }",
        "{}",
    ] {
        for bytes in again::frozen(&[expression]) {
            let document = Document::decode(&bytes).unwrap();
            let written = document.encode_adding(&more()).unwrap();
            let written = written.unwrap_or_else(|| panic!("{expression} can be added to"));
            let seen = again::ask(&written, "join ' ', $root->{n}, @{$root->{list}}");
            assert_eq!(seen, "7 a b", "{expression}");
            assert!(written.len() > bytes.len() && document.encode().is_ok());
        }
    }
}

#[test]
fn what_can_not_be_added_is_left_to_others() {
    let document = network(b"\x03\x00\x00\x00\x01\x08\x81\x00\x00\x00\x01a");
    let nothing = |document: &Document| document.encode_adding(&more()).unwrap().is_none();
    assert!(!nothing(&document));
    let root = document.root().id();
    // Changed since it was read, in whatever way.
    let changes: [&dyn Fn(&mut Document); 6] = [
        &|document| document.insert(root, "b", &1).unwrap(),
        &|document| assert!(document.remove(root, "a").unwrap()),
        &|document| document.retain(root, |_| false).unwrap(),
        &|document| document.bless(root, "Class").unwrap(),
        &|document| document.set_header(document.header()).unwrap(),
        &|document| document.take(root, &more(), |_| true).unwrap(),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut document = document.clone();
        change(&mut document);
        assert!(nothing(&document), "change {number}");
        document.compact().unwrap();
        let there = document.root().get("n").is_some();
        assert_eq!(nothing(&document), there, "change {number}");
    }
    // A key that is there, an older version, a root that is no hash.
    assert!(nothing(&network(
        b"\x03\x00\x00\x00\x01\x08\x81\x00\x00\x00\x01n"
    )));
    assert!(nothing(
        &Document::decode(b"\x05\x04\x03\x00\x00\x00\x01\x08\x81\x00\x00\x00\x01a").unwrap()
    ));
    assert!(nothing(&network(b"\x02\x00\x00\x00\x01\x08\x81")));
    // No room for the flags of a key, or for so many nodes.
    let mut flagged = more();
    let root = flagged.root().id();
    flagged.insert(root, "\u{20ac}", &1).unwrap();
    assert!(document.encode_adding(&flagged).unwrap().is_none());
    let limits = Limits {
        nodes: 4,
        ..Limits::default()
    };
    let small = Document::decode_with(&document.encode().unwrap(), limits).unwrap();
    assert!(nothing(&small));
}

#[test]
fn what_gets_too_large_or_too_deep_is_an_error() {
    let bytes = [NETWORK, b"\x03\x00\x00\x00\x01\x08\x81\x00\x00\x00\x01a"].concat();
    for limits in [
        Limits {
            size: bytes.len() + 10,
            ..Limits::default()
        },
        Limits {
            depth: 2,
            ..Limits::default()
        },
    ] {
        let document = Document::decode_with(&bytes, limits).unwrap();
        assert!(matches!(document.root().kind(), Kind::Hash(_)));
        document.encode_adding(&more()).unwrap_err();
        inserted(&document).unwrap_err();
    }
}
