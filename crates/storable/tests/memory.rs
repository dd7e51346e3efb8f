//! Memory bounded by the input. A program of its own with one test, since it counts what the whole
//! process allocates.

// A test says what it expects by failing, and what it started from by printing it.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]
#![allow(
    clippy::print_stdout,
    reason = "shown when a test fails, or with --no-capture"
)]

use std::path::Path;

use peak_alloc::PeakAlloc;
use storable::{Document, Limits, Value};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that decoding may take: R40.
fn allowed(input: usize) -> usize {
    32 * input + 64 * 1024
}

#[test]
fn r40_memory_is_bounded_by_the_size_of_the_input() {
    let mut inputs = vectors();
    inputs.extend(bombs());
    inputs.extend(dense());
    let mut most = (0.0, 0);
    for input in &inputs {
        let peak = peak(input);
        assert!(
            peak <= allowed(input.len()),
            "{peak} bytes for an input of {}: {:?}",
            input.len(),
            &input[..input.len().min(40)]
        );
        if input.len() > 10_000 {
            let ratio = peak as f64 / input.len() as f64;
            most = if ratio > most.0 {
                (ratio, input.len())
            } else {
                most
            };
        }
    }
    unfolding_is_bounded();
    println!("at most {:.1} times the input, of {} bytes", most.0, most.1);
}

fn peak(input: &[u8]) -> usize {
    let limits = Limits {
        size: usize::MAX,
        nodes: usize::MAX,
        depth: usize::MAX,
        classes: usize::MAX,
    };
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let document = Document::decode_with(input, limits);
    let peak = MEMORY.peak_usage() - before;
    drop(document);
    peak
}

/// What is shared forty times over, as a tree: an error, before it takes more than its limit of values
/// can take.
fn unfolding_is_bounded() {
    let mut items = b"\x05\x0b".to_vec();
    for _ in 0..40 {
        items.extend(b"\x02\x00\x00\x00\x02\x04");
    }
    items.extend(b"\x02\x00\x00\x00\x00");
    for level in (1..=40_u32).rev() {
        items.extend([4, 0]);
        items.extend((2 * level).to_be_bytes());
    }
    let document = Document::decode(&items).unwrap();
    for (nodes, most) in [(1_000, 1 << 20), (100_000, 64 << 20)] {
        let limits = Limits {
            nodes,
            ..Limits::default()
        };
        let document = Document::decode_with(&items, limits).unwrap();
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        document.root().to::<Value>().unwrap_err();
        let peak = MEMORY.peak_usage() - before;
        assert!(peak <= most, "{peak} bytes for {nodes} values");
    }
    assert_eq!(document.encode().unwrap(), items);
}

/// The table that Perl has made.
fn vectors() -> Vec<Vec<u8>> {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors.tsv");
    let table = std::fs::read_to_string(table).unwrap();
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let hex = row.split('\t').nth(3).unwrap().as_bytes();
        let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
        hex.chunks(2)
            .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
            .collect()
    })
    .collect()
}

/// Lengths that lie.
fn bombs() -> Vec<Vec<u8>> {
    let mut bombs: Vec<Vec<u8>> = Vec::new();
    for length in [0x0000_ffff, 0x00ff_ffff, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        for marker in [
            &[1][..],
            &[2],
            &[3],
            &[24],
            &[25, 0],
            &[30],
            &[19, 0x90, 1, b'C', 0],
        ] {
            bombs.push([&[5, 11][..], marker, &u32::to_be_bytes(length)].concat());
        }
    }
    bombs.push([&[5, 11, 33, 2][..], &u64::to_be_bytes(1 << 31)].concat());
    bombs.push([&[5, 11, 33, 2][..], &u64::to_be_bytes(1 << 20)].concat());
    // Arrays in arrays, each of which announces all that is left.
    let mut items = vec![5, 11];
    for level in 0..200_u32 {
        items.push(2);
        items.extend((1_000_000 - 5 * level - 1000).to_be_bytes());
    }
    items.resize(1_000_000, 5);
    bombs.push(items);
    bombs
}

/// The most nodes that bytes can hold: of each kind of item, an array of the shortest.
fn dense() -> Vec<Vec<u8>> {
    let shortest: [&[u8]; 13] = [
        &[5],
        &[14],
        &[8, 128],
        &[10, 0],
        &[4, 5],
        &[27, 4, 5],
        &[2, 0, 0, 0, 0],
        &[2, 0, 0, 0, 2, 5, 5],
        &[3, 0, 0, 0, 1, 5, 0, 0, 0, 0],
        &[11, 5],
        &[26, 10, 0],
        &[29, 0, 10, 0],
        &[32, 0, 0, 0],
    ];
    let mut dense = Vec::new();
    for item in shortest {
        for count in [1_000_u32, 40_000, 65_537, 300_000] {
            let array = [
                &[5, 11, 2][..],
                &count.to_be_bytes(),
                &item.repeat(count as usize),
            ];
            dense.push(array.concat());
        }
    }
    dense
}
