use std::collections::HashSet;

use super::*;

/// A million ids: none twice, and every position uses its symbols evenly. The bounds are those
/// that chance exceeds once in a million for 63 and for 15 degrees of freedom.
#[test]
fn r01_ids_are_evenly_distributed_and_never_repeat() {
    let entropy = Entropy::default();
    let mut seen = HashSet::new();
    let mut counts = vec![[0u32; 128]; NATIVE_CHARS];
    let many = 1_000_000;
    for _ in 0..many {
        let mut bits = [0; NATIVE_BYTES];
        entropy.fill(&mut bits).unwrap();
        // What `generate` does, without the hash, which a test build takes long for.
        let text = URL_SAFE_NO_PAD.encode(bits);
        for (position, symbol) in text.bytes().enumerate() {
            counts[position][usize::from(symbol)] += 1;
        }
        assert!(seen.insert(bits), "an id came twice");
    }
    for (position, counts) in counts.iter().enumerate() {
        let (symbols, bound) = if position == 42 {
            (16, 57.4)
        } else {
            (64, 131.7)
        };
        assert_eq!(counts.iter().filter(|count| **count > 0).count(), symbols);
        let expected = f64::from(many) / symbols as f64;
        let square = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
        let chi: f64 = counts.iter().filter(|count| **count > 0).map(square).sum();
        assert!(chi < bound, "position {position}: {chi}");
    }
}

/// All the bits that were asked for, and no others, are in the id.
#[test]
fn r01_an_id_is_256_bits_of_its_source() {
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let given = std::sync::Arc::clone(&asked);
    let entropy = Entropy::new(move |bits| {
        getrandom::fill(bits).map_err(io::Error::other)?;
        given.lock().unwrap().push(bits.to_vec());
        Ok(())
    });
    for n in 0..100 {
        let id = SessionId::generate(&entropy, Layout::Native).unwrap();
        let bits = asked.lock().unwrap()[n].clone();
        assert_eq!(bits.len(), 32);
        assert_eq!(id.as_str(), URL_SAFE_NO_PAD.encode(bits));
    }
    assert_eq!(asked.lock().unwrap().len(), 100);
}

#[test]
fn r01_an_id_has_43_characters_and_reads_back() {
    let id = SessionId::generate(&Entropy::default(), Layout::Native).unwrap();
    assert_eq!(id.as_str().len(), 43);
    assert_eq!(SessionId::parse(id.as_str(), Layout::Native), Some(id));
}

/// Frozen: keys and payloads of old releases are found by it.
#[test]
fn the_fingerprint_is_the_start_of_the_key() {
    let id = SessionId::parse(&"A".repeat(43), Layout::Native).unwrap();
    let key = crate::Key::native("session:", &id);
    assert_eq!(key.as_str(), "session:DwBzhbb51LfusnSGBa_hqQ");
    assert_eq!(&key.as_str()[8..16], id.fingerprint().as_str());
    assert_eq!(
        format!("{id:?} {id}"),
        format!("SessionId({0}…) {0}…", id.fingerprint())
    );
}

/// Also where the bits for the next ones are asked for again.
#[test]
fn no_mark_comes_twice() {
    let entropy = Entropy::default();
    let marks = (0..10_000).map(|_| Mark::generate(&entropy).unwrap().0);
    let marks: HashSet<_> = marks.collect();
    assert_eq!(marks.len(), 10_000);
    assert!(!marks.contains(&Mark::NONE.0));
}

/// Also every text in which one character is another: what the library refuses is no mark.
#[test]
fn a_mark_is_read_as_the_library_reads_it() {
    let entropy = Entropy::default();
    for _ in 0..20 {
        let mark = Mark::generate(&entropy).unwrap();
        let text = URL_SAFE_NO_PAD.encode(mark.0);
        assert_eq!(Mark::from_text(text.as_bytes()), Some(mark));
        for (at, byte) in (0..Mark::CHARS).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
            let mut changed = text.clone().into_bytes();
            changed[at] = byte;
            let theirs = URL_SAFE_NO_PAD.decode(&changed).ok();
            let ours = Mark::from_text(&changed).map(|mark| mark.0.to_vec());
            assert_eq!(ours, theirs, "{changed:?}");
        }
    }
    assert_eq!(Mark::from_text(b"q83vASNFZ4"), None);
    assert_eq!(Mark::from_text(b"q83vASNFZ4kA"), None);
}

/// Also every text in which one character is another.
#[test]
fn what_is_an_id_the_library_can_decode_and_nothing_else() {
    let id = SessionId::generate(&Entropy::default(), Layout::Native).unwrap();
    for (at, byte) in (0..NATIVE_CHARS).flat_map(|at| (0..0x80).map(move |byte| (at, byte))) {
        let mut changed = id.as_str().as_bytes().to_vec();
        changed[at] = byte;
        let text = std::str::from_utf8(&changed).unwrap();
        let theirs = URL_SAFE_NO_PAD.decode(text).is_ok();
        let ours = SessionId::parse(text, Layout::Native).is_some();
        assert_eq!(ours, theirs, "{text}");
    }
    for text in ["", &id.as_str()[1..], &format!("{}A", id.as_str())] {
        assert!(SessionId::parse(text, Layout::Native).is_none(), "{text}");
    }
}
