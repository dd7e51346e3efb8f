//! What is read is written, read again, changed, and the second writing is the first.

#![no_main]

use libfuzzer_sys::fuzz_target;
use storable::{Document, Limits};

fuzz_target!(|input: &[u8]| {
    let limits = Limits {
        // A document that is read may be written a little larger, never twice as large.
        size: 2 * input.len() + 1024,
        ..Limits::default()
    };
    let Ok(mut document) = Document::decode_with(input, limits) else {
        return;
    };
    let first = document.encode().expect("what was read can be written");
    let again = Document::decode_with(&first, limits).expect("what was written can be read");
    assert_eq!(again.encode().expect("and written"), first);
    let root = document.root().id();
    if document.insert(root, "fuzzed", &[1, 2, 3]).is_ok() {
        let changed = match document.encode() {
            Ok(changed) => changed,
            // The hash may stand as deep as it can.
            Err(error) => return assert!(error.is_limit(), "{error}"),
        };
        let changed = Document::decode_with(&changed, limits).expect("it can be read");
        let fuzzed = changed.root().get("fuzzed").expect("it is there");
        assert_eq!(fuzzed.to::<[u8; 3]>().expect("it fits"), [1, 2, 3]);
    }
});
