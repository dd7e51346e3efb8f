//! Whether two values are the same to a Perl program: what counts, and what does not.

use std::collections::HashMap;
use std::thread;

use storable::{Document, Kind, Limits};

use crate::again;
use crate::perl::from_hex;
use crate::vectors::{limits, vectors};

fn read(bytes: &[u8]) -> Document {
    Document::decode_with(bytes, limits()).unwrap()
}

/// Asked from both sides, which must agree.
fn same(one: &Document, other: &Document) -> bool {
    let same = one.root().same(other.root());
    assert_eq!(other.root().same(one.root()), same, "{one:?} {other:?}");
    same
}

#[test]
fn every_vector_is_the_same_as_itself_and_in_the_other_dialect() {
    let mut met: HashMap<_, Document> = HashMap::new();
    for vector in vectors().filter(|vector| vector.refusal().is_none()) {
        let document = read(&vector.bytes);
        assert!(same(&document, &read(&vector.bytes)), "{}", vector.name);
        // By hand are some with one name that say different things.
        if !vector.name.starts_with("hand-") {
            let before = met.entry(vector.name).or_insert_with(|| document.clone());
            assert!(same(&document, before), "{}", vector.name);
        }
    }
}

#[test]
fn what_perl_freezes_with_another_order_of_keys_is_the_same() {
    let [one, other] = [11, 77].map(|seed| again::run(&["cases"], seed, &[]));
    assert_eq!(one.len(), other.len());
    let (mut read_by_us, mut reordered) = (0, 0);
    for (one, other) in one.iter().zip(&other) {
        let hex = |line: &str| from_hex(line.rsplit('\t').next().unwrap());
        let (bytes, bytes_there) = (hex(one), hex(other));
        if let Ok(document) = Document::decode_with(&bytes, limits()) {
            assert!(same(&document, &read(&bytes_there)), "{one:.100}");
            read_by_us += 1;
            reordered += usize::from(bytes != bytes_there);
        }
    }
    assert!(
        read_by_us > 400 && reordered > 20,
        "{read_by_us}, {reordered}"
    );
}

/// What Perl itself does not bring back: the restriction of an empty hash, and code as it stood.
const CHANGED_BY_PERL: [&str; 7] = [
    "restricted-empty",
    "blessed-code",
    "code",
    "code-in-hash",
    "code-shared",
    "code-utf8",
    "code-long",
];

#[test]
fn what_perl_thaws_and_freezes_again_is_the_same() {
    let fit: Vec<_> = vectors()
        .filter(|vector| vector.refusal().is_none() && !vector.dialect.ends_with("file"))
        .collect();
    let lines: Vec<_> = fit
        .iter()
        .map(|vector| crate::perl::to_hex(&vector.bytes))
        .collect();
    let answers = again::run(&["again"], 1, &lines);
    assert_eq!(answers.len(), fit.len());
    let (mut thawed, mut changed) = (0, Vec::new());
    for (vector, answer) in fit.iter().zip(answers) {
        let Some(hex) = answer.strip_prefix("ok ") else {
            continue;
        };
        thawed += 1;
        if !same(&read(&vector.bytes), &read(&from_hex(hex))) {
            changed.push(vector.name);
        }
    }
    assert!(thawed > 400, "{thawed}");
    changed.dedup();
    assert_eq!(changed, CHANGED_BY_PERL);
}

/// Expressions of Perl's, evaluated by `CasePad.pm`, that make the same.
const SAME: &[(&str, &str)] = &[
    // The order of keys is another where one has room for more.
    (
        "{a => 1, b => 2, c => 3}",
        "do { my %h; keys(%h) = 4096; @h{qw(c b a)} = (3, 2, 1); \\%h }",
    ),
    ("[\"\\xe9\", 'plain']", "[wide(\"\\xe9\"), wide('plain')]"),
    (
        "{\"\\xe9\" => 1, plain => 2}",
        "{wide(\"\\xe9\") => 1, wide('plain') => 2}",
    ),
    ("[5, -7, 0]", "['5', '-7', '0']"),
    (
        "[1.5, 0.1 + 0.2, 1e300, 1e-5]",
        "['1.5', '0.3', '1e+300', '1e-05']",
    ),
    ("[9**9**9, -9**9**9]", "['Inf', '-Inf']"),
    (
        "[double('7ff8000000000000')]",
        "[double('7ff8000000000001')]",
    ),
    ("[double('7ff8000000000000')]", "['NaN']"),
    ("alias_element([], 0, \\!!1)", "[1]"),
    ("alias_element([], 0, \\!!1)", "['1']"),
    ("alias_element([], 0, \\!!0)", "['']"),
    ("do { my @a; $a[1] = 1; \\@a }", "[undef, 1]"),
    ("alias_value({}, 'k', \\undef)", "{k => undef}"),
    ("locked({a => 1}, 'b')", "locked({a => 1})"),
    ("HookHash->new('x', [1])", "HookHash->new('x', ['1'])"),
    ("[vstring(1, 22)]", "[eval 'v01.22']"),
    (
        "[tied_key(tied_hash('TieToHash'), 'k')]",
        "[tied_key(tied_hash('TieToHash'), wide('k'))]",
    ),
];

/// Expressions that do not.
const DIFFERENT: &[(&str, &str)] = &[
    ("[1, 2]", "[2, 1]"),
    ("[1]", "[1, undef]"),
    ("{a => 1}", "{a => 1, b => undef}"),
    ("{a => 1}", "{b => 1}"),
    ("{a => 1}", "{a => 2}"),
    ("{\"\\xc3\\xa9\" => 1}", "{\"\\xe9\" => 1}"),
    ("{\"\\xc3\\xa9\" => 1}", "{wide(\"\\xe9\") => 1}"),
    ("['a']", "['A']"),
    ("[\"\\xc3\\xa9\"]", "[\"\\xe9\"]"),
    ("[\"\\xc3\\xa9\"]", "[wide(\"\\xe9\")]"),
    ("[\"\\xe2\\x98\\xba\"]", "[\"\\x{263a}\"]"),
    ("[5]", "[6]"),
    ("[5]", "['5.0']"),
    ("[5]", "[' 5']"),
    ("[5]", "[5.5]"),
    ("[1.5]", "['1.50']"),
    ("[0.1 + 0.2]", "[0.3]"),
    ("[9**9**9]", "[-9**9**9]"),
    ("[undef]", "['']"),
    ("[undef]", "[0]"),
    ("['']", "[0]"),
    ("[undef]", "[]"),
    ("[alias_element([], 0, \\!!0)]", "[0]"),
    ("alias_element([], 0, \\!!0)", "[undef]"),
    ("[]", "{}"),
    ("[[]]", "[\\[]]"),
    ("[\\1]", "[1]"),
    ("bless({}, 'A')", "{}"),
    ("bless({}, 'A')", "bless({}, 'B')"),
    ("bless(\\(my $x = 1), 'A')", "\\(my $x = 1)"),
    (
        "do { my $x = []; my $y = [$x, $x]; weak(\\$y->[1]); $y }",
        "do { my $x = []; [$x, $x] }",
    ),
    ("locked({a => 1})", "{a => 1}"),
    ("frozen_solid({a => 1})", "locked({a => 1})"),
    ("[sub { 1 }]", "[sub { 2 }]"),
    ("[qr/a/]", "[qr/b/]"),
    ("[qr/a/]", "[qr/a/i]"),
    ("[vstring(1, 22)]", "[vstring(1, 23)]"),
    ("[vstring(1, 22)]", "['' . vstring(1, 22)]"),
    (
        "tied_hash('TieToHash', a => 1)",
        "tied_hash('TieToHash', a => 2)",
    ),
    ("tied_hash('TieToHash', a => 1)", "{a => 1}"),
    (
        "tied_key(tied_hash('TieToHash'), 'a')",
        "tied_key(tied_hash('TieToHash'), 'b')",
    ),
    (
        "tied_index(tied_array('TieToArray', 1, 2), 0)",
        "tied_index(tied_array('TieToArray', 1, 2), 1)",
    ),
    ("HookHash->new('x')", "HookHash->new('y')"),
    ("HookHash->new('x')", "HookHash::Child->new('x')"),
    ("HookHash->new('x', [1])", "HookHash->new('x', [2])"),
    ("HookHash->new('x', [1])", "HookHash->new('x', [1], [1])"),
    // One variable in two places, or two.
    ("do { my $x = []; [$x, $x] }", "[[], []]"),
    (
        "do { my ($x, $y) = ([], []); [$x, $x, $y] }",
        "do { my ($x, $y) = ([], []); [$x, $y, $y] }",
    ),
    (
        "do { my ($x, $y) = ([], []); [$x, $y, $x, $y] }",
        "do { my ($x, $y) = ([], []); [$x, $y, $y, $x] }",
    ),
    (
        "do { my $x = 1; [\\$x, \\$x] }",
        "do { my ($x, $y) = (1, 1); [\\$x, \\$y] }",
    ),
    (
        "do { my $x; my $y = []; alias_element($y, $_, \\$x) for 0, 1; $y }",
        "[undef, undef]",
    ),
    ("self_array()", "do { my $x = self_array(); [1, $x] }"),
    (
        "do { my $x = HookHash->new('x'); [$x, $x] }",
        "[HookHash->new('x'), HookHash->new('x')]",
    ),
];

#[test]
fn what_counts_for_a_perl_program_is_told_from_what_does_not() {
    for (table, expected) in [(SAME, true), (DIFFERENT, false)] {
        let (one, other): (Vec<_>, Vec<_>) = table.iter().copied().unzip();
        let (frozen, frozen_there) = (again::frozen(&one), again::frozen(&other));
        for (at, (bytes, there)) in frozen.iter().zip(&frozen_there).enumerate() {
            let (one, other) = table[at];
            assert_ne!(bytes, there, "{one} and {other} say nothing");
            assert_eq!(same(&read(bytes), &read(there)), expected, "{one} {other}");
        }
    }
}

/// What this Perl does not write, or not on demand: items in native order.
const BY_HAND: &[(&str, &str, bool)] = &[
    // Undefined: a hole, an element that is there, a variable.
    ("02 01000000 0e", "02 01000000 1f", true),
    ("02 01000000 0e", "02 01000000 05", true),
    ("02 01000000 1f", "02 01000000 05", true),
    ("02 01000000 0e", "02 01000000 0a00", false),
    // A hole is no variable: one that is in two places is not two holes.
    ("02 02000000 0e 0e", "02 02000000 05 05", true),
    ("02 02000000 0e 0e", "02 02000000 05 00 00000001", false),
    ("02 02000000 0e 00 00000001", "02 02000000 0e 0e", true),
    ("02 02000000 0e 00 00000001", "02 02000000 05 05", true),
    (
        "02 03000000 0e 05 05",
        "02 03000000 05 00 00000001 05",
        false,
    ),
    // Booleans: true is 1, false is "".
    ("22", "0881", true),
    ("22", "0a0131", true),
    ("22", "0e", false),
    ("22", "23", false),
    ("22", "0882", false),
    ("23", "0a00", true),
    ("23", "0880", false),
    ("23", "05", false),
    ("23", "10", true),
    ("22", "0f", true),
    // Perl has one yes, however often it is written.
    ("02 02000000 0f 00 00000001", "02 02000000 0f 0f", true),
    ("02 02000000 0f 0f", "02 02000000 0a0131 00 00000001", true),
    ("02 02000000 0f 0f", "02 02000000 0a0131 0a0131", false),
    ("02 02000000 10 10", "02 02000000 0a00 0a00", false),
    ("02 02000000 10 0f", "02 02000000 0a00 0a0131", true),
    // Doubles that are integers: 5, 10^15, 2^53 and 2^53+1, 2^63 and the largest integer.
    ("07 0000000000001440", "0885", true),
    ("07 0000000000001440", "0a0135", true),
    ("07 00003426f56b0c43", "06 0080c6a47e8d0300", true),
    ("07 0000000000004043", "06 0000000000002000", true),
    ("07 0000000000004043", "06 0100000000002000", false),
    ("07 000000000000e043", "06 ffffffffffffff7f", false),
    ("07 000000000000f07f", "06 ffffffffffffff7f", false),
    ("07 000000000000f87f", "0880", false),
    // Zero with a sign, also as Perl prints it.
    ("07 0000000000000080", "07 0000000000000000", true),
    ("07 0000000000000080", "0880", true),
    ("07 0000000000000080", "0a0130", true),
    // 0.1 and the next double, which prints the same.
    ("07 9a9999999999b93f", "07 9b9999999999b93f", false),
    ("07 9a9999999999b93f", "0a03 302e31", true),
    ("07 9b9999999999b93f", "0a03 302e31", true),
    // Marked as overloaded, or weak.
    ("02 01000000 04 0881", "02 01000000 14 0881", true),
    ("02 01000000 1b 0881", "02 01000000 1c 0881", true),
    ("02 01000000 14 0881", "02 01000000 1c 0881", false),
    // Keys: \xe9 as Latin-1, as Latin-1 that was UTF-8, and as UTF-8; only C3 A9 is another.
    (
        "03 01000000 0881 01000000 e9",
        "19 00 01000000 0881 02 01000000 e9",
        true,
    ),
    (
        "03 01000000 0881 01000000 e9",
        "19 00 01000000 0881 01 02000000 c3a9",
        true,
    ),
    (
        "03 01000000 0881 02000000 c3a9",
        "19 00 01000000 0881 01 02000000 c3a9",
        false,
    ),
    (
        "03 01000000 0881 02000000 c3a9",
        "19 00 01000000 0881 02 01000000 e9",
        false,
    ),
    // A lock, where the hash is restricted and where it is not.
    (
        "19 01 01000000 0881 04 01000000 61",
        "19 01 01000000 0881 00 01000000 61",
        false,
    ),
    (
        "19 00 01000000 0881 04 01000000 61",
        "19 00 01000000 0881 00 01000000 61",
        true,
    ),
    ("19 01 00000000", "03 00000000", false),
    // A key that is only allowed is none, with an undefined value it is one.
    ("19 00 01000000 0e 10 01000000 61", "03 00000000", true),
    (
        "19 01 01000000 0e 14 01000000 61",
        "19 01 01000000 0e 04 01000000 61",
        false,
    ),
    // Of a key that stands twice the last counts.
    (
        "03 02000000 0882 01000000 61 0881 01000000 61",
        "03 01000000 0881 01000000 61",
        true,
    ),
    (
        "03 02000000 0881 01000000 61 0882 01000000 61",
        "03 01000000 0881 01000000 61",
        false,
    ),
    (
        "03 02000000 0881 01000000 61 0881 01000000 61",
        "03 02000000 0881 01000000 61 0881 01000000 62",
        false,
    ),
    // What a hook is, and what it is tied to.
    ("13 00 01 43 01 78 ", "13 01 01 43 01 78", false),
    (
        "13 03 04 01 43 01 78 03 00000000",
        "13 03 05 01 43 01 78 03 00000000",
        false,
    ),
    (
        "13 03 04 01 43 01 78 03 00000000",
        "13 03 04 01 43 01 78 02 00000000",
        false,
    ),
    (
        "13 03 04 01 43 01 78 03 00000000",
        "13 03 04 01 43 01 78 19 00 00000000",
        true,
    ),
    // Tied: an array, a hash, a scalar, an element with an index, one with a key.
    ("0b 0881", "0c 0881", false),
    ("0c 0881", "0d 0881", false),
    ("0c 0881", "0c 0a0131", true),
    ("16 0881 00000001", "16 0881 00000002", false),
    ("15 0881 0885", "15 0881 0a0135", true),
    ("15 0881 0885", "16 0881 00000005", false),
    // A version string: what it is counts, and how it stood in the source does not.
    ("1d 01 61 0a 01 01", "1d 01 62 0a 01 01", true),
    ("1d 01 61 0a 01 e9", "1d 01 61 17 02 c3a9", true),
    ("1d 01 61 0a 01 01", "1d 01 61 0a 01 02", false),
    ("1d 01 61 0a 01 01", "0a 01 01", false),
    // Code by its characters.
    ("1a 0a 01 e9", "1a 17 02 c3a9", true),
    ("1a 0a 01 e9", "1a 0a 01 e8", false),
];

#[test]
fn what_perl_seldom_writes_is_told_apart_by_the_same_rules() {
    let native = |items: &str| {
        let header = "040c083132333435363738040808 08";
        read(&from_hex(&[header, items].concat().replace(' ', "")))
    };
    for (one, other, expected) in BY_HAND {
        assert_eq!(
            same(&native(one), &native(other)),
            *expected,
            "{one}, {other}"
        );
    }
}

#[test]
fn parts_of_documents_are_compared_without_the_rest() {
    // `a` and `b` are one variable, which counts only where both are compared.
    let one =
        Document::decode(b"\x05\x0b\x03\0\0\0\x02\x0a\x01x\0\0\0\x01a\0\0\0\0\x01\0\0\0\x01b");
    let one = one.unwrap();
    let other = Document::of(&["x", "y"]).unwrap();
    let Kind::Array(array) = other.root().kind() else {
        panic!()
    };
    let (x, y) = (array.get(0).unwrap(), array.get(1).unwrap());
    for key in ["a", "b"] {
        assert!(one.root().get(key).unwrap().same(x));
        assert!(!one.root().get(key).unwrap().same(y));
    }
    assert!(!one.root().same(x));
    assert!(
        one.root()
            .get("a")
            .unwrap()
            .same(one.root().get("b").unwrap())
    );
}

/// Runs a test where there is little stack, so that recursion would show.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(256 * 1024);
    thread.spawn(test).unwrap().join().unwrap();
}

fn unlimited(bytes: &[u8]) -> Document {
    let limits = Limits {
        size: usize::MAX,
        depth: usize::MAX,
        nodes: usize::MAX,
        classes: usize::MAX,
    };
    Document::decode_with(bytes, limits).unwrap()
}

/// An array of references to arrays, each of which has `width` references to the one before it.
fn chain(len: u32, width: u32, end: &[u8]) -> Document {
    let mut bytes = b"\x05\x0b\x02".to_vec();
    bytes.extend((len + 1).to_be_bytes());
    bytes.extend(b"\x04\x02\0\0\0\x01");
    bytes.extend(end);
    let mut before = 2_u32;
    for _ in 0..len {
        bytes.extend(b"\x04\x02");
        bytes.extend(width.to_be_bytes());
        for _ in 0..width {
            bytes.extend(b"\x04\0");
            bytes.extend(before.to_be_bytes());
        }
        before += if before == 2 { 3 } else { 2 + width };
    }
    unlimited(&bytes)
}

#[test]
fn depth_and_sharing_cost_neither_stack_nor_time() {
    on_a_small_stack(|| {
        // As deep as it is long, though nothing stands in much else; and doubled at each step.
        for (len, width) in [(100_000, 1), (5_000, 2)] {
            let one = chain(len, width, b"\x08\x81");
            assert!(same(&one, &chain(len, width, b"\x0a\x011")));
            assert!(!same(&one, &chain(len, width, b"\x0a\x012")));
        }
        for (open, close) in [
            (&b"\x04"[..], &b""[..]),
            (b"\x02\0\0\0\x01", b""),
            (b"\x03\0\0\0\x01", b"\0\0\0\x01k"),
            (b"\x0c", b""),
        ] {
            let deep = |end: &[u8]| {
                let parts = [b"\x05\x0b", &open.repeat(250)[..], end, &close.repeat(250)];
                unlimited(&parts.concat())
            };
            assert!(same(&deep(b"\x08\x81"), &deep(b"\x0a\x011")));
            assert!(!same(&deep(b"\x08\x81"), &deep(b"\x08\x82")));
        }
    });
}

#[test]
fn a_large_hash_is_not_looked_through_for_every_key() {
    let hash = |keys: &mut dyn Iterator<Item = u32>| {
        let keys: Vec<_> = keys.collect();
        let mut bytes = b"\x05\x0b\x03".to_vec();
        bytes.extend((keys.len() as u32).to_be_bytes());
        for key in keys {
            bytes.extend(b"\x05\0\0\0\x04");
            bytes.extend(key.to_be_bytes());
        }
        unlimited(&bytes)
    };
    // By comparing each with each this would take minutes.
    let count = 50_000;
    let one = hash(&mut (0..count));
    assert!(same(&one, &hash(&mut (0..count).rev())));
    assert!(!same(&one, &hash(&mut (1..=count))));
}
