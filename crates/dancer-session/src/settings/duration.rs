//! Reads and shows a time, as Dancer writes it: `900`, `0.5`, `2 hours`, `1 day and 12 hours`.

use std::time::Duration;

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;

/// Dancer's units, in seconds. One letter is read as it stands, for `m` and `M` differ; words are
/// read in any case.
const UNITS: &[(&[&str], u32)] = &[
    (&["s", "sec", "secs", "second", "seconds"], 1),
    (&["m", "min", "mins", "minute", "minutes"], MINUTE),
    (&["h", "hr", "hour", "hours"], HOUR),
    (&["d", "day", "days"], DAY),
    (&["w", "week", "weeks"], 7 * DAY),
    (&["M", "month", "months"], 30 * DAY),
    (&["y", "year", "years"], 365 * DAY),
];

/// The time, or `None` for what isn't one: negative, without a number, with an unknown unit.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Some(seconds) = number(text) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    loop {
        let (amount, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (name, after) = split(after.trim_start(), |c| c.is_ascii_alphabetic());
        let seconds = number(amount)? * f64::from(unit(name)?);
        total = total.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        if after.trim().is_empty() {
            return Some(total);
        }
        rest = next_part(after);
    }
}

/// A time as messages show it.
pub(super) fn shown(time: Duration) -> String {
    if time.is_zero() {
        "0".into()
    } else {
        format!("{time:?}")
    }
}

/// Digits with at most one point, so that `1e9`, `inf` and a sign are none.
fn number(text: &str) -> Option<f64> {
    let plain = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if plain { text.parse().ok() } else { None }
}

fn unit(name: &str) -> Option<u32> {
    let lower = name.to_ascii_lowercase();
    let name = if name.len() == 1 { name } else { &lower };
    let found = UNITS.iter().find(|(names, _)| names.contains(&name));
    found.map(|&(_, seconds)| seconds)
}

/// Steps over what may stand between two parts: blanks, a comma, the word "and".
fn next_part(text: &str) -> &str {
    let text = text.trim_start().trim_start_matches(',').trim_start();
    text.strip_prefix("and").unwrap_or(text).trim_start()
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}
