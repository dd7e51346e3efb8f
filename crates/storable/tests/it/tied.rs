//! Whether anything in a document is tied.

use storable::Document;

use crate::again;
use crate::vectors::{limits, vectors};

fn frozen(expression: &str) -> Document {
    Document::decode(&again::frozen(&[expression])[0]).unwrap()
}

#[test]
fn what_is_tied_is_noticed_wherever_it_is() {
    let mut tied = 0;
    for vector in vectors().filter(|vector| vector.refusal().is_none()) {
        let document = Document::decode_with(&vector.bytes, limits()).unwrap();
        let named = vector.name.starts_with("tied-") || vector.name.starts_with("hook-tied-");
        assert_eq!(document.has_tied(), named, "{}", vector.name);
        tied += usize::from(named);
    }
    assert!(tied > 20, "{tied}");
    for within in [
        "{k => [\\tied_hash('TieToHash')]}",
        "HookHash->new('x', tied_array('TieToArray'))",
        "do { my $x = [tied_hash('TieToHash')]; push @$x, $x; $x }",
    ] {
        assert!(frozen(within).has_tied(), "{within}");
    }
    let mut document = frozen("{t => tied_hash('TieToHash'), u => 1}");
    let root = document.root().id();
    document.remove(root, "t").unwrap();
    assert!(!document.has_tied());
}
