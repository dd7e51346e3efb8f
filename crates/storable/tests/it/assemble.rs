//! Objects from their parts: byte for byte what Perl freezes of the objects themselves.

use crate::again;

/// What Perl freezes of a hash as an object, and of its parts.
fn both(hashes: &[&str]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut expressions = Vec::new();
    for hash in hashes {
        expressions.push(format!("bless {hash}, 'My::Session'"));
        expressions.push(format!(
            "do {{ my $h = bless {hash}, 'My::Session'; sub {{ \\@_ }}->(values %$h, keys %$h, ref $h) }}"
        ));
    }
    let expressions: Vec<_> = expressions.iter().map(String::as_str).collect();
    let frozen = again::frozen(&expressions);
    let pairs = frozen.chunks_exact(2);
    pairs
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect()
}

const PLAIN: [&str; 13] = [
    "{}",
    "{a => 1}",
    "{a => undef, b => '', c => -1, d => 1.5, e => 'x' x 300, f => \"\\x{263a}\" x 200, g => 1e15}",
    "{user => {id => 42, roles => [qw(a b)]}, cart => {map { $_ => {n => $_} } 1 .. 9}, l => [[], {}, [[]]]}",
    // Shared by reference, also a value itself, and weak.
    "do { my $x = [1]; {a => $x, b => $x, c => {d => $x}} }",
    "do { my $g = {a => 1, b => 2}; $g->{c} = \\$g->{a}; $g->{d} = \\$g->{c}; $g }",
    "do { my $x = [1]; my $g = {a => $x, b => $x}; Scalar::Util::weaken($g->{a}); $g }",
    "do { my $x = []; push @$x, $x; {a => $x, b => \\\\'x'} }",
    // Keys in characters, among them those that fit into bytes.
    "{\"\\x{263a}\" => 1, b => 2, \"\\xe4\" => {\"\\x{263a}\" => 1}}",
    "do { my $k = \"\\xe4\\x{263a}\"; chop $k; +{$k => 1} }",
    "{a => {\"\\x{263a}\" => [1], b => 2}, c => 3}",
    "{map { (\"key $_\" => $_) } 1 .. 500}",
    "{'' => 1, a => !!1, b => !!0}",
];

#[test]
fn r43_an_object_is_assembled_as_perl_freezes_it() {
    for (hash, (object, parts)) in PLAIN.iter().zip(both(&PLAIN)) {
        let assembled = storable::assemble(&parts).unwrap();
        // Perl marks a key that would fit into bytes as such, and thaws both the same.
        let was = |bytes: &[u8]| bytes.windows(6).any(|part| part == b"\x02\x01\0\0\0\xe4");
        if was(&object) {
            assert_eq!(
                again::ask(&assembled, "join ' ', map ord, map { split // } %$root"),
                again::ask(&object, "join ' ', map ord, map { split // } %$root")
            );
            assert_eq!(again::ask(&assembled, "ref $root"), "My::Session");
        } else {
            assert_eq!(assembled, object, "{hash}");
        }
    }
}

const OTHERS: [&str; 7] = [
    "do { my $g = {}; $g->{self} = $g; $g }",
    "{a => bless([], 'Other')}",
    "{a => [bless({}, 'My::Session')]}",
    "{a => qr/x/}",
    "do { my $g = {a => 1}; tie $g->{a}, 'Tie::StdScalar'; $g }",
    "do { tie my @t, 'Tie::StdArray'; {a => \\@t} }",
    "{a => sub { 1 }}",
];

#[test]
fn r43_what_has_objects_within_is_left_to_perl() {
    let needed = "require Tie::Scalar; require Tie::Array; ";
    let others: Vec<_> = OTHERS
        .iter()
        .map(|other| format!("do {{ {needed}{other} }}"))
        .collect();
    let others: Vec<_> = others.iter().map(String::as_str).collect();
    for (other, (object, parts)) in OTHERS.iter().zip(both(&others)) {
        assert_eq!(storable::assemble(&parts), None, "{other}");
        // That of an object itself is no list of parts either.
        assert_eq!(storable::assemble(&object), None, "{other}");
    }
}

#[test]
fn r43_what_are_no_parts_of_an_object_is_refused() {
    let parts = b"\x05\x0b\x02\0\0\0\x03\x08\xa9\x0a\x01a\x0a\x01C";
    assert!(storable::assemble(parts).is_some());
    for cut in 0..parts.len() {
        assert_eq!(storable::assemble(&parts[..cut]), None, "to {cut}");
    }
    for others in [
        &b"\x05\x0b\x02\0\0\0\x03\x08\xa9\x0a\x01a\x0a\x01C\0"[..],
        b"\x05\x0b\x02\0\0\0\x02\x08\xa9\x0a\x01a",
        b"\x05\x0b\x02\0\0\0\x03\x08\xa9\x08\xa9\x0a\x01C",
        b"\x05\x0b\x02\xff\xff\xff\xff\x08\xa9\x0a\x01a\x0a\x01C",
        b"\x05\x0b\x02\0\0\0\0",
        b"\x05\x0b\x03\0\0\0\0",
    ] {
        assert_eq!(storable::assemble(others), None, "{others:?}");
    }
}
