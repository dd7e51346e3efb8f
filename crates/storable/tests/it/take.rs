//! Taking keys of another document's hash: what comes along, and what does not.

use storable::{Document, Header, Kind, Limits};

use crate::again;
use crate::rendering::render;
use crate::vectors::{limits, vectors};

const NETWORK: &[u8] = b"\x05\x0b";

fn network(items: &[u8]) -> Document {
    Document::decode(&[NETWORK, items].concat()).unwrap()
}

fn frozen(expression: &str) -> Document {
    Document::decode(&again::frozen(&[expression])[0]).unwrap()
}

fn written(document: &Document) -> String {
    render(&Document::decode_with(&document.encode().unwrap(), limits()).unwrap())
}

/// Takes these keys of what the expression makes into `{kept => 1}`.
fn taken(expression: &str, keys: &[&str]) -> Document {
    let mut document = frozen("{kept => 1}");
    let root = document.root().id();
    let wanted = |key: &str| keys.contains(&key);
    document
        .take(root, &frozen(expression), |entry| {
            wanted(&entry.key().unwrap())
        })
        .unwrap();
    document
}

#[test]
fn what_taken_values_share_perl_sees_as_one() {
    let expression = "do { my $x = [1]; my $h = {a => $x, b => $x, c => {in => $x}, d => [1], e => \\$x}; \
         weak(\\$h->{b}); alias_value($h, 'f', \\$h->{d}); $h }";
    let mut document = taken(expression, &["a", "b", "c", "d", "f"]);
    let bytes = document.encode().unwrap();
    let ask = |expression: &str| again::ask(&bytes, expression);
    let same = |one: &str, other: &str| {
        let one = format!("refaddr({one}) == refaddr({other}) ? 'one' : 'two'");
        ask(&one) == "one"
    };
    assert!(same("$root->{a}", "$root->{b}"));
    assert!(same("$root->{a}", "$root->{c}{in}"));
    assert!(!same("$root->{a}", "$root->{d}"));
    assert!(same("\\$root->{d}", "\\$root->{f}"));
    assert_eq!(ask("Scalar::Util::isweak($root->{b}) + 0"), "1");
    assert_eq!(ask("join ',', sort keys %$root"), "a,b,c,d,f,kept");
    // Another time is another variable.
    let root = document.root().id();
    document
        .take(root, &frozen(expression), |entry| entry.key_bytes() == b"a")
        .unwrap();
    let bytes = document.encode().unwrap();
    let apart = "refaddr($root->{a}) == refaddr($root->{c}{in}) ? 'one' : 'two'";
    assert_eq!(again::ask(&bytes, apart), "two");
}

#[test]
fn every_vector_is_taken_as_it_was() {
    for vector in vectors().filter(|vector| vector.refusal().is_none()) {
        let part = Document::decode_with(&vector.bytes, limits()).unwrap();
        let empty = [NETWORK, b"\x03\0\0\0\0"].concat();
        let [mut from, mut to] = [(); 2].map(|()| Document::decode_with(&empty, limits()).unwrap());
        let root = from.root().id();
        from.set_header(part.header()).unwrap();
        to.set_header(part.header()).unwrap();
        from.insert_document(root, "k", &part).unwrap();
        from.insert(root, "other", &[1, 2]).unwrap();
        to.take(root, &from, |entry| entry.key_bytes() == b"k")
            .unwrap();
        from.remove(root, "other").unwrap();
        assert_eq!(written(&to), written(&from), "{}", vector.name);
        assert!(to.root().same(from.root()), "{}", vector.name);
    }
}

#[test]
fn classes_come_along_and_only_those_that_are_needed() {
    let other = frozen("{a => bless([bless({}, 'A'), bless({}, 'A')], 'B'), b => bless([], 'C')}");
    let limits = Limits {
        classes: 2,
        ..Limits::default()
    };
    let bytes = again::frozen(&["bless({}, 'B')"]).remove(0);
    let mut document = Document::decode_with(&bytes, limits).unwrap();
    let root = document.root().id();
    let wanted =
        |name: &'static [u8]| move |entry: &storable::KeyValue<'_>| entry.key_bytes() == name;
    document.take(root, &other, wanted(b"a")).unwrap();
    assert_eq!(written(&document), r#"B={b"a":\B=[\A={},\A={}]}"#);
    let nodes = document.nodes();
    assert!(
        document
            .take(root, &other, wanted(b"b"))
            .unwrap_err()
            .is_limit()
    );
    assert_eq!(document.nodes(), nodes);
    document.take(root, &other, wanted(b"a")).unwrap();
    assert_eq!(written(&document), r#"B={b"a":\B=[\A={},\A={}]}"#);
}

#[test]
fn keys_are_the_same_by_their_characters_and_new_ones_keep_their_flags() {
    // \xe9 as bytes, as bytes that were characters, as UTF-8; and the bytes C3 A9, another key.
    let forms: [&[u8]; 4] = [
        b"\x00\0\0\0\x01\xe9",
        b"\x02\0\0\0\x01\xe9",
        b"\x01\0\0\0\x02\xc3\xa9",
        b"\x00\0\0\0\x02\xc3\xa9",
    ];
    let shown = [
        r#"b"\xe9""#,
        r#"w"\xe9""#,
        r#"u"\xc3\xa9""#,
        r#"b"\xc3\xa9""#,
    ];
    let one = |value: u8, key: &[u8]| {
        network(&[b"\x19\0\0\0\0\x01\x08", &[0x80 + value][..], key].concat())
    };
    for (at, here) in forms.iter().enumerate() {
        let mut empty = network(b"\x03\0\0\0\0");
        let root = empty.root().id();
        empty.take(root, &one(1, here), |_| true).unwrap();
        assert_eq!(written(&empty), format!("{{{}:1}}", shown[at]));
        for (at_there, there) in forms.iter().enumerate() {
            let mut document = one(1, here);
            document.take(root, &one(2, there), |_| true).unwrap();
            let expected = match (at < 3) == (at_there < 3) {
                true => format!("{{{}:2}}", shown[at]),
                false if at > at_there => format!("{{{}:1,{}:2}}", shown[at], shown[at_there]),
                false => format!("{{{}:2,{}:1}}", shown[at_there], shown[at]),
            };
            assert_eq!(written(&document), expected);
        }
    }
}

#[test]
fn characters_are_what_perl_compares_keys_by() {
    let document = network(
        b"\x19\0\0\0\0\x05\x05\0\0\0\0\x01a\x05\0\0\0\0\x01\xe9\x05\x02\0\0\0\x01\xe8\
          \x05\x01\0\0\0\x03\xe2\x98\xba\x05\0\0\0\0\x02\xc3\xa9",
    );
    let Kind::Hash(hash) = document.root().kind() else {
        panic!()
    };
    let characters: Vec<_> = hash.iter().map(|entry| entry.characters()).collect();
    let expected: [&[u8]; 5] = [
        b"a",
        b"\xc3\xa9",
        b"\xc3\xa8",
        b"\xe2\x98\xba",
        b"\xc3\x83\xc2\xa9",
    ];
    assert_eq!(characters, expected);
    let borrowed = |at: usize| matches!(characters[at], std::borrow::Cow::Borrowed(_));
    assert!(borrowed(0) && borrowed(3) && !borrowed(1));
}

#[test]
fn what_is_only_allowed_is_not_taken_and_gives_way() {
    // Restricted: a locked, b only allowed (twice: as Perl marks it with and without a lock).
    let restricted: &[u8] = b"\x19\x01\0\0\0\x03\x08\x81\x04\0\0\0\x01a\
        \x0e\x10\0\0\0\x01b\x0e\x14\0\0\0\x01c";
    let mut document = network(b"\x03\0\0\0\x01\x08\x85\0\0\0\x01b");
    let root = document.root().id();
    let mut offered = Vec::new();
    let there = network(restricted);
    document
        .take(root, &there, |entry| {
            offered.push(entry.key_bytes().to_vec());
            true
        })
        .unwrap();
    assert_eq!(offered, [b"a"]);
    assert_eq!(written(&document), r#"{b"a"!:1,b"b":5}"#);
    let mut document = network(restricted);
    let other = network(b"\x03\0\0\0\x04\x08\x85\0\0\0\x01a\x08\x86\0\0\0\x01b\x08\x87\0\0\0\x01c\x08\x88\0\0\0\x01d");
    document.take(root, &other, |_| true).unwrap();
    assert_eq!(
        written(&document),
        r#"restricted{b"a"!:5,b"b":6,b"c":7,b"d":8}"#
    );
    let said = again::ask(
        &document.encode().unwrap(),
        "join ' ', map { ($_, Internals::SvREADONLY($root->{$_}) ? 1 : 0) } sort keys %$root",
    );
    assert_eq!(said, "a 1 b 0 c 0 d 0");
}

#[test]
fn what_is_not_taken_takes_no_room() {
    let limits = Limits {
        nodes: 10,
        ..Limits::default()
    };
    let other = frozen("{small => [1, 2], large => [1 .. 1000]}");
    let mut document = Document::decode_with(b"\x05\x0b\x03\0\0\0\0", limits).unwrap();
    let root = document.root().id();
    for (round, nodes) in [(0, 5), (1, 9)] {
        document
            .take(root, &other, |entry| entry.key_bytes() == b"small")
            .unwrap();
        assert_eq!(document.nodes(), nodes, "{round}");
    }
    let before = (render(&document), document.encode().unwrap());
    let error = document.take(root, &other, |_| true).unwrap_err();
    assert!(error.is_limit());
    assert_eq!(document.nodes(), 9);
    assert_eq!((render(&document), document.encode().unwrap()), before);
    document.insert(root, "one more", &1).unwrap();
    document.insert(root, "and more", &1).unwrap_err();
    // Nor what was replaced in the other one.
    let mut replaced =
        Document::of(&std::collections::BTreeMap::from([("k", vec![0; 100])])).unwrap();
    let there = replaced.root().id();
    replaced.insert(there, "k", &1).unwrap();
    let mut document = Document::decode_with(b"\x05\x0b\x03\0\0\0\0", limits).unwrap();
    document.insert_document(root, "part", &replaced).unwrap();
    assert_eq!(document.nodes(), 4);
}

#[test]
fn hashes_that_came_along_grow_without_touching_each_other() {
    let mut document = taken("{a => {k => 1}, b => {k => 2}}", &["a", "b"]);
    let root = document.root().id();
    let inner = document.root().get("a").unwrap().id();
    for key in ["l", "m"] {
        document.insert(inner, key, &3).unwrap();
    }
    assert_eq!(
        written(&document),
        r#"{b"a":\{b"k":1,b"l":3,b"m":3},b"b":\{b"k":2},b"kept":1}"#
    );
    // Nor does one that had grown before.
    let mut again = frozen("{}");
    again.take(root, &document, |_| true).unwrap();
    let inner = again.root().get("a").unwrap().id();
    again.insert(inner, "n", &4).unwrap();
    assert_eq!(
        written(&again),
        r#"{b"a":\{b"k":1,b"l":3,b"m":3,b"n":4},b"b":\{b"k":2},b"kept":1}"#
    );
}

#[test]
fn what_is_no_hash_gives_and_gets_nothing() {
    let mut document = frozen("{a => 1, h => {}}");
    let before = render(&document);
    let root = document.root().id();
    let a = document.root().get("a").unwrap().id();
    let hash = frozen("{b => 2}");
    let error = document.take(a, &hash, |_| true).unwrap_err();
    assert!(error.is_value());
    let error = document.take(root, &frozen("[1]"), |_| true).unwrap_err();
    assert!(error.is_value());
    assert_eq!(render(&document), before);
    // References lead to hashes on either side.
    let inner = document.root().get("h").unwrap().id();
    document
        .take(inner, &frozen("\\{b => 2}"), |_| true)
        .unwrap();
    assert_eq!(written(&document), r#"{b"a":1,b"h":\{b"b":2}}"#);
    document.take(inner, &hash, |_| false).unwrap();
    assert_eq!(written(&document), r#"{b"a":1,b"h":\{b"b":2}}"#);
}

#[test]
fn what_referred_to_the_other_hash_refers_to_this_one() {
    let cycle = "do { my $h = {n => 1}; $h->{me} = [$h]; $h }";
    assert_eq!(
        written(&taken(cycle, &["me"])),
        r#"&1 {b"kept":1,b"me":\[\*1]}"#
    );
    assert_eq!(
        written(&taken(&format!("\\{cycle}"), &["me"])),
        r#"&1 {b"kept":1,b"me":\[\*1]}"#
    );
    // Here the class does not overload anything, which Perl would not forgive.
    let loud =
        "do { my $h = bless {n => 1}, 'LoudHash'; $h->{me} = [$h, bless {}, 'LoudHash']; $h }";
    let document = taken(loud, &["me"]);
    assert_eq!(
        written(&document),
        r#"&1 {b"kept":1,b"me":\[\*1,overload\LoudHash={}]}"#
    );
    let bytes = document.encode().unwrap();
    assert_eq!(again::ask(&bytes, "\"@{[$root->{me}[1]]}\""), "loud hash");
}

#[test]
fn of_a_key_that_stands_twice_the_last_is_taken() {
    let other = network(b"\x03\0\0\0\x02\x08\x81\0\0\0\x01a\x08\x82\0\0\0\x01a");
    let mut document = network(b"\x03\0\0\0\0");
    let root = document.root().id();
    let mut offered = 0;
    document
        .take(root, &other, |_| {
            offered += 1;
            true
        })
        .unwrap();
    assert_eq!((offered, written(&document)), (1, r#"{b"a":2}"#.into()));
}

#[test]
fn the_version_is_the_newer_of_both() {
    let booleans = Document::decode(b"\x05\x0c\x03\0\0\0\x01\x22\0\0\0\x01t").unwrap();
    let mut document = Document::decode(b"\x05\x02\x03\0\0\0\0").unwrap();
    let root = document.root().id();
    document.take(root, &booleans, |_| true).unwrap();
    assert_eq!(document.header().minor, 12);
    assert_eq!(written(&document), r#"{b"t":true}"#);
    let mut newer = booleans.clone();
    newer.take(root, &frozen("{a => 1}"), |_| true).unwrap();
    assert_eq!(newer.header().minor, 12);
    assert_ne!(newer.header(), Header::native());
}

#[test]
fn many_keys_cost_as_much_as_they_are() {
    let many = |range: std::ops::Range<u32>| {
        let pairs = range.map(|key| (key, key));
        Document::of(&pairs.collect::<std::collections::BTreeMap<_, _>>()).unwrap()
    };
    let mut document = many(0..40_000);
    let root = document.root().id();
    // Half of them are there. By looking for each this would take minutes.
    document
        .take(root, &many(20_000..60_000), |_| true)
        .unwrap();
    assert!(document.root().same(many(0..60_000).root()));
}
