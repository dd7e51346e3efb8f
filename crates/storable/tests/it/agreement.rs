//! Damaged input, against a real Perl: what Perl accepts, we read alike or refuse.

use std::collections::HashSet;

use storable::{Document, Kind};

use crate::perl::{self, Perl, to_hex};
use crate::rendering::render;
use crate::vectors::{Vector, limits, vectors};

#[test]
fn r43_what_perl_accepts_of_damaged_input_we_read_alike_or_refuse() {
    let count = perl::short_or_long(4_000, 100_000);
    let mut random = Random(perl::seed() | 1);
    // Thaw takes what is in memory, not files.
    let fit = |vector: &Vector| vector.bytes.len() < 400 && !vector.dialect.ends_with("file");
    let inputs: Vec<_> = vectors().filter(fit).collect();
    let mut perl = Perl::start();
    let (mut both, mut apart, mut refused) = (0, 0, 0);
    for _ in 0..count {
        let bytes = damaged(&inputs[random.below(inputs.len())].bytes, &mut random);
        let Ok(document) = Document::decode_with(&bytes, limits()) else {
            refused += 1;
            continue;
        };
        let answer = perl.ask(&format!("thaw {}", to_hex(&bytes)));
        let Some(theirs) = answer.strip_prefix("ok ") else {
            continue;
        };
        both += 1;
        let ours = render(&document);
        if plain(&ours) != plain(theirs) {
            apart += 1;
            let reason = known_difference(&document);
            assert!(
                reason.is_some(),
                "{}\nours   {ours}\ntheirs {theirs}",
                to_hex(&bytes)
            );
        }
    }
    println!(
        "{both} accepted by both, {apart} of them apart for a known reason, {refused} refused"
    );
    assert!(both > count / 10 && apart < both / 20);
}

/// Changes one byte: one bit of it, to a marker, or to anything.
fn damaged(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = random.below(bytes.len());
    bytes[at] = match random.below(3) {
        0 => bytes[at] ^ (1 << random.below(8)),
        1 => random.below(36) as u8,
        _ => random.below(256) as u8,
    };
    bytes
}

/// Without what Perl's rendering can't show of a live structure: it drops the flag of an empty
/// string, the restriction of an empty hash, marks of locked values where nothing is locked, and
/// makes characters bytes in keys that have room as bytes.
fn plain(line: &str) -> String {
    let line = line
        .replace("restricted{}", "{}")
        .replace("\"!", "\"")
        .replace("w\"", "b\"");
    let mut strings = line.split("u\"");
    let mut plain = strings.next().unwrap_or_default().to_owned();
    for string in strings {
        let content = string.split('"').next().unwrap_or_default();
        plain += if content.contains("\\x") {
            "u\""
        } else {
            "b\""
        };
        plain += string;
    }
    plain
}

/// Why a live structure of Perl's may differ from what the bytes say.
fn known_difference(document: &Document) -> Option<&'static str> {
    let mut left = vec![document.root()];
    let mut met = HashSet::new();
    while let Some(node) = left.pop() {
        if !met.insert(node.id()) {
            continue;
        }
        match node.kind() {
            Kind::Reference { weak: true, .. } => {
                return Some("what only a weak reference holds is gone");
            }
            Kind::Yes | Kind::No => return Some("Perl has one of each of these constants"),
            Kind::Tied { .. } => return Some("Perl calls methods of what it is tied to"),
            Kind::Reference { to, .. } => left.push(to),
            Kind::Array(array) => left.extend(array.iter()),
            Kind::Hook(hook) if hook.tied().is_some() => {
                return Some("Perl's side says what the class freezes now");
            }
            Kind::Hook(hook) => left.extend(hook.list()),
            Kind::Hash(hash) => {
                let mut keys = HashSet::new();
                if !hash.iter().all(|entry| keys.insert(entry.key_bytes())) {
                    return Some("a key twice: Perl has the last");
                }
                left.extend(hash.iter().map(|entry| entry.value()));
            }
            _ => {}
        }
    }
    None
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}
