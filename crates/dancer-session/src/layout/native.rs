//! The native layout: a payload is one line of JSON that any tool can read.
//!
//! ```json
//! {"k":"b7mCkQ3x","c":1790000000,"w":"q83vASNFZ4k","e":{"user":"anna","visits":3}}
//! {"k":"b7mCkQ3x","c":1790000000,"w":"q83vASNFZ4k","o":["user:42","Firefox",1790000000,"u3Rd91xQz0pA"],"e":{}}
//! {"k":"b7mCkQ3x","x":1790000030,"w":"3q2-796tvu8"}
//! ```
//!
//! `k` the first characters of the key's name, so that a payload
//! is never taken for that of another session · `c` when the session was created · `x` when the
//! stub ends (a payload has `c` and `e`, or `x`) · `w` the mark of the flush that wrote it · `o` whose
//! session it is, what it is called in the owner's list, since when, and its handle · `e` the entries.
//! Times in seconds since 1970. Another format than this one, the first, will have its number in `v`,
//! in front. Names are short because every session pays for them in the server's memory.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use super::json::{JsonEntries, RawEntries};
use super::room::in_room;
use super::scan::Scan;
use super::{Content, Document, Entries, Key, Stub};
use crate::id::{Mark, encode as base64url};
use crate::lifetime::Moment;
use crate::owner::{Owned, OwnedParts};

const VERSION: u32 = 1;

/// Whether this is the payload that this layout has for the id of a key, whatever the layout of the
/// key. What has another id is a stranger's.
pub(super) fn recognises(key: &Key, payload: &[u8]) -> bool {
    name(payload).is_some_and(|name| name == key.fingerprint().as_str().as_bytes())
}

/// Whether this is a payload of this layout, but for the id of another key.
pub(super) fn is_of_another(key: &Key, payload: &[u8]) -> bool {
    name(payload).is_some_and(|name| name != key.fingerprint().as_str().as_bytes())
}

/// The beginning of the name of the key that a payload says it is of.
fn name(payload: &[u8]) -> Option<&[u8]> {
    let mut scan = Scan::of(payload);
    begin(&mut scan)?;
    Some(unquoted(scan.string()?))
}

/// Passes what is in front of the name.
fn begin(scan: &mut Scan<'_>) -> Option<()> {
    scan.pass(b"{")?;
    // The first payloads had the number of their format.
    let _ = scan.pass(b"\"v\":1,");
    scan.pass(b"\"k\":")
}

pub(super) fn encode(key: &Key, document: &Document, entries: &JsonEntries) -> Bytes {
    in_room(|out| {
        // More or less.
        out.reserve(entries.read_len());
        head(out, key);
        number(out, b",\"c\":", document.created);
        mark(out, document.mark);
        if let Some(owned) = &document.owned {
            out.extend_from_slice(b",\"o\":");
            out.extend_from_slice(owned.to_json().as_bytes());
        }
        out.extend_from_slice(b",\"e\":");
        entries.encode(out);
        out.push(b'}');
        Bytes::copy_from_slice(out)
    })
}

pub(super) fn encode_stub(key: &Key, stub: Stub) -> Bytes {
    in_room(|out| {
        head(out, key);
        number(out, b",\"x\":", stub.ends);
        mark(out, stub.mark);
        out.push(b'}');
        Bytes::copy_from_slice(out)
    })
}

/// Reads a payload that should be that of `key`; the error says in words what it is instead.
pub(super) fn decode(key: &Key, payload: &Bytes) -> Result<Content, String> {
    let text = std::str::from_utf8(payload)
        .map_err(|error| format!("is damaged at byte {}", error.valid_up_to()))?;
    if let Some(document) = as_written(key, payload) {
        return Ok(Content::Session(document));
    }
    let wire: Wire<'_> = serde_json::from_str(text).map_err(|error| diagnosis(text, &error))?;
    if wire.v != VERSION {
        return Err(newer(wire.v));
    }
    if wire.k != key.fingerprint().as_str() {
        return Err("belongs to another key".into());
    }
    let mark = Mark::from_text(wire.w.as_bytes()).ok_or("is damaged: it has no proper mark")?;
    let owned = wire.o.map(Owned::try_from).transpose();
    let owned = owned.map_err(|_| "is damaged: it has no proper owner")?;
    match (wire.c, wire.x, wire.e) {
        (Some(created), None, Some(raw)) => Ok(Content::Session(Document {
            created: Moment::from_seconds(created),
            dated: true,
            mark,
            owned: owned.map(Arc::new),
            entries: Entries::Json(Arc::new(JsonEntries::within(payload, &raw))),
        })),
        (None, Some(ends), None) => Ok(Content::Stub(Stub {
            ends: Moment::from_seconds(ends),
            mark,
        })),
        _ => Err("is damaged: it is neither a session nor a stub".into()),
    }
}

/// Reads a session that is, byte for byte, as [`encode`] writes it. Other tools may have put spaces
/// into it, or the fields in another order: whatever this leaves to [`decode`].
fn as_written(key: &Key, payload: &Bytes) -> Option<Document> {
    let mut scan = Scan::of(payload);
    begin(&mut scan)?;
    if unquoted(scan.string()?) != key.fingerprint().as_str().as_bytes() {
        return None;
    }
    scan.pass(b",\"c\":")?;
    let created = Moment::from_seconds(scan.whole()?);
    scan.pass(b",\"w\":")?;
    let mark = Mark::from_text(unquoted(scan.string()?))?;
    let owned = match scan.pass(b",\"o\":") {
        None => None,
        Some(()) => {
            let parts: OwnedParts = serde_json::from_slice(scan.value()?).ok()?;
            Some(Arc::new(Owned::try_from(parts).ok()?))
        }
    };
    scan.pass(b",\"e\":")?;
    let entries = JsonEntries::scanned(payload, &mut scan)?;
    scan.pass(b"}")?;
    scan.is_at_end().then(|| Document {
        created,
        dated: true,
        mark,
        owned,
        entries: Entries::Json(Arc::new(entries)),
    })
}

fn unquoted(string: &[u8]) -> &[u8] {
    &string[1..string.len() - 1]
}

/// A field that this version doesn't know would be lost at the next flush: better not to read it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(default = "first")]
    v: u32,
    k: &'a str,
    c: Option<u64>,
    x: Option<u64>,
    w: &'a str,
    o: Option<OwnedParts>,
    #[serde(borrow)]
    e: Option<RawEntries<'a>>,
}

/// What a payload has that says nothing of it.
fn first() -> u32 {
    VERSION
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// What is wrong, by position only: the text of the JSON library's errors quotes values.
fn diagnosis(text: &str, error: &serde_json::Error) -> String {
    match serde_json::from_str::<Version>(text) {
        Ok(Version { v }) if v > VERSION => newer(v),
        _ => format!(
            "is damaged at line {}, column {}",
            error.line(),
            error.column()
        ),
    }
}

fn newer(version: u32) -> String {
    format!("was written by another version (format {version}; this one reads {VERSION})")
}

fn head(out: &mut Vec<u8>, key: &Key) {
    out.extend_from_slice(b"{\"k\":\"");
    out.extend_from_slice(key.fingerprint().as_str().as_bytes());
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, name: &[u8], moment: Moment) {
    out.extend_from_slice(name);
    // Into memory: nothing can fail.
    let _ = write!(out, "{}", moment.seconds());
}

fn mark(out: &mut Vec<u8>, mark: Mark) {
    let mut text = [0; Mark::CHARS];
    base64url(&mark.0, &mut text);
    out.extend_from_slice(b",\"w\":\"");
    out.extend_from_slice(&text);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Layout;
    use crate::id::SessionId;

    /// Whether it lies in the key itself, or apart from it.
    #[test]
    fn a_key_is_its_prefix_and_its_hash() {
        let id = SessionId::parse(&"A".repeat(43), Layout::Native).unwrap();
        let hash = Key::native("", &id).as_str().to_owned();
        assert_eq!(hash.len(), 22);
        for length in 1..=64 {
            let prefix = "p".repeat(length);
            let key = Key::native(&prefix, &id);
            assert_eq!(key.as_str(), format!("{prefix}{hash}"));
            assert_eq!(key.clone().as_str(), key.as_str());
            assert_eq!(key.fingerprint(), id.fingerprint());
        }
    }

    /// With the number of the first format, as the first payloads had it, and without.
    #[test]
    fn r34_whose_a_payload_is_is_seen_in_both_forms() {
        let key = |text: &str| Key::native("s:", &SessionId::parse(text, Layout::Native).unwrap());
        let (ours, others) = (key(&"A".repeat(43)), key(&format!("{}A", "B".repeat(42))));
        let name = ours.fingerprint();
        for number in ["", "\"v\":1,"] {
            let payload = format!(
                r#"{{{number}"k":"{name}","c":1790000000,"w":"q83vASNFZ4k","e":{{"n":1}}}}"#
            );
            let payload = Bytes::from(payload);
            assert!(recognises(&ours, &payload), "{payload:?}");
            assert!(!is_of_another(&ours, &payload), "{payload:?}");
            assert!(!recognises(&others, &payload), "{payload:?}");
            assert!(is_of_another(&others, &payload), "{payload:?}");
            assert!(as_written(&ours, &payload).is_some(), "{payload:?}");
            assert!(matches!(decode(&ours, &payload), Ok(Content::Session(_))));
            assert!(decode(&others, &payload).is_err(), "{payload:?}");
        }
        assert!(!is_of_another(&ours, b"{\"e\":{}}"));
    }
}
