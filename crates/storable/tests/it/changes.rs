//! Changing a document: what goes takes nothing along that others need.

use storable::{Document, Header, Kind, Limits};

use crate::rendering::render;
use crate::vectors::{limits, vectors};

const NETWORK: &[u8] = b"\x05\x0b";

fn network(items: &[u8]) -> Document {
    Document::decode(&[NETWORK, items].concat()).unwrap()
}

fn written(document: &Document) -> String {
    render(&Document::decode(&document.encode().unwrap()).unwrap())
}

/// `{a => \@x, b => \@x, c => bless({}, "C"), d => bless([], "C")}`, `a` and `c` first.
fn shared() -> Document {
    network(
        b"\x03\x00\x00\x00\x04\
          \x04\x02\x00\x00\x00\x01\x08\x81\x00\x00\x00\x01a\
          \x04\x00\x00\x00\x00\x02\x00\x00\x00\x01b\
          \x04\x11\x01C\x03\x00\x00\x00\x00\x00\x00\x00\x01c\
          \x04\x12\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01d",
    )
}

#[test]
fn r42_what_is_shared_stays_when_the_entry_that_came_first_goes() {
    let mut document = shared();
    let root = document.root().id();
    assert_eq!(
        render(&document),
        r#"{b"a":\&1 [1],b"b":\*1,b"c":\C={},b"d":\C=[]}"#
    );
    assert!(document.remove(root, "a").unwrap());
    assert!(document.remove(root, "c").unwrap());
    assert!(!document.remove(root, "a").unwrap());
    assert_eq!(written(&document), r#"{b"b":\[1],b"d":\C=[]}"#);
    let mut document = shared();
    let root = document.root().id();
    document.insert(root, "a", &"new").unwrap();
    document.insert(root, "c", &2).unwrap();
    document.insert(root, "e", &[3]).unwrap();
    assert_eq!(
        written(&document),
        r#"{b"a":b"new",b"b":\[1],b"c":2,b"d":\C=[],b"e":\[3]}"#
    );
}

#[test]
fn a_hash_that_is_shared_changes_for_all_who_share_it() {
    // {p => \%h, q => \%h}
    let mut document = network(
        b"\x03\x00\x00\x00\x02\x04\x03\x00\x00\x00\x00\x00\x00\x00\x01p\x04\x00\x00\x00\x00\x02\x00\x00\x00\x01q",
    );
    let inner = document.root().get("p").unwrap().id();
    document.insert(inner, "k", &1).unwrap();
    assert_eq!(written(&document), r#"{b"p":\&1 {b"k":1},b"q":\*1}"#);
}

#[test]
fn many_changes_of_two_hashes_in_turn_keep_both() {
    let mut document = network(b"\x03\x00\x00\x00\x01\x04\x03\x00\x00\x00\x00\x00\x00\x00\x01h");
    let root = document.root().id();
    let inner = document.root().get("h").unwrap().id();
    for round in 0..50 {
        document
            .insert(root, &format!("outer{round}"), &round)
            .unwrap();
        document
            .insert(inner, &format!("inner{round}"), &[round])
            .unwrap();
        if round % 3 == 0 {
            document
                .remove(root, &format!("outer{}", round / 2))
                .unwrap();
            document.remove(inner, &format!("inner{round}")).unwrap();
        }
    }
    let again = Document::decode(&document.encode().unwrap()).unwrap();
    assert_eq!(render(&again), render(&document));
    let count = |node: storable::Node<'_>| match node.referent().unwrap().kind() {
        Kind::Hash(hash) => hash.len(),
        _ => panic!(),
    };
    assert_eq!(count(again.root().get("h").unwrap()), 33);
    assert_eq!(again.root().get("inner1").map(|_| ()), None);
    assert_eq!(again.root().get("outer49").unwrap().to::<u8>().unwrap(), 49);
}

#[test]
fn a_key_is_found_by_its_text_whatever_its_bytes() {
    // Keys: the byte E9; the byte E8 that was characters; U+263A in UTF-8; the bytes C3 AA.
    let bytes = b"\x19\x00\x00\x00\x00\x04\
        \x08\x81\x00\x00\x00\x00\x01\xe9\
        \x08\x82\x02\x00\x00\x00\x01\xe8\
        \x08\x83\x01\x00\x00\x00\x03\xe2\x98\xba\
        \x08\x84\x00\x00\x00\x00\x02\xc3\xaa";
    let mut document = network(bytes);
    let root = document.root().id();
    for (key, value) in [("é", 1), ("è", 2), ("☺", 3), ("ê", 4)] {
        assert_eq!(document.root().get(key).unwrap().to::<u8>().unwrap(), value);
        document.insert(root, key, &(10 * value)).unwrap();
    }
    assert_eq!(
        written(&document),
        r#"{b"\xc3\xaa":40,u"\xe2\x98\xba":30,w"\xe8":20,b"\xe9":10}"#
    );
}

#[test]
fn a_placeholder_is_no_key_until_it_is_set() {
    // lock_keys of {a => 1} with b allowed
    let mut document =
        network(b"\x19\x01\x00\x00\x00\x02\x08\x81\x00\x00\x00\x00\x01a\x0e\x10\x00\x00\x00\x01b");
    let root = document.root().id();
    assert!(document.root().get("b").is_none());
    assert!(
        document
            .root()
            .to::<std::collections::HashMap<String, u8>>()
            .unwrap()
            .len()
            == 1
    );
    let mut removed = document.clone();
    assert!(!removed.remove(root, "b").unwrap());
    document.insert(root, "b", &2).unwrap();
    assert_eq!(written(&document), r#"restricted{b"a":1,b"b":2}"#);
}

#[test]
fn of_a_key_that_stands_twice_the_last_counts_as_in_perl() {
    let mut document =
        network(b"\x03\x00\x00\x00\x02\x08\x81\x00\x00\x00\x01a\x08\x82\x00\x00\x00\x01a");
    let root = document.root().id();
    assert_eq!(document.root().get("a").unwrap().to::<u8>().unwrap(), 2);
    assert!(document.remove(root, "a").unwrap());
    assert_eq!(written(&document), "{}");
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let mut document = shared();
    let before = render(&document);
    let root = document.root().id();
    let b = document.root().get("b").unwrap().id();
    assert!(document.insert(b, "k", &1).unwrap_err().is_value());
    assert!(document.remove(b, "k").unwrap_err().is_value());
    let unfit = std::collections::BTreeMap::from([([1], 2)]);
    assert!(document.insert(root, "k", &unfit).unwrap_err().is_value());
    assert!(document.bless(root, "not a name").unwrap_err().is_value());
    let elsewhere = Document::of(&vec![1; 100]).unwrap();
    let Kind::Array(array) = elsewhere.root().kind() else {
        panic!()
    };
    let foreign = array.get(99).unwrap().id();
    assert!(document.insert(foreign, "k", &1).unwrap_err().is_value());
    assert!(document.node(foreign).unwrap_err().is_value());
    assert_eq!(render(&document), before);
    assert_eq!(written(&document), before);
}

#[test]
fn r44_changes_do_not_get_past_the_limits() {
    let limits = Limits {
        size: 100,
        nodes: 20,
        depth: 3,
        ..Limits::default()
    };
    let empty = [NETWORK, b"\x03\x00\x00\x00\x00"].concat();
    let mut document = Document::decode_with(&empty, limits).unwrap();
    let root = document.root().id();
    assert!(document.insert(root, "k", &[[[[1]]]]).is_ok());
    assert!(document.encode().unwrap_err().is_limit());
    document.insert(root, "k", &"x".repeat(100)).unwrap();
    assert!(document.encode().unwrap_err().is_limit());
    document.remove(root, "k").unwrap();
    document.encode().unwrap();
    assert!(document.insert(root, "k", &[0; 20]).unwrap_err().is_limit());
}

#[test]
fn classes_are_given_and_shared() {
    let mut document = Document::of(&[[1], [2]]).unwrap();
    let Kind::Array(array) = document.root().kind() else {
        panic!()
    };
    let elements: Vec<_> = array.iter().map(storable::Node::id).collect();
    for element in elements {
        document.bless(element, "My::Class").unwrap();
    }
    let root = document.root().id();
    document.bless(root, "My::List").unwrap();
    assert_eq!(document.root().class(), Some("My::List"));
    assert_eq!(
        written(&document),
        r"My::List=[\My::Class=[1],\My::Class=[2]]"
    );
    let bytes = document.encode().unwrap();
    let count = bytes.windows(9).filter(|part| part == b"My::Class").count();
    assert_eq!(count, 1);
}

#[test]
fn a_document_moves_from_one_dialect_to_the_other() {
    let mut document = shared();
    let root = document.root().id();
    document.insert(root, "n", &(1_i64 << 40)).unwrap();
    document.set_header(Header::native());
    let native = Document::decode(&document.encode().unwrap()).unwrap();
    assert_eq!(native.header(), Header::native());
    assert_eq!(render(&native), render(&document));
}

#[test]
fn r42_every_vector_becomes_a_part_of_another_document_as_it_was() {
    for vector in vectors().filter(|vector| vector.refusal().is_none()) {
        let part = Document::decode_with(&vector.bytes, limits()).unwrap();
        let mut whole = Document::decode_with(&shared().encode().unwrap(), limits()).unwrap();
        let root = whole.root().id();
        whole.set_header(part.header());
        whole.insert_document(root, "e", &part).unwrap();
        whole.insert_document(root, "f", &part).unwrap();
        whole.remove(root, "e").unwrap();
        for key in ["a", "b", "c", "d"] {
            whole.remove(root, key).unwrap();
        }
        let again = Document::decode_with(&whole.encode().unwrap(), limits()).unwrap();
        let there = render(&again);
        let alone = render(&part);
        let fits =
            there == format!(r#"{{b"f":{alone}}}"#) || there == format!(r#"{{b"f":\{alone}}}"#);
        assert!(fits, "{}: {alone} became {there}", vector.name);
    }
}
