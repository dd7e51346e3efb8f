//! Against a real Perl: it freezes random structures, we read, change and write them, and it
//! compares what it thaws with what it has changed itself.

use std::process::Command;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use storable::{Document, Kind, Limits, Node, NodeId};

use crate::perl::{self, Perl, from_hex, to_hex};

#[test]
fn r43_what_perl_freezes_and_we_change_perl_thaws_as_if_it_had_changed_it_itself() {
    let count = perl::short_or_long(5_000, 100_000);
    let start = perl::seed();
    let mut perl = Perl::start();
    let (mut bytes, mut edits) = (0, 0);
    for seed in start..start + count {
        let dialect = if seed % 2 == 0 { "native" } else { "network" };
        let answer = perl.ask(&format!("gen {seed} {dialect}"));
        let parts: Vec<_> = answer.split(' ').collect();
        let ["ok", frozen, changes] = parts[..] else {
            panic!("STORABLE_SEED={seed}: {answer:.200}");
        };
        let frozen = from_hex(frozen);
        bytes += frozen.len();
        let mut document = Document::decode_with(&frozen, limits())
            .unwrap_or_else(|error| panic!("STORABLE_SEED={seed}: {error}"));
        for change in changes.split(',').filter(|change| *change != "-") {
            edits += 1;
            apply(&mut document, change);
        }
        let written = document.encode().unwrap();
        let verdict = perl.ask(&format!("check {seed} {}", to_hex(&written)));
        assert_eq!(verdict, "same", "STORABLE_SEED={seed} {dialect} {changes}");
    }
    println!("{count} structures of {bytes} bytes, {edits} changes");
    assert!(edits > count, "hardly any changes: {edits}");
}

#[test]
fn r43_the_comparison_notices_every_kind_of_damage() {
    let seeds = perl::short_or_long("50", "2000");
    let output = Command::new("perl")
        .arg(perl::folder().join("differential.pl"))
        .args(["--self-test", seeds])
        .output()
        .expect("there is no `perl` program: install perl");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

fn limits() -> Limits {
    Limits {
        depth: 250,
        ..Limits::default()
    }
}

/// Applies `path|op|key|value`, as `Edits.pm` describes it.
fn apply(document: &mut Document, change: &str) {
    let parts: Vec<_> = change.split('|').collect();
    let hash = follow(document.root(), parts[0]);
    let key = key_text(document.node(hash).unwrap(), parts[2]);
    match parts[1] {
        "set" => document.insert(hash, &key, &parse(parts[3])).unwrap(),
        "del" => assert!(document.remove(hash, &key).unwrap(), "{change}"),
        other => panic!("an unknown change {other}"),
    }
}

fn follow(root: Node<'_>, path: &str) -> NodeId {
    let mut node = root;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        node = match (node.referent().unwrap().kind(), step.split_at(1)) {
            (Kind::Array(array), ("i", index)) => array.get(index.parse().unwrap()).unwrap(),
            (Kind::Hash(hash), ("k", key)) => {
                let (bytes, utf8) = key_bytes(key);
                let found = hash
                    .iter()
                    .find(|entry| entry.key_bytes() == bytes && entry.is_utf8() == utf8);
                found.expect("the path is right").value()
            }
            (_, step) => panic!("a step {step:?} from {node:?}"),
        };
    }
    node.id()
}

fn key_bytes(key: &str) -> (Vec<u8>, bool) {
    let hex = key.strip_suffix('u');
    (from_hex(hex.unwrap_or(key)), hex.is_some())
}

/// The text by which the key is found; a new one is ASCII.
fn key_text(hash: Node<'_>, key: &str) -> String {
    let (bytes, utf8) = key_bytes(key);
    let Kind::Hash(hash) = hash.referent().unwrap().kind() else {
        panic!("a change in what is no hash");
    };
    let found = hash
        .iter()
        .find(|entry| entry.key_bytes() == bytes && entry.is_utf8() == utf8);
    match found {
        Some(entry) => entry.key().unwrap().into_owned(),
        None => String::from_utf8(bytes).unwrap(),
    }
}

/// A value as Perl's side writes it.
enum Given {
    Undef,
    Integer(i64),
    Double(f64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Given>),
    Hash(Vec<(String, Given)>),
}

impl Serialize for Given {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Undef => serializer.serialize_none(),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Double(number) => serializer.serialize_f64(*number),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Array(items) => {
                let mut array = serializer.serialize_seq(None)?;
                for item in items {
                    array.serialize_element(item)?;
                }
                array.end()
            }
            Self::Hash(entries) => {
                let mut hash = serializer.serialize_map(None)?;
                for (key, value) in entries {
                    hash.serialize_entry(key, value)?;
                }
                hash.end()
            }
        }
    }
}

fn parse(value: &str) -> Given {
    let (given, rest) = parse_prefix(value);
    assert_eq!(rest, "", "{value}");
    given
}

fn parse_prefix(value: &str) -> (Given, &str) {
    let (kind, rest) = value.split_at(1);
    if kind == "A" || kind == "H" {
        return parse_list(kind, rest.strip_prefix('[').expect("a list"));
    }
    let end = rest.find([';', ']']).unwrap_or(rest.len());
    let (text, rest) = rest.split_at(end);
    let given = match kind {
        "U" => Given::Undef,
        "I" => Given::Integer(text.parse().unwrap()),
        "D" => Given::Double(f64::from_bits(u64::from_str_radix(text, 16).unwrap())),
        "B" => Given::Bytes(from_hex(text)),
        "T" => Given::Text(String::from_utf8(from_hex(text)).unwrap()),
        other => panic!("a value {other}"),
    };
    (given, rest)
}

fn parse_list<'a>(kind: &str, mut rest: &'a str) -> (Given, &'a str) {
    let (mut items, mut entries) = (Vec::new(), Vec::new());
    loop {
        if let Some(rest) = rest.strip_prefix(']') {
            let given = match kind {
                "A" => Given::Array(items),
                _ => Given::Hash(entries),
            };
            return (given, rest);
        }
        rest = rest.strip_prefix(';').unwrap_or(rest);
        if kind == "A" {
            let (item, after) = parse_prefix(rest);
            items.push(item);
            rest = after;
        } else {
            let (key, value) = rest.split_once('=').expect("a key");
            let (value, after) = parse_prefix(value);
            entries.push((String::from_utf8(from_hex(key)).unwrap(), value));
            rest = after;
        }
    }
}
