//! Inputs that are made to hurt: lengths that lie, depth, doubling, tags that lead nowhere.

use std::collections::HashMap;
use std::thread;

use storable::{Document, Kind, Limits, Value};

use crate::rendering::render;

const NETWORK: &[u8] = b"\x05\x0b";
const NATIVE: &[u8] = b"\x04\x0b\x0812345678\x04\x08\x08\x08";

/// A document in network order with these items.
fn network(items: &[u8]) -> Vec<u8> {
    [NETWORK, items].concat()
}

/// Runs a test where there is little stack, so that recursion would show.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(256 * 1024);
    thread.spawn(test).unwrap().join().unwrap();
}

#[test]
fn r40_a_length_without_bytes_behind_it_is_an_error() {
    let lengths = [1, 2, 0xff, 0x0fff_ffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    for length in lengths.map(u32::to_be_bytes) {
        // Long string, array, hash, long UTF-8 string, hash with flags, long version string, and
        // a class name, an index of a class, a hook, a pattern of that length.
        for before in [
            &[1][..],
            &[2],
            &[3],
            &[24],
            &[25, 0],
            &[30],
            &[17, 0x80],
            &[18, 0x80],
            &[19, 0x04],
            &[19, 0x08, 1, b'C'],
            &[19, 0x90, 1, b'C', 0],
            &[32, 1],
        ] {
            let bomb = network(&[before, &length].concat());
            let error = Document::decode(&bomb).expect_err(&format!("{bomb:?}"));
            assert!(error.is_malformed() || error.is_limit(), "{error}");
            // The same within an array that has room for the length of a byte or two.
            let inside = network(&[&[2, 0, 0, 0, 2][..], before, &length, &[5]].concat());
            Document::decode(&inside).expect_err(&format!("{inside:?}"));
        }
    }
}

#[test]
fn r40_a_length_of_8_bytes_is_believed_no_more() {
    for marker in [0, 1, 2, 3, 24] {
        for length in [1_u64, 1 << 31, 1 << 32, 1 << 63, u64::MAX] {
            let bomb = network(&[&[33, marker][..], &length.to_be_bytes()].concat());
            Document::decode(&bomb).expect_err(&format!("{bomb:?}"));
            let bomb = [NATIVE, &[33, marker], &length.to_le_bytes()].concat();
            Document::decode(&bomb).expect_err(&format!("{bomb:?}"));
        }
    }
}

#[test]
fn r40_lengths_that_only_together_are_too_much_are_an_error() {
    // Each array announces what is left, but the one outside needs it, too.
    let mut items = Vec::new();
    for left in (0..20_u32).rev() {
        items.extend([2]);
        items.extend((left * 5 + 1).to_be_bytes());
    }
    items.push(5);
    let error = Document::decode(&network(&items)).unwrap_err();
    assert!(error.to_string().contains("are announced"), "{error}");
    assert!(error.offset().unwrap() <= 7, "{error}");
}

/// What stands in itself, by the item that opens it and what closes it.
const CONTAINERS: [(&str, &[u8], &[u8]); 10] = [
    ("reference", &[4], &[]),
    ("overloaded reference", &[20], &[]),
    ("weak reference", &[27], &[]),
    ("weak overloaded reference", &[28], &[]),
    ("array", &[2, 0, 0, 0, 1], &[]),
    ("hash", &[3, 0, 0, 0, 1], &[0, 0, 0, 0]),
    ("hash with flags", &[25, 0, 0, 0, 0, 1], &[0, 0, 0, 0, 0]),
    ("tied hash", &[12], &[]),
    ("tied element", &[21], &[5]),
    ("blessed array", &[17, 1, b'C', 2, 0, 0, 0, 1], &[]),
];

/// Hooks within hooks, each of which lists the one inside.
fn nested_hooks(depth: usize) -> Vec<u8> {
    let mut bytes = [NETWORK, &[19, 0x40].repeat(depth), &[5]].concat();
    for tag in (1..=depth as u32).rev() {
        bytes.extend([0x80, 1, b'C', 0, 1]);
        bytes.extend(tag.to_be_bytes());
    }
    bytes
}

fn nested(depth: usize, open: &[u8], close: &[u8]) -> Vec<u8> {
    [NETWORK, &open.repeat(depth), &[5], &close.repeat(depth)].concat()
}

#[test]
fn r39_depth_is_an_error_on_a_small_stack() {
    on_a_small_stack(|| {
        let mut deep: Vec<_> = CONTAINERS
            .iter()
            .map(|(name, open, close)| (*name, open.len(), nested(100_000, open, close)))
            .collect();
        deep.push(("hook", 2, nested_hooks(100_000)));
        for (name, len, deep) in deep {
            let limits = Limits {
                size: usize::MAX,
                nodes: usize::MAX,
                depth: usize::MAX,
                classes: usize::MAX,
            };
            let error = Document::decode_with(&deep, limits).expect_err(name);
            assert!(error.is_limit(), "{name}: {error}");
            // No more was read than the limit of depth lets through.
            assert!(error.offset().unwrap() <= 2 + 251 * len, "{name}: {error}");
        }
    });
}

#[test]
fn r39_hooks_as_deep_as_allowed_are_read_and_written() {
    on_a_small_stack(|| {
        let limits = Limits {
            depth: 250,
            classes: 250,
            ..Limits::default()
        };
        let document = Document::decode_with(&nested_hooks(250), limits).unwrap();
        let encoded = document.encode().unwrap();
        Document::decode_with(&encoded, limits).unwrap();
        Document::decode_with(&nested_hooks(251), limits).unwrap_err();
    });
}

#[test]
fn r39_what_is_as_deep_as_allowed_is_read_written_and_dropped_on_a_small_stack() {
    on_a_small_stack(|| {
        for (name, open, close) in CONTAINERS {
            let limits = Limits {
                depth: 250,
                classes: 1000,
                ..Limits::default()
            };
            let document = Document::decode_with(&nested(250, open, close), limits)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            Document::decode_with(&document.encode().unwrap(), limits).unwrap();
            Document::decode_with(&nested(251, open, close), limits).expect_err(name);
            let limits = Limits {
                depth: Limits::default().depth,
                ..limits
            };
            Document::decode_with(&nested(128, open, close), limits).expect(name);
            Document::decode_with(&nested(129, open, close), limits).expect_err(name);
        }
    });
}

/// A type that goes as deep as the value.
#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
enum Anything {
    Hash(#[expect(dead_code, reason = "it is read, not used")] HashMap<String, Anything>),
    Array(#[expect(dead_code, reason = "it is read, not used")] Vec<Anything>),
    Nothing(()),
}

#[derive(Debug, serde::Deserialize)]
struct Chain {
    #[serde(rename = "")]
    _next: Option<Box<Chain>>,
}

#[test]
fn r39_values_convert_on_a_small_stack_or_are_an_error() {
    let limits = Limits {
        depth: 250,
        ..Limits::default()
    };
    on_a_small_stack(move || {
        for (name, open, close) in [
            ("array", &[2, 0, 0, 0, 1][..], &[][..]),
            ("hash", &[3, 0, 0, 0, 1], &[0, 0, 0, 0]),
            ("reference to a hash", &[4, 3, 0, 0, 0, 1], &[0, 0, 0, 0]),
        ] {
            for (depth, fits) in [(64, true), (65, false), (125, false)] {
                let document = Document::decode_with(&nested(depth, open, close), limits).unwrap();
                let root = document.root();
                assert_eq!(root.to::<Value>().is_ok(), fits, "{name} {depth}");
                assert_eq!(
                    root.to::<serde_json::Value>().is_ok(),
                    fits,
                    "{name} {depth}"
                );
                // Through the buffers of serde, each level costs more.
                if depth != 64 {
                    root.to::<Anything>().unwrap_err();
                    drop(root.to::<Chain>());
                }
            }
        }
    });
}

#[test]
fn r41_a_string_that_is_shared_often_is_counted_each_time() {
    // One string of 10 000 bytes, and a thousand references to it.
    let string = [&[1, 0, 0, 0x27, 0x10][..], &b"x".repeat(10_000)].concat();
    let again = [0, 0, 0, 0, 1].repeat(1000);
    let bytes = network(&[&[2, 0, 0, 0x03, 0xe9][..], &string, &again].concat());
    let document = Document::decode(&bytes).unwrap();
    assert!(document.root().to::<Vec<String>>().unwrap_err().is_limit());
    assert!(document.root().to::<Value>().unwrap_err().is_limit());
    assert_eq!(document.encode().unwrap(), bytes);
}

#[test]
fn r38_a_hook_whose_list_does_not_name_its_items_is_an_error() {
    let named = b"\x13\x40\x05\x80\x01C\x00\x01\x00\x00\x00\x01";
    Document::decode(&network(named)).unwrap();
    let unnamed = b"\x13\x40\x05\x00\x01C\x00";
    let error = Document::decode(&network(unnamed)).unwrap_err();
    assert!(error.to_string().contains("in its list"), "{error}");
}

#[test]
fn r39_ceilings_can_not_be_passed() {
    let all = Limits {
        size: usize::MAX,
        nodes: usize::MAX,
        classes: usize::MAX,
        depth: usize::MAX,
    };
    let array = |count: u32, item: &dyn Fn(u32) -> Vec<u8>| {
        let items: Vec<u8> = (0..count).flat_map(item).collect();
        network(&[&[2][..], &count.to_be_bytes(), &items].concat())
    };
    let undef = |_| vec![5];
    assert!(Document::decode_with(&array(999_999, &undef), all).is_ok());
    assert!(
        Document::decode_with(&array(1_000_000, &undef), all)
            .unwrap_err()
            .is_limit()
    );
    let class =
        |number: u32| [&[17, 6, b'C'][..], format!("{number:05}").as_bytes(), &[5]].concat();
    assert!(Document::decode_with(&array(65_535, &class), all).is_ok());
    assert!(
        Document::decode_with(&array(65_536, &class), all)
            .unwrap_err()
            .is_limit()
    );
    let long = network(&[&[1][..], &(16_u32 << 20).to_be_bytes(), &vec![0; 16 << 20]].concat());
    assert!(Document::decode_with(&long, all).unwrap_err().is_limit());
}

#[test]
fn r41_a_value_that_contains_itself_is_an_error_for_it_alone() {
    // {loop => \root, fine => 1}
    let cyclic = network(
        b"\x03\x00\x00\x00\x02\x04\x00\x00\x00\x00\x00\x00\x00\x00\x04loop\x08\x81\x00\x00\x00\x04fine",
    );
    on_a_small_stack(move || {
        let document = Document::decode(&cyclic).unwrap();
        let root = document.root();
        assert_eq!(root.get("fine").unwrap().to::<u8>().unwrap(), 1);
        let error = root.get("loop").unwrap().to::<Value>().unwrap_err();
        assert!(error.to_string().contains("contains itself"), "{error}");
        // And it is kept.
        assert_eq!(document.encode().unwrap(), cyclic);
    });
    // A reference that is its own referent.
    let error = Document::decode(&network(b"\x04\x00\x00\x00\x00\x00"))
        .unwrap()
        .root()
        .to::<Value>()
        .unwrap_err();
    assert!(error.is_value(), "{error}");
}

/// `[$a, $a]` where `$a` is `[$b, $b]`, and so on.
fn doublings(times: usize) -> Vec<u8> {
    let mut items = Vec::new();
    for _ in 0..times {
        items.extend(b"\x02\x00\x00\x00\x02\x04");
    }
    items.extend(b"\x02\x00\x00\x00\x00");
    // The innermost array has the tag 2 * times; each one is met again as a second element.
    for level in (1..=times).rev() {
        items.extend([&[4, 0][..], &(2 * level as u32).to_be_bytes()].concat());
    }
    network(&items)
}

#[test]
fn r41_forty_doublings_are_kept_and_not_unfolded() {
    let bytes = doublings(40);
    let document = Document::decode(&bytes).unwrap();
    assert_eq!(document.encode().unwrap(), bytes);
    let error = document.root().to::<Value>().unwrap_err();
    assert!(error.is_limit(), "{error}");
    let few = Document::decode(&doublings(10)).unwrap();
    few.root().to::<Value>().unwrap();
}

#[test]
fn r41_tags_and_classes_that_are_not_there_are_errors() {
    let table: [(&str, &[u8]); 8] = [
        ("a tag before anything", b"\x00\x00\x00\x00\x00"),
        ("a tag one too large", b"\x04\x00\x00\x00\x00\x01"),
        ("a tag beyond", b"\x04\x00\xff\xff\xff\xff"),
        ("a class before any", b"\x12\x00\x05"),
        ("a class one too large", b"\x11\x01A\x04\x12\x01\x05"),
        ("a hook's tag", b"\x13\x80\x01A\x00\x01\x00\x00\x00\x01"),
        ("a hook's class", b"\x13\x20\x00\x00"),
        (
            "an element's undef",
            b"\x02\x00\x00\x00\x02\x1f\x00\x00\x00\x00\x01",
        ),
    ];
    for (name, items) in table {
        let error = Document::decode(&network(items)).expect_err(name);
        assert!(error.to_string().contains("so far"), "{name}: {error}");
    }
}

#[test]
fn r38_items_that_cannot_stand_where_they_are_are_errors() {
    let table: [(&str, &[u8]); 12] = [
        ("a class for a class", b"\x11\x01A\x11\x01B\x05"),
        ("a class for a tag", b"\x04\x11\x01A\x00\x00\x00\x00\x00"),
        ("a class for a hook", b"\x11\x01A\x13\x00\x01B\x00"),
        ("a class for a constant", b"\x11\x01A\x0e"),
        ("an element's undef alone", b"\x1f"),
        (
            "an element's undef in a hash",
            b"\x03\x00\x00\x00\x01\x1f\x00\x00\x00\x00",
        ),
        ("code that is a number", b"\x1a\x08\x80"),
        ("a version string that is a number", b"\x1d\x00\x08\x80"),
        ("a hook of an unknown kind", b"\x13\x03\x07\x01A\x00"),
        ("flags of a hash", b"\x19\x02\x00\x00\x00\x00"),
        (
            "flags of a key",
            b"\x19\x00\x00\x00\x00\x01\x05\x20\x00\x00\x00\x00",
        ),
        ("a marker beyond the last", b"\x24"),
    ];
    for (name, items) in table {
        let error = Document::decode(&network(items)).expect_err(name);
        assert!(error.is_malformed(), "{name}: {error}");
    }
}

#[test]
fn headers_of_other_versions_and_machines_say_so() {
    let table: [(&[u8], &str); 9] = [
        (b"", "expected the byte of version"),
        (b"{\"v\":1}", "expected a header of Storable"),
        (b"perl-store\x04", "before 0.7"),
        (b"\x02\x00", "before 0.7"),
        (b"\x07\x00", "newer than 2"),
        (b"\x05\x0d\x05", "format 2.13; the newest known is 2.12"),
        (b"\x04\x0b\x0821436587\x04\x08\x08\x08\x05", "a byte order"),
        (b"\x04\x0b\x0812345678\x08\x08\x08\x08\x05", "ints of 8"),
        (b"\x04\x0b\x0812345678\x04\x08\x08\x10\x05", "doubles of 16"),
    ];
    for (bytes, expected) in table {
        let error = Document::decode(bytes).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn other_machines_of_today_are_read_and_written_as_they_were() {
    // An array with a hash in it, by the order and the size of its numbers.
    let big = b"\x04\x0b\x0887654321\x04\x08\x08\x08\x02\0\0\0\x02\x07\xbf\xf8\0\0\0\0\0\0\
        \x04\x03\0\0\0\x01\x06\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\x01k";
    let small = b"\x04\x0b\x041234\x04\x04\x04\x08\x02\x02\0\0\0\x07\0\0\0\0\0\0\xf8\xbf\
        \x04\x03\x01\0\0\0\x06\0\xff\xff\xff\x01\0\0\0k";
    for bytes in [&big[..], small] {
        let mut document = Document::decode(bytes).unwrap();
        assert_eq!(render(&document), r#"[d:bff8000000000000,\{b"k":-256}]"#);
        assert_eq!(document.encode().unwrap(), bytes);
        let Kind::Array(array) = document.root().kind() else {
            panic!()
        };
        let hash = array.get(1).unwrap().id();
        document.insert(hash, "k", &(1_i64 << 40)).unwrap();
        let again = Document::decode(&document.encode().unwrap()).unwrap();
        let Kind::Array(array) = again.root().kind() else {
            panic!()
        };
        let number = array.get(1).unwrap().get("k").unwrap();
        assert_eq!(number.to::<i64>().unwrap(), 1 << 40);
    }
    // Before minor 2, the size of a double is not said.
    let old = b"\x04\x01\x0812345678\x04\x08\x08\x08\x81";
    let document = Document::decode(old).unwrap();
    assert_eq!(document.root().to::<u8>().unwrap(), 1);
    assert_eq!(document.encode().unwrap(), old);
    let table: [(&[u8], i64); 3] = [
        // Big-endian, 64 bits.
        (
            b"\x04\x0b\x0887654321\x04\x08\x08\x08\x06\x00\x00\x00\x00\x00\x01\x00\x00",
            65536,
        ),
        // 32 bits, either way.
        (
            b"\x04\x0b\x041234\x04\x04\x04\x08\x06\x00\x00\x01\x00",
            65536,
        ),
        (
            b"\x04\x0b\x044321\x04\x04\x04\x08\x06\x00\x01\x00\x00",
            65536,
        ),
    ];
    for (bytes, expected) in table {
        let document = Document::decode(bytes).unwrap();
        assert_eq!(document.root().to::<i64>().unwrap(), expected);
        assert_eq!(document.encode().unwrap(), bytes);
    }
}

#[test]
fn limits_are_held_at_their_edge() {
    let three = network(b"\x02\x00\x00\x00\x02\x05\x05");
    for (nodes, fits) in [(3, true), (2, false)] {
        let limits = Limits {
            nodes,
            ..Limits::default()
        };
        assert_eq!(Document::decode_with(&three, limits).is_ok(), fits);
    }
    for (size, fits) in [(three.len(), true), (three.len() - 1, false)] {
        let limits = Limits {
            size,
            ..Limits::default()
        };
        assert_eq!(Document::decode_with(&three, limits).is_ok(), fits);
    }
    let classes = network(b"\x11\x01A\x04\x11\x01B\x05");
    for (classes_allowed, fits) in [(2, true), (1, false)] {
        let limits = Limits {
            classes: classes_allowed,
            ..Limits::default()
        };
        assert_eq!(Document::decode_with(&classes, limits).is_ok(), fits);
    }
    let name = |len: usize| {
        network(&[&[17, 0x80, 0, 0, 0, len as u8][..], &b"C".repeat(len), &[5]].concat())
    };
    assert!(Document::decode(&name(255)).is_ok());
    let long = network(&[&[17, 0x80, 0, 0, 1, 0][..], &b"C".repeat(256), &[5]].concat());
    assert!(Document::decode(&long).unwrap_err().is_limit());
}
