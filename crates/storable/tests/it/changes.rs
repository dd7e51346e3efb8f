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
    // lock_keys of {a => 1} with b and c allowed, as Perl marks them with and without `canonical`.
    let mut document = network(
        b"\x19\x01\x00\x00\x00\x03\x08\x81\x04\x00\x00\x00\x01a\
          \x0e\x10\x00\x00\x00\x01b\x0e\x14\x00\x00\x00\x01c",
    );
    let root = document.root().id();
    assert!(document.root().get("b").is_none());
    let tree = document
        .root()
        .to::<std::collections::HashMap<String, u8>>();
    assert_eq!(tree.unwrap().len(), 1);
    assert!(!document.remove(root, "b").unwrap());
    for key in ["b", "c"] {
        document.insert(root, key, &2).unwrap();
    }
    // What was locked stays so, what was allowed is an ordinary value.
    document.insert(root, "a", &3).unwrap();
    assert_eq!(written(&document), r#"restricted{b"a"!:3,b"b":2,b"c":2}"#);
    assert!(document.remove(root, "a").unwrap());
    assert!(!document.remove(root, "a").unwrap());
    assert_eq!(written(&document), r#"restricted{b"a"?,b"b":2,b"c":2}"#);
}

#[test]
fn two_keys_that_are_one_text_are_two() {
    // The byte E9 and the bytes C3 A9 are different keys, and both may be meant by é.
    let bytes = b"\x03\x00\x00\x00\x02\x08\x81\x00\x00\x00\x01\xe9\x08\x82\x00\x00\x00\x02\xc3\xa9";
    let mut document = network(bytes);
    let root = document.root().id();
    // Characters come first: that is what Perl sees.
    assert_eq!(document.root().get("é").unwrap().to::<u8>().unwrap(), 1);
    assert!(document.remove(root, "é").unwrap());
    assert_eq!(document.root().get("é").unwrap().to::<u8>().unwrap(), 2);
    assert!(document.remove(root, "é").unwrap());
    assert_eq!(written(&document), "{}");
    // With the flag, C3 A9 are two characters for sure.
    let was = network(b"\x19\x00\x00\x00\x00\x01\x08\x81\x02\x00\x00\x00\x02\xc3\xa9");
    assert!(was.root().get("é").is_none());
    assert_eq!(was.root().get("Ã©").unwrap().to::<u8>().unwrap(), 1);
    let tree: std::collections::HashMap<String, u8> = was.root().to().unwrap();
    assert_eq!(tree["Ã©"], 1);
}

#[test]
fn a_hash_is_emptied_but_for_what_is_wanted() {
    let mut document = Document::of(&vec![("k", 1); 3]).unwrap();
    let root = document.root().id();
    assert!(document.retain(root, |_| true).unwrap_err().is_value());
    let mut document = shared();
    let root = document.root().id();
    document
        .retain(root, |entry| matches!(entry.key_bytes(), b"b" | b"d"))
        .unwrap();
    assert_eq!(written(&document), r#"{b"b":\[1],b"d":\C=[]}"#);
    document.insert(root, "z", &1).unwrap();
    assert_eq!(written(&document), r#"{b"b":\[1],b"d":\C=[],b"z":1}"#);
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
fn a_change_that_fails_takes_no_room() {
    let limits = Limits {
        nodes: 50,
        ..Limits::default()
    };
    let mut document = Document::decode_with(b"\x05\x0b\x03\x00\x00\x00\x00", limits).unwrap();
    let root = document.root().id();
    assert!(
        document
            .insert(root, "k", &vec![0; 60])
            .unwrap_err()
            .is_limit()
    );
    // Integers as keys are no nodes.
    let keys: std::collections::BTreeMap<u8, u8> = (0..47).map(|key| (key, key)).collect();
    document.insert(root, "k", &keys).unwrap();
    assert!(document.insert(root, "l", &1).unwrap_err().is_limit());
}

#[test]
fn many_hashes_in_a_hash_cost_as_much_as_they_are() {
    let mut document = network(b"\x03\x00\x00\x00\x00");
    let root = document.root().id();
    let inner = std::collections::BTreeMap::from([("k", 1)]);
    for number in 0..10_000 {
        document.insert(root, &number.to_string(), &inner).unwrap();
    }
    // A copy has as much as is used, and some more.
    assert_eq!(document.encode().unwrap().len(), 7 + 10_000 * 17 + 38_890);
}

#[test]
fn an_object_of_another_class_is_not_marked_as_overloaded() {
    // [overloaded reference to bless {}, "Loud"]
    let mut document = network(b"\x02\x00\x00\x00\x01\x14\x11\x04Loud\x03\x00\x00\x00\x00");
    let Kind::Array(array) = document.root().kind() else {
        panic!()
    };
    let object = array.get(0).unwrap().id();
    document.bless(object, "Loud").unwrap();
    assert_eq!(render(&document), r"[overload\Loud={}]");
    document.bless(object, "Plain").unwrap();
    assert_eq!(written(&document), r"[\Plain={}]");
}

#[test]
fn a_class_is_for_what_can_have_one() {
    let mut document = network(b"\x02\x00\x00\x00\x02\x0e\x04\x04\x03\x00\x00\x00\x00");
    let Kind::Array(array) = document.root().kind() else {
        panic!()
    };
    let (hole, reference) = (array.get(0).unwrap().id(), array.get(1).unwrap().id());
    assert!(document.bless(hole, "A").unwrap_err().is_value());
    // As in Perl, what the reference refers to: here a reference.
    document.bless(reference, "A").unwrap();
    assert_eq!(written(&document), r"[hole,\A=\{}]");
    let name = "A".repeat(255);
    document.bless(reference, &name).unwrap();
    assert!(
        document
            .bless(reference, &format!("{name}A"))
            .unwrap_err()
            .is_value()
    );
    for number in 0..62 {
        document.bless(reference, &format!("B{number}")).unwrap();
    }
    assert!(document.bless(reference, "TooMany").unwrap_err().is_limit());
}

#[test]
fn headers_that_nobody_reads_are_refused_and_minors_raised() {
    let mut document = network(b"\x22");
    let mut header = Header::native();
    header.minor = 13;
    assert!(document.set_header(header).unwrap_err().is_value());
    let mut native = Header::native().native.unwrap();
    native.integer = 3;
    header = Header::native();
    header.native = Some(native);
    assert!(document.set_header(header).unwrap_err().is_value());
    document.set_header(Header::native()).unwrap();
    assert_eq!(document.header().minor, 12);
    let mut old = Document::decode(b"\x05\x02\x03\x00\x00\x00\x00").unwrap();
    let root = old.root().id();
    old.insert(root, "☺", &"é").unwrap();
    assert_eq!(old.header().minor, 11);
}

#[test]
fn r44_a_document_of_exactly_the_size_allowed_is_written() {
    let limits = Limits {
        size: 19,
        ..Limits::default()
    };
    let mut document = Document::decode_with(b"\x05\x0b\x03\x00\x00\x00\x00", limits).unwrap();
    let root = document.root().id();
    document.insert(root, "k", &"12345").unwrap();
    assert_eq!(document.encode().unwrap().len(), 19);
    document.insert(root, "k", &"123456").unwrap();
    assert!(document.encode().unwrap_err().is_limit());
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
    document.set_header(Header::native()).unwrap();
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
        whole.set_header(part.header()).unwrap();
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
