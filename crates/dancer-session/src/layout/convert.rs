//! Entries of one layout as those of the other. What the other can't hold is refused by its name,
//! so that nothing is lost without a word.

use std::collections::HashSet;

use serde_json::Value as Json;
use storable::{Document, Hash, Kind, Limits, Node, NodeId};

use super::{Codec, Entries, Value};
use crate::{Error, Layout};

/// The entries as the layout of `codec` has them.
pub(super) fn entries(entries: &Entries, codec: &Codec) -> Result<Entries, Error> {
    if entries.layout() == codec.layout {
        return Ok(entries.clone());
    }
    let mut converted = codec.empty();
    let mut met = HashSet::new();
    if matches!(entries, Entries::Perl(from) if !from.are_named()) {
        return Err(Error::refused(
            "the session has a key that is no text, or one twice: change or remove it first",
        ));
    }
    for name in entries.names() {
        let refused = |reason: &str| {
            Error::refused(format!(
                "entry {name:?} can't be converted: {reason}; change or remove it first"
            ))
        };
        let json = match entries {
            Entries::Json(from) => {
                let text = from.text_of(&name).unwrap_or_default();
                if has_large_integer(text) {
                    return Err(refused("it has an integer that Perl does not have"));
                }
                serde_json::from_slice(text).map_err(|_| refused("it is damaged"))?
            }
            Entries::Perl(from) => {
                let Some((document, id)) = from.find(&name) else {
                    continue;
                };
                let node = document.node(id).map_err(|_| refused("it is damaged"))?;
                fits_json(node, &mut met).map_err(|reason| refused(&reason))?;
                node.to::<Json>()
                    .map_err(|error| refused(&error.to_string()))?
            }
        };
        let value = Value::encode(codec.layout, &name, &json)?;
        if let Value::Perl(value) = &value {
            fits_a_hash(value).map_err(|error| refused(&error.to_string()))?;
        }
        converted.set(&name, value)?;
    }
    Ok(converted)
}

/// One value of Perl's as the entry `name` of a layout.
pub(super) fn value(layout: Layout, name: &str, node: Node<'_>) -> Result<Value, Error> {
    let refused = |reason: String| {
        Error::refused(format!(
            "entry {name:?} can't be stored as JSON: {reason}; change or remove it first"
        ))
    };
    fits_json(node, &mut HashSet::new()).map_err(refused)?;
    let json: Json = node.to().map_err(|error| refused(error.to_string()))?;
    Value::encode(layout, name, &json)
}

/// Whether JSON says all that this value is. `met` has what stood elsewhere in the session.
fn fits_json(root: Node<'_>, met: &mut HashSet<NodeId>) -> Result<(), String> {
    let mut left = vec![root];
    while let Some(node) = left.pop() {
        if !met.insert(node.id()) {
            return Err("it shares a value with another place".into());
        }
        match node.class() {
            // A boolean of Perl's JSON modules reads as the 1 or 0 that it is.
            None | Some("JSON::PP::Boolean") => {}
            Some(class) => return Err(format!("it has an object of class {class}")),
        }
        match node.kind() {
            Kind::Undef | Kind::Hole | Kind::ElementUndef | Kind::Integer(_) | Kind::Utf8(_) => {}
            Kind::Yes | Kind::No | Kind::True | Kind::False => {}
            Kind::Double(number) if number.is_finite() => {}
            Kind::Bytes(bytes) if std::str::from_utf8(bytes).is_ok() => {}
            Kind::Reference {
                to, weak: false, ..
            } => left.push(to),
            Kind::Array(array) => left.extend(array.iter()),
            Kind::Hash(hash) if !hash.is_restricted() => {
                fit_keys(&hash)?;
                left.extend(hash.iter().map(|entry| entry.value()));
            }
            Kind::Double(_) => return Err("it has a number that is none".into()),
            Kind::Bytes(_) => return Err("it has bytes that are no text".into()),
            other => return Err(format!("it has {other:?}")),
        }
    }
    Ok(())
}

/// Whether there is room for it in a session: that is one hash, and a reference, deeper.
fn fits_a_hash(value: &Document) -> Result<(), storable::Error> {
    let usual = Limits::default();
    let limits = Limits {
        size: usize::MAX,
        nodes: usize::MAX,
        depth: usual.depth - 2,
        ..usual
    };
    Document::decode_with(&value.encode()?, limits).map(drop)
}

/// JSON has one text for each key.
fn fit_keys(hash: &Hash<'_>) -> Result<(), String> {
    let mut names = HashSet::new();
    for entry in hash.iter() {
        let bytes = std::str::from_utf8(entry.key_bytes()).is_ok();
        match entry.key() {
            Ok(name) if bytes || entry.was_utf8() => {
                if !names.insert(name) {
                    return Err("it has a key twice, as bytes and as characters".into());
                }
            }
            _ => return Err("it has a key that is no text".into()),
        }
    }
    Ok(())
}

/// Whether a number without fraction and exponent is beyond 64 bits: read as a double, its last
/// digits would be lost.
fn has_large_integer(json: &[u8]) -> bool {
    let mut in_string = false;
    let mut escaped = false;
    let is_structure = |byte: &u8| {
        match *byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
        // What is in a string is no number either.
        in_string || !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
    };
    json.split(is_structure).any(|token| {
        let text = std::str::from_utf8(token).unwrap_or_default();
        let integer = !text.is_empty() && !text.contains(['.', 'e', 'E']);
        integer && text.parse::<i64>().is_err() && text.parse::<u64>().is_err()
    })
}
