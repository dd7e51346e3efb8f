//! Where the pieces of JSON end, without reading what they say. For text without spaces, as we write
//! it; whatever is not plain here (`None`) is left to the library, which knows all of JSON and says
//! what is wrong.

/// How deep values may be nested here; what is deeper, the library decides.
const DEPTH: u32 = 100;
/// So many bytes of a string are looked at together where it is longer.
const WIDE: usize = 64;

/// Text that is UTF-8, and how much of it has been passed.
pub(super) struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// Passes exactly this.
    pub(super) fn pass(&mut self, expected: &[u8]) -> Option<()> {
        self.text.get(self.at..)?.starts_with(expected).then(|| {
            self.at += expected.len();
        })
    }

    /// Passes a whole number without a sign that has no needless zeros.
    pub(super) fn whole(&mut self) -> Option<u64> {
        let begin = self.at;
        self.digits()?;
        let digits = &self.text[begin..self.at];
        if digits.len() > 1 && digits[0] == b'0' {
            return None;
        }
        digits.iter().try_fold(0_u64, |number, digit| {
            let digit = u64::from(digit - b'0');
            number.checked_mul(10)?.checked_add(digit)
        })
    }

    /// Passes a string, and returns it with its quotes.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let begin = self.at;
        self.pass(b"\"")?;
        loop {
            self.skip_plain();
            match self.next()? {
                b'"' => return Some(&self.text[begin..self.at]),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    // Which characters `\u` may name is the library's business.
                    _ => return None,
                },
                0..=0x1f => return None,
                _ => {}
            }
        }
    }

    /// Passes any value, and returns it.
    pub(super) fn value(&mut self) -> Option<&'a [u8]> {
        let begin = self.at;
        self.skip(DEPTH)?;
        Some(&self.text[begin..self.at])
    }

    fn skip(&mut self, depth: u32) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' => self.skip_list(b'}', depth.checked_sub(1)?, true),
            b'[' => self.skip_list(b']', depth.checked_sub(1)?, false),
            b't' => self.pass(b"true"),
            b'f' => self.pass(b"false"),
            b'n' => self.pass(b"null"),
            _ => self.skip_number(),
        }
    }

    fn skip_list(&mut self, closing: u8, depth: u32, named: bool) -> Option<()> {
        self.at += 1;
        if self.peek()? == closing {
            self.at += 1;
            return Some(());
        }
        loop {
            if named {
                self.string()?;
                self.pass(b":")?;
            }
            self.skip(depth)?;
            match self.next()? {
                b',' => {}
                end => return (end == closing).then_some(()),
            }
        }
    }

    fn skip_number(&mut self) -> Option<()> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        let begin = self.at;
        self.digits()?;
        if self.text[begin] == b'0' && self.at > begin + 1 {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    /// Passes plain text, eight bytes at a time; stops before what is special, or near the end.
    fn skip_plain(&mut self) {
        let wide = self.at + WIDE;
        while let Some(eight) = self.text[self.at..].first_chunk() {
            let plain = plain_bytes(u64::from_le_bytes(*eight));
            self.at += plain;
            if plain < eight.len() {
                return;
            }
            if self.at == wide {
                // It may be long.
                self.skip_wide();
            }
        }
    }

    /// Passes as many whole pieces of plain text as there are: some ten times as fast, but it does not
    /// tell where in a piece something special is.
    fn skip_wide(&mut self) {
        let pieces = self.text[self.at..].chunks_exact(WIDE);
        let plain = pieces.take_while(|piece| {
            // All of them, without a way out: the compiler takes many at a time then.
            !piece.iter().fold(false, |special, byte| {
                special | (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\')
            })
        });
        self.at += WIDE * plain.count();
    }

    fn digits(&mut self) -> Option<()> {
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > begin).then_some(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }
}

/// How many of eight bytes, from the lowest on, come before the first quote, backslash or control
/// character.
fn plain_bytes(eight: u64) -> usize {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = EACH << 7;
    // The high bit of each byte that is below `limit`: of the lowest such byte, and of none below
    // it. Above it a bit may be wrong.
    let below = |bytes: u64, limit: u64| bytes.wrapping_sub(EACH * limit) & !bytes & HIGH;
    let same = |byte: u8| below(eight ^ (EACH * u64::from(byte)), 1);
    let special = below(eight, 0x20) | same(b'"') | same(b'\\');
    special.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    const VALUES: [&str; 24] = [
        "0",
        "-0",
        "12",
        "-1.5",
        "1e9",
        "0.1E-7",
        "2e+3",
        "true",
        "false",
        "null",
        r#""""#,
        r#""a b""#,
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\u00e9""#,
        r#""é€""#,
        "[]",
        "{}",
        "[[],{}]",
        r#"[1,"a",null]"#,
        r#"{"a":{"b":[1,2]},"c":"}"}"#,
        "[1.0,-2]",
        r#"{"":0}"#,
        "[[[[1]]]]",
        r#"{"a":1,"a":2}"#,
    ];

    /// Every change of one byte: what is passed here, the library takes for a value as well.
    #[test]
    fn what_is_passed_is_json() {
        let mut passed = 0;
        for value in VALUES {
            for at in 0..value.len() {
                for byte in 0..=255 {
                    let mut text = value.as_bytes().to_vec();
                    text[at] = byte;
                    let Ok(text) = String::from_utf8(text) else {
                        continue;
                    };
                    let mut scan = Scan::of(text.as_bytes());
                    if scan.value().is_some() {
                        let whole = &text[..scan.at()];
                        assert!(serde_json::from_str::<&RawValue>(whole).is_ok(), "{whole}");
                        passed += 1;
                    }
                }
            }
            let mut scan = Scan::of(value.as_bytes());
            let plain = !value.contains("\\u");
            assert_eq!(scan.value().is_some() && scan.is_at_end(), plain, "{value}");
        }
        assert!(passed > 3_000, "{passed}");
    }

    /// Every byte at every place, among neighbours that carry and others.
    #[test]
    fn special_bytes_are_seen_wherever_they_stand() {
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        for (at, byte) in (0..8).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
            for others in [b'a', b' ', b'!', b'#', 0x7f, 0x80, 0xff, b'"', 0] {
                let mut eight = [others; 8];
                eight[..at].fill(b' ');
                eight[at] = byte;
                let plain = eight.iter().position(&special).unwrap_or(8);
                assert_eq!(plain_bytes(u64::from_le_bytes(eight)), plain, "{eight:x?}");
            }
        }
    }

    /// The same in strings of every length around those that are passed in pieces.
    #[test]
    fn long_strings_end_where_the_library_ends_them() {
        let lengths = (0..4 * WIDE).flat_map(|length| [length, length + 1_000]);
        for (length, filler) in lengths.flat_map(|length| [(length, "x"), (length, "ä")]) {
            let plain = filler.repeat(length);
            for (special, known) in [("", true), ("\\\"", true), ("\n", false), ("\0", false)] {
                for at in [0, length / 2, length] {
                    let (before, behind) = plain.split_at(filler.len() * at);
                    let quoted = format!("\"{before}{special}{behind}\"");
                    let text = format!("{quoted},\"next\"");
                    let mut scan = Scan::of(text.as_bytes());
                    let expected = known.then_some(quoted.as_bytes());
                    assert_eq!(scan.string(), expected, "{special:?} at {at} of {length}");
                    assert_eq!(serde_json::from_str::<&RawValue>(&quoted).is_ok(), known);
                }
            }
            let open = format!("\"{plain}");
            assert_eq!(Scan::of(open.as_bytes()).string(), None);
        }
    }

    #[test]
    fn what_is_nested_too_deep_is_left_to_the_library() {
        for (depth, plain) in [(100, true), (101, false), (100_000, false)] {
            let nested = "[".repeat(depth) + &"]".repeat(depth);
            assert_eq!(
                Scan::of(nested.as_bytes()).value().is_some(),
                plain,
                "{depth}"
            );
        }
    }
}
