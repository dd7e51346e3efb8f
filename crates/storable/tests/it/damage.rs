//! Every vector cut short at every place, and with every byte changed to every value: an answer,
//! never a panic, and what is read can be written and read again.

use storable::{Document, Limits};

use crate::perl;
use crate::rendering::render;
use crate::vectors::{limits, vectors};

#[test]
fn r38_every_truncation_is_an_error() {
    for vector in vectors() {
        for len in 0..vector.bytes.len() {
            let error = Document::decode_with(&vector.bytes[..len], limits())
                .expect_err(&format!("{} cut to {len} bytes", vector.name));
            assert!(error.offset().unwrap() <= len);
        }
    }
}

#[test]
fn r38_every_change_of_a_byte_gives_an_answer_that_can_be_written() {
    // In the short form the longer ones have two bits of each byte changed, not all values.
    let longest = perl::short_or_long(200, 3_000);
    let (mut read, mut refused) = (0, 0);
    for vector in vectors() {
        let whole = vector.bytes.len() <= longest;
        let mut bytes = vector.bytes.clone();
        for at in 0..bytes.len() {
            let old = bytes[at];
            let new = |new: &u8| *new != old && (whole || matches!(*new ^ old, 1 | 0x80));
            for new in (0..=255).filter(new) {
                bytes[at] = new;
                match Document::decode_with(&bytes, limits()) {
                    Err(error) => {
                        refused += 1;
                        assert!(error.offset().is_none_or(|offset| offset <= bytes.len()));
                    }
                    Ok(document) => {
                        read += 1;
                        again(&document, limits());
                    }
                }
            }
            bytes[at] = old;
        }
    }
    println!("{read} read, {refused} refused");
    assert!(read > 100_000 && refused > 100_000);
}

#[test]
fn r38_bytes_after_the_end_are_an_error() {
    for vector in vectors().filter(|vector| vector.refusal().is_none()) {
        let mut bytes = vector.bytes;
        bytes.push(5);
        let error = Document::decode_with(&bytes, limits()).unwrap_err();
        assert!(error.is_malformed(), "{error}");
        assert_eq!(error.offset(), Some(bytes.len() - 1));
    }
}

/// Writes what was read, and reads it once more.
fn again(document: &Document, limits: Limits) {
    let encoded = document.encode().unwrap();
    let again = Document::decode_with(&encoded, limits)
        .unwrap_or_else(|error| panic!("{error}: {}", perl::to_hex(&encoded)));
    // The text of both is compared where it is cheap: a change of one byte changes one node.
    if encoded.len() < 200 {
        assert_eq!(render(document), render(&again));
    }
}
