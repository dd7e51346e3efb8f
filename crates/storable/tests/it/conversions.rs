//! The tables of conversions in the documentation, one row each: what Perl holds, and what it is
//! as each Rust type.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use storable::{Document, Header, Kind, Value};

use crate::rendering::render;

fn read<T: DeserializeOwned>(items: &[u8]) -> Option<T> {
    let document = Document::decode(&[b"\x05\x0b", items].concat()).expect("the items are right");
    match document.root().to() {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(error.is_value(), "{error}");
            None
        }
    }
}

fn scalar(text: &str) -> Vec<u8> {
    [&[10, text.len() as u8][..], text.as_bytes()].concat()
}

#[test]
fn what_perl_holds_reads_as_an_integer_where_it_is_one() {
    assert_eq!(read(b"\x08\xaa"), Some(42_u8));
    assert_eq!(read(b"\x09\xff\xff\xff\x00"), Some(-256_i64));
    for text in ["42", " 42\n", "+42", "42.0", "4.2e1"] {
        assert_eq!(read(&scalar(text)), Some(42_i32), "{text:?}");
    }
    assert_eq!(read(&scalar("18446744073709551615")), Some(u64::MAX));
    assert_eq!(read(&scalar("-9223372036854775808")), Some(i64::MIN));
    assert_eq!(
        read(&scalar(&u128::from(u64::MAX).pow(2).to_string())),
        None::<u64>
    );
    assert_eq!(
        read(&scalar("99999999999999999999")),
        Some(99_999_999_999_999_999_999_i128)
    );
    assert_eq!(read(b"\x0f"), Some(1_u8));
    assert_eq!(read(b"\x10"), Some(0_u8));
    for text in [
        "",
        "42abc",
        "0x2a",
        "4.5",
        "1e300",
        "NaN",
        "Inf",
        "forty-two",
    ] {
        assert_eq!(read::<i64>(&scalar(text)), None, "{text:?}");
    }
    assert_eq!(read::<u8>(&scalar("256")), None);
    assert_eq!(read::<u8>(b"\x08\x7f"), None);
    assert_eq!(read::<i64>(b"\x05"), None);
    assert_eq!(read::<i64>(b"\x02\x00\x00\x00\x00"), None);
}

#[test]
fn what_perl_holds_reads_as_a_double_where_it_is_a_number() {
    assert_eq!(read(b"\x08\xaa"), Some(42.0));
    for (text, number) in [("1.5", 1.5), ("-1e3", -1000.0), (" .5 ", 0.5), ("7", 7.0)] {
        assert_eq!(read(&scalar(text)), Some(number), "{text:?}");
    }
    assert_eq!(read(&scalar("Inf")), Some(f64::INFINITY));
    assert_eq!(read(&scalar("-Infinity")), Some(f64::NEG_INFINITY));
    assert!(read::<f64>(&scalar("NaN")).unwrap().is_nan());
    assert_eq!(read(&scalar("1.5")), Some(1.5_f32));
    assert_eq!(read::<f64>(&scalar("one")), None);
    assert_eq!(read::<f64>(b"\x05"), None);
}

#[test]
fn what_perl_holds_reads_as_text() {
    assert_eq!(read(&scalar("text")), Some("text".to_owned()));
    assert_eq!(read(b"\x08\xaa"), Some("42".to_owned()));
    assert_eq!(read(b"\x0f"), Some("1".to_owned()));
    assert_eq!(read(b"\x10"), Some(String::new()));
    // Bytes that are UTF-8, bytes that are not and so are Latin-1, and characters.
    assert_eq!(read(b"\x0a\x02\xc3\xa9"), Some("é".to_owned()));
    assert_eq!(read(b"\x0a\x01\xe9"), Some("é".to_owned()));
    assert_eq!(read(b"\x17\x02\xc3\xa9"), Some("é".to_owned()));
    assert_eq!(read(b"\x17\x02\xc3\xa9"), Some('é'));
    // A version string is the string; characters beyond Unicode are an error.
    assert_eq!(read(b"\x1d\x02v1\x0a\x01\x01"), Some("\u{1}".to_owned()));
    assert_eq!(read::<String>(b"\x17\x03\xed\xa0\x80"), None);
    assert_eq!(read::<String>(b"\x05"), None);
    assert_eq!(read::<char>(&scalar("ab")), None);
}

#[test]
fn doubles_read_as_text_as_perl_prints_them() {
    let native = |number: f64| {
        let document = Document::of(&number).unwrap();
        document.root().to::<String>().unwrap()
    };
    assert_eq!(native(0.1 + 0.2), "0.3");
    assert_eq!(native(1e20), "1e+20");
    assert_eq!(native(42.0), "42");
}

#[test]
fn what_perl_holds_reads_as_a_boolean() {
    for yes in [
        &b"\x08\x81"[..],
        b"\x0a\x011",
        b"\x0f",
        b"\x22",
        b"\x17\x011",
    ] {
        assert_eq!(read(yes), Some(true), "{yes:?}");
    }
    assert_eq!(read(b"\x02\x00\x00\x00\x01\x1f"), Some(vec![false]));
    for no in [
        &b"\x08\x80"[..],
        b"\x0a\x010",
        b"\x0a\x00",
        b"\x05",
        b"\x0e",
        b"\x10",
        b"\x23",
    ] {
        assert_eq!(read(no), Some(false), "{no:?}");
    }
    for neither in [
        &b"\x08\x82"[..],
        b"\x0a\x03yes",
        b"\x0a\x0200",
        b"\x02\x00\x00\x00\x00",
    ] {
        assert_eq!(read::<bool>(neither), None, "{neither:?}");
    }
    // JSON::PP::true is a reference to a blessed 1.
    assert_eq!(read(b"\x14\x11\x11JSON::PP::Boolean\x08\x81"), Some(true));
}

#[test]
fn undef_is_none_and_unit_and_references_are_followed() {
    assert_eq!(read(b"\x05"), Some(None::<u8>));
    assert_eq!(read(b"\x08\x81"), Some(Some(1_u8)));
    assert_eq!(read(b"\x05"), Some(()));
    assert_eq!(read::<()>(b"\x08\x81"), None);
    assert_eq!(read(b"\x04\x04\x08\x81"), Some(1_u8));
    assert_eq!(read(b"\x02\x00\x00\x00\x01\x1f"), Some([None::<u8>]));
    // A hole in an array is undef as well.
    assert_eq!(
        read(b"\x02\x00\x00\x00\x02\x0e\x08\x81"),
        Some(vec![None, Some(1_u8)])
    );
    assert_eq!(
        read(b"\x02\x00\x00\x00\x02\x08\x81\x0a\x01x"),
        Some((1_u8, "x".to_owned()))
    );
}

#[test]
fn bytes_are_bytes() {
    #[derive(Debug, PartialEq)]
    struct Raw(Vec<u8>);
    impl<'de> Deserialize<'de> for Raw {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Raw;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("bytes")
                }
                fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Raw, E> {
                    Ok(Raw(bytes.to_vec()))
                }
                fn visit_seq<A: serde::de::SeqAccess<'de>>(
                    self,
                    mut numbers: A,
                ) -> Result<Raw, A::Error> {
                    let mut bytes = Vec::new();
                    while let Some(byte) = numbers.next_element()? {
                        bytes.push(byte);
                    }
                    Ok(Raw(bytes))
                }
            }
            deserializer.deserialize_bytes(Visitor)
        }
    }
    assert_eq!(read(b"\x0a\x02\xff\x00"), Some(Raw(vec![0xff, 0])));
    assert_eq!(read(b"\x17\x02\xc3\xa9"), Some(Raw(vec![0xc3, 0xa9])));
    assert_eq!(read(b"\x08\xaa"), Some(Raw(b"42".to_vec())));
    assert_eq!(read(b"\x1d\x02v1\x0a\x01\xe9"), Some(Raw(vec![0xe9])));
    assert_eq!(
        read(b"\x02\x00\x00\x00\x02\x08\x81\x08\x82"),
        Some(Raw(vec![1, 2]))
    );
}

#[test]
fn objects_that_no_rust_type_is_are_errors() {
    let table: [&[u8]; 4] = [
        b"\x1a\x0a\x02{}",
        b"\x20\x00\x01a\x01i",
        b"\x0b\x02\x00\x00\x00\x00",
        b"\x13\x00\x01A\x01x",
    ];
    for items in table {
        assert_eq!(read::<Value>(items), None);
        assert_eq!(read::<String>(items), None);
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Profile {
    name: String,
    age: u8,
    height: f64,
    admin: bool,
    nick: Option<String>,
    tags: Vec<String>,
    scores: BTreeMap<u32, i64>,
    role: Role,
    pair: (i8, char),
    unit: (),
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Letter {
    A,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Role {
    Guest,
    Named(String),
    Range(u8, u8),
    Full { level: u32 },
}

fn profile(role: Role) -> Profile {
    Profile {
        name: "Ännchen ☺".into(),
        age: 41,
        height: 1.75,
        admin: true,
        nick: None,
        tags: vec!["a".into(), "é".into()],
        scores: BTreeMap::from([(1, i64::MIN), (200, i64::MAX)]),
        role,
        pair: (-128, 'ß'),
        unit: (),
    }
}

#[test]
fn rust_values_come_back_from_both_dialects() {
    let roles = [
        Role::Guest,
        Role::Named("x".into()),
        Role::Range(1, 2),
        Role::Full { level: 3 },
    ];
    for role in roles {
        let profile = profile(role);
        assert_eq!(
            storable::from_slice::<Profile>(&storable::to_vec(&profile).unwrap()).unwrap(),
            profile
        );
        let mut network = Document::of(&profile).unwrap();
        network.set_header(Header::network()).unwrap();
        let bytes = network.encode().unwrap();
        assert_eq!(bytes[0], 5);
        assert_eq!(storable::from_slice::<Profile>(&bytes).unwrap(), profile);
    }
}

#[test]
fn large_integers_and_special_doubles_come_back() {
    for number in [u64::MAX, 1 << 63, i64::MAX as u64] {
        let bytes = storable::to_vec(&number).unwrap();
        assert_eq!(storable::from_slice::<u64>(&bytes).unwrap(), number);
    }
    let beyond = Document::of(&u64::MAX).unwrap();
    assert!(matches!(
        beyond.root().kind(),
        Kind::Bytes(b"18446744073709551615")
    ));
    for header in [Header::native(), Header::network()] {
        for number in [
            0.1,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.0,
            f64::MIN_POSITIVE,
            1e-300,
        ] {
            let mut document = Document::of(&number).unwrap();
            document.set_header(header).unwrap();
            let bytes = document.encode().unwrap();
            let read: f64 = storable::from_slice(&bytes).unwrap();
            assert_eq!(read.to_bits(), number.to_bits(), "{number}");
        }
        let mut document = Document::of(&f64::NAN).unwrap();
        document.set_header(header).unwrap();
        assert!(
            storable::from_slice::<f64>(&document.encode().unwrap())
                .unwrap()
                .is_nan()
        );
    }
    assert_eq!(
        storable::from_slice::<i128>(&storable::to_vec(&i128::MIN).unwrap()).unwrap(),
        i128::MIN
    );
}

#[test]
fn rust_values_become_what_perl_expects() {
    fn perl<T: Serialize + ?Sized>(value: &T) -> String {
        render(&Document::of(value).unwrap())
    }
    assert_eq!(perl(&true), "1");
    assert_eq!(perl(&false), "0");
    assert_eq!(perl("a"), r#"b"a""#);
    assert_eq!(perl("é"), r#"u"\xc3\xa9""#);
    assert_eq!(perl(&None::<u8>), "undef");
    assert_eq!(perl(&()), "undef");
    assert_eq!(perl(&1.5), "d:3ff8000000000000");
    assert_eq!(perl(&[[1], [2]]), r"[\[1],\[2]]");
    assert_eq!(perl(&Role::Guest), r#"b"Guest""#);
    assert_eq!(perl(&Role::Named("x".into())), r#"{b"Named":b"x"}"#);
    assert_eq!(perl(&Role::Range(1, 2)), r#"{b"Range":\[1,2]}"#);
    assert_eq!(perl(&Role::Full { level: 3 }), r#"{b"Full":\{b"level":3}}"#);
    assert_eq!(perl(&u64::MAX), r#"b"18446744073709551615""#);
    let keys = BTreeMap::from([("a", 1), ("é", 2), ("☺", 3)]);
    assert_eq!(perl(&keys), r#"{b"a":1,u"\xe2\x98\xba":3,w"\xe9":2}"#);
}

#[test]
fn a_variant_is_the_one_key_that_is_there() {
    // A restricted hash with Named, and Full that is only allowed.
    let items = b"\x19\x01\x00\x00\x00\x02\x0a\x01x\x00\x00\x00\x00\x05Named\
        \x0e\x14\x00\x00\x00\x04Full";
    assert_eq!(read(items), Some(Role::Named("x".into())));
    assert_eq!(read::<Role>(b"\x03\x00\x00\x00\x00"), None);
}

#[test]
fn what_does_not_fit_whole_is_an_error() {
    let three = b"\x02\x00\x00\x00\x03\x08\x81\x08\x82\x08\x83";
    assert_eq!(read::<(u8, u8)>(three), None);
    assert_eq!(read::<[u8; 2]>(three), None);
    assert_eq!(read::<[u8; 4]>(three), None);
    assert_eq!(read(three), Some([1_u8, 2, 3]));
}

#[test]
fn keys_are_strings_and_integers() {
    let table = HashMap::from([(7, "seven")]);
    let document = Document::of(&table).unwrap();
    assert_eq!(
        document.root().get("7").unwrap().to::<String>().unwrap(),
        "seven"
    );
    assert_eq!(
        document.root().to::<HashMap<u8, String>>().unwrap().len(),
        1
    );
    let keys = BTreeMap::from([('é', 1), ('☺', 2)]);
    let document = Document::of(&keys).unwrap();
    assert_eq!(document.root().to::<BTreeMap<char, u8>>().unwrap(), keys);
    let Kind::Hash(hash) = document.root().kind() else {
        panic!()
    };
    // Latin-1 where it has room, as Perl.
    let latin = hash.iter().find(|entry| entry.was_utf8()).unwrap();
    assert_eq!(latin.key_bytes(), b"\xe9");
    assert!(
        hash.iter()
            .any(|entry| entry.is_utf8() && entry.key_bytes() == "☺".as_bytes())
    );
    assert!(
        Document::of(&BTreeMap::from([([1, 2], 3)]))
            .unwrap_err()
            .is_value()
    );
    assert!(
        Document::of(&BTreeMap::from([((), 3)]))
            .unwrap_err()
            .is_value()
    );
    let yes = BTreeMap::from([(true, 1), (false, 2)]);
    let bytes = storable::to_vec(&yes).unwrap();
    let read: BTreeMap<bool, u8> = storable::from_slice(&bytes).unwrap();
    assert_eq!(read, yes);
    let large = BTreeMap::from([(u128::MAX, Some(u128::MAX))]);
    let bytes = storable::to_vec(&large).unwrap();
    let read: BTreeMap<u128, Option<u128>> = storable::from_slice(&bytes).unwrap();
    assert_eq!(read, large);
    let some = BTreeMap::from([(Some(Letter::A), 1)]);
    let bytes = storable::to_vec(&some).unwrap();
    let read: BTreeMap<Option<Letter>, u8> = storable::from_slice(&bytes).unwrap();
    assert_eq!(read, some);
}

#[test]
fn a_tree_is_exact_for_plain_data() {
    let tree = Value::Hash(BTreeMap::from([
        (
            "a".into(),
            Value::Array(vec![Value::Undef, Value::Integer(-1), Value::Double(0.5)]),
        ),
        ("b".into(), Value::Bytes(vec![0xc3, 0xa9])),
        ("é".into(), Value::Text("é".into())),
        ("empty".into(), Value::Hash(BTreeMap::new())),
    ]));
    let bytes = storable::to_vec(&tree).unwrap();
    assert_eq!(storable::from_slice::<Value>(&bytes).unwrap(), tree);
    // From and to other formats, too.
    let json: Value = serde_json::from_str(r#"{"a": [1, 2.5, null, true, "x"]}"#).unwrap();
    let json = serde_json::to_string(&json).unwrap();
    assert_eq!(json, r#"{"a":[1,2.5,null,true,"x"]}"#);
    let any: serde_json::Value = storable::from_slice(&storable::to_vec(&json).unwrap()).unwrap();
    assert_eq!(any, serde_json::Value::String(json));
}

#[test]
fn two_keys_that_are_one_text_are_an_error_for_a_tree() {
    // The byte E9, and the character U+00E9 as UTF-8: two keys of Perl's would be one.
    let document = Document::decode(
        b"\x05\x0b\x19\x00\x00\x00\x00\x02\x05\x00\x00\x00\x00\x01\xe9\x05\x01\x00\x00\x00\x02\xc3\xa9",
    )
    .unwrap();
    assert!(document.root().to::<Value>().unwrap_err().is_value());
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    #[serde(rename = "name")]
    _name: Option<String>,
}

#[test]
fn errors_and_debug_show_no_values() {
    let secret = "correct horse battery staple";
    let document = Document::of(&HashMap::from([("password", secret)])).unwrap();
    let password = document.root().get("password").unwrap();
    let errors = [
        password.to::<u8>().unwrap_err(),
        password.to::<bool>().unwrap_err(),
        password.to::<Vec<u8>>().unwrap_err(),
        password.to::<char>().unwrap_err(),
        password.to::<std::net::IpAddr>().unwrap_err(),
        document.root().to::<Strict>().unwrap_err(),
        document.root().to::<HashMap<String, Role>>().unwrap_err(),
    ];
    for error in errors {
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains("horse"), "{text}");
        }
    }
    let shown = format!(
        "{document:?} {password:?} {:?} {:?} {:?}",
        document.root(),
        document.root().kind(),
        password.kind()
    );
    assert!(
        !shown.contains("horse") && !shown.contains("104, 111"),
        "{shown}"
    );
    let large = Document::of("99999999999999999999").unwrap();
    for error in [
        large.root().to::<u64>().unwrap_err(),
        large.root().to::<i32>().unwrap_err(),
        large.root().to::<std::num::NonZeroU64>().unwrap_err(),
    ] {
        assert!(!error.to_string().contains("9999"), "{error}");
    }
    let keys = Document::of(&HashMap::from([(secret, 1)])).unwrap();
    for error in [
        keys.root().to::<Strict>().unwrap_err(),
        keys.root().to::<Role>().unwrap_err(),
        keys.root().to::<HashMap<u8, u8>>().unwrap_err(),
    ] {
        assert!(!error.to_string().contains("horse"), "{error}");
    }
}
