//! The table of what Perl writes: each row reads as what Perl meant, and is written as Perl wrote
//! it, byte for byte.

use std::process::Command;

use storable::{Document, Limits};

use crate::perl;
use crate::rendering::render;

/// One row of `vectors.tsv`.
pub(crate) struct Vector {
    pub(crate) name: &'static str,
    pub(crate) dialect: &'static str,
    pub(crate) bytes: Vec<u8>,
    expected: &'static str,
}

const TABLE: &str = include_str!("../vectors.tsv");

/// Rows that are refused on purpose.
const REFUSED: [(&str, &str); 6] = [
    ("class-name-300", "a class name of 300 bytes"),
    ("hook-class-300", "a class name of 300 bytes"),
    ("class-latin1", "expected the name of a class"),
    ("class-wide", "expected the name of a class"),
    ("hand-key-is-scalar", "a key that is a scalar of its own"),
    ("hand-double-in-network", "a number of native order"),
];

/// The table has documents with more classes than the default lets through.
pub(crate) fn limits() -> Limits {
    Limits {
        classes: 2000,
        ..Limits::default()
    }
}

pub(crate) fn vectors() -> impl Iterator<Item = Vector> {
    TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<_> = line.split('\t').collect();
            let [name, _, dialect, hex, expected] = columns[..] else {
                panic!("five columns: {line:.80}");
            };
            Vector {
                name,
                dialect,
                bytes: perl::from_hex(hex),
                expected,
            }
        })
}

impl Vector {
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        let row = REFUSED.iter().find(|(name, _)| *name == self.name)?;
        Some(row.1)
    }

    /// Not as Perl would write it: such a row is written in another form than it was read.
    fn is_by_hand(&self) -> bool {
        self.name.starts_with("hand-")
    }
}

#[test]
fn r42_every_vector_reads_as_what_perl_meant_and_is_written_as_perl_wrote_it() {
    let mut rows = 0;
    for vector in vectors() {
        let place = format!("{} {}", vector.name, vector.dialect);
        rows += 1;
        let decoded = Document::decode_with(&vector.bytes, limits());
        if let Some(refusal) = vector.refusal() {
            let error = decoded.expect_err(&place);
            assert!(error.to_string().contains(refusal), "{place}: {error}");
            continue;
        }
        let document = decoded.unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(render(&document), vector.expected, "{place}");
        let encoded = document.encode().unwrap();
        if vector.is_by_hand() {
            let again = Document::decode_with(&encoded, limits()).unwrap();
            assert_eq!(render(&again), vector.expected, "{place}, written");
        } else {
            assert_eq!(
                perl::to_hex(&encoded),
                perl::to_hex(&vector.bytes),
                "{place}, written"
            );
        }
    }
    assert!(rows > 400, "the table has {rows} rows only");
}

#[test]
fn r42_the_vectors_have_every_marker() {
    // One row for each marker from 0; `vectors.pl` says what is in it.
    let rows = [
        "shared-array",
        "string-256",
        "array-empty",
        "hash-simple",
        "ref-array",
        "undef",
        "int-128",
        "double-tenth",
        "zero",
        "int-128",
        "string-short",
        "tied-array",
        "tied-hash",
        "tied-scalar",
        "array-holes",
        "yes",
        "no",
        "blessed-hash",
        "class-twice",
        "hook",
        "overloaded",
        "tied-key",
        "tied-index",
        "string-wide",
        "string-wide-256",
        "hash-utf8-key",
        "code",
        "weak-hash",
        "weak-overloaded",
        "vstring",
        "vstring-long",
        "array-elem-undef",
        "regexp",
        "hand-large-array",
        "hand-true",
        "hand-false",
    ];
    for (marker, name) in (0..).zip(rows) {
        let has = |vector: &Vector| vector.name == name && vector.bytes[2..].contains(&marker);
        let found = vectors().any(|vector| has(&vector) && vector.refusal().is_none());
        assert!(found, "marker {marker}: not in a row {name}");
    }
}

#[test]
fn r42_perl_makes_the_same_table_today() {
    let version = "Storable 3.26";
    assert!(TABLE.contains(version));
    let installed = Command::new("perl")
        .args(["-MStorable", "-e", "print qq(Storable $Storable::VERSION)"])
        .output();
    match installed {
        Ok(output) if output.stdout == version.as_bytes() => {}
        _ => return eprintln!("skipped: this table is of {version}, which is not here"),
    }
    let made = Command::new("perl")
        .arg(perl::folder().join("vectors.pl"))
        .output()
        .expect("perl runs");
    assert!(made.status.success());
    let made = String::from_utf8(made.stdout).expect("the table is ASCII");
    // Rows of modules that are not installed are not made; whatever is made is as it was.
    let frozen: Vec<_> = TABLE.lines().collect();
    let mut rows = 0;
    for line in made.lines() {
        assert!(frozen.contains(&line), "new or changed: {line:.200}");
        rows += 1;
    }
    assert!(rows > 400, "Perl made {rows} rows only");
}
