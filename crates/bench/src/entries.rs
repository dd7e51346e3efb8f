//! What each session of the comparison holds: the same entries, whoever stores them.

use serde_json::{Value, json};

/// Numbers in entries begin here, so that all have seven digits and all payloads the same length.
pub(crate) const FIRST: u64 = 1_000_000;

/// What a payload of ours has around its entries.
const AROUND: &str = r#"{"k":"b7mCkQ3x","c":1790000000,"w":"q83vASNFZ4k","e":}"#;

/// The entries of the `nth` session, of which we make a payload of so many bytes.
pub(crate) fn entries(nth: usize, bytes: usize) -> Vec<(&'static str, Value)> {
    let with = |note: &str| {
        vec![
            ("number", json!(number(nth))),
            ("user", json!(format!("user-{}@example.com", number(nth)))),
            ("roles", json!(["customer", "reviewer"])),
            ("visits", json!(FIRST)),
            ("last", json!(FIRST)),
            ("csrf", json!("b1946ac92492d2347c6235b4d2611184")),
            ("note", json!(note)),
        ]
    };
    let plain = AROUND.len() + length(&with(""));
    let note = "The quick brown fox jumps over the lazy dog. ";
    let missing = bytes.checked_sub(plain).expect("a session is not so small");
    with(&note.repeat(missing / note.len() + 1)[..missing])
}

/// What the `nth` session has as its entry `number`: a reply with another one is a stranger's.
pub(crate) fn number(nth: usize) -> u64 {
    FIRST + nth as u64
}

/// How long these are as an object of JSON.
fn length(entries: &[(&'static str, Value)]) -> usize {
    let pairs = entries
        .iter()
        .map(|(name, value)| name.len() + value.to_string().len() + 4);
    pairs.sum::<usize>() + 1
}
