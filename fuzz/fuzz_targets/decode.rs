//! Any bytes: a document or an error, and a tree of it or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use storable::{Document, Value};

fuzz_target!(|input: &[u8]| {
    if let Ok(document) = Document::decode(input) {
        // Whether it fits a tree does not matter, only that there is an answer.
        drop(document.root().to::<Value>());
    }
});
