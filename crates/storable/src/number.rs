//! Numbers as Perl sees them: which strings are numbers, and how numbers print.

/// What a string means where a number is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Integer(i128),
    /// Beyond `i128`.
    Large(u128),
    Double(f64),
}

/// The number that a string is, if Perl takes it for one without a warning: blanks around it, a
/// sign, a fraction, an exponent; `Inf`, `Infinity` and `NaN` in any case; `0 but true`. Not: hex,
/// underscores, the empty string, and what merely starts with a number.
pub(crate) fn parse(text: &[u8]) -> Option<Number> {
    let text = std::str::from_utf8(text).ok()?;
    if text == "0 but true" {
        return Some(Number::Integer(0));
    }
    let text = text.trim_matches(|c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c'));
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    match digits.bytes().next()? {
        b'0'..=b'9' | b'.' => {}
        _ if ["inf", "infinity", "nan"].contains(&digits.to_ascii_lowercase().as_str()) => {}
        _ => return None,
    }
    // Rust's parsers agree with Perl from here on; of what is left they refuse what Perl does.
    if let Ok(integer) = text.parse::<i128>() {
        return Some(Number::Integer(integer));
    }
    if let Ok(large) = text.parse::<u128>() {
        return Some(Number::Large(large));
    }
    text.parse::<f64>().ok().map(Number::Double)
}

/// The double as an integer, where it is one exactly and so small that it can't be rounded.
pub(crate) fn integral(number: f64) -> Option<i128> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i128)
}

/// How Perl prints a double: 15 digits, `%.15g`.
pub(crate) fn printed(number: f64) -> String {
    if !number.is_finite() {
        return not_finite(number).into();
    }
    if number == 0.0 {
        return "0".into();
    }
    let scientific = format!("{number:.14e}");
    let (digits, exponent) = scientific
        .split_once('e')
        .expect("scientific notation has an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is an integer");
    if (-4..15).contains(&exponent) {
        let fixed = format!("{number:.*}", (14 - exponent) as usize);
        return without_zeros(&fixed).into();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!(
        "{}e{sign}{:02}",
        without_zeros(digits),
        exponent.unsigned_abs()
    )
}

/// A double as text from which every bit of it can be read again.
pub(crate) fn exact(number: f64) -> String {
    if !number.is_finite() {
        return not_finite(number).into();
    }
    let plain = printed(number);
    match plain.parse() {
        Ok(read) if f64::to_bits(read) == number.to_bits() => plain,
        // The shortest of those.
        _ => format!("{number:?}"),
    }
}

fn not_finite(number: f64) -> &'static str {
    match (number.is_nan(), number > 0.0) {
        (true, _) => "NaN",
        (false, true) => "Inf",
        (false, false) => "-Inf",
    }
}

fn without_zeros(digits: &str) -> &str {
    match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_numbers_where_perl_says_so() {
        let table = [
            ("42", Some(Number::Integer(42))),
            ("-7", Some(Number::Integer(-7))),
            ("+5", Some(Number::Integer(5))),
            (" 12", Some(Number::Integer(12))),
            ("12\n", Some(Number::Integer(12))),
            ("\x0b12\x0c", Some(Number::Integer(12))),
            (
                "340282366920938463463374607431768211455",
                Some(Number::Large(u128::MAX)),
            ),
            (
                "18446744073709551615",
                Some(Number::Integer(u64::MAX.into())),
            ),
            ("0 but true", Some(Number::Integer(0))),
            (".5", Some(Number::Double(0.5))),
            ("5.", Some(Number::Double(5.0))),
            ("1e5", Some(Number::Double(1e5))),
            ("Infinity", Some(Number::Double(f64::INFINITY))),
            ("-inf", Some(Number::Double(f64::NEG_INFINITY))),
            ("", None),
            (" ", None),
            ("1e", None),
            ("--3", None),
            ("1_000", None),
            ("0x10", None),
            ("12abc", None),
            (".", None),
            ("e5", None),
            ("\u{a0}1", None),
            ("infinit", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
        }
        assert!(matches!(parse(b"NaN"), Some(Number::Double(n)) if n.is_nan()));
    }

    #[test]
    fn doubles_are_integers_where_they_are_exact() {
        assert_eq!(integral(9_007_199_254_740_992.0), Some(1 << 53));
        assert_eq!(integral(-9_007_199_254_740_992.0), Some(-1 << 53));
        assert_eq!(integral(9_007_199_254_740_994.0), None);
        assert_eq!(integral(0.5), None);
        assert_eq!(integral(f64::NAN), None);
        assert_eq!(integral(f64::INFINITY), None);
    }

    #[test]
    fn doubles_print_as_perl_prints_them() {
        // Each right side is what Perl 5.36 prints.
        let table = [
            (0.1 + 0.2, "0.3"),
            (1e15, "1e+15"),
            (123_456_789_012_345.0, "123456789012345"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (1e300, "1e+300"),
            (-2.5, "-2.5"),
            (3.0, "3"),
            (100.0, "100"),
            (0.0, "0"),
            (f64::INFINITY, "Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ];
        for (number, expected) in table {
            assert_eq!(printed(number), expected);
        }
    }

    #[test]
    fn exact_text_leads_back_to_every_bit() {
        for number in [
            0.1,
            0.1 + 0.2,
            -0.0,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            1e15,
            2.5,
        ] {
            let text = exact(number);
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), number.to_bits());
            assert!(parse(text.as_bytes()).is_some(), "{text}");
        }
    }
}
