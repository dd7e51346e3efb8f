//! Settings as an application of Dancer's has them, which must go on as with the original module:
//! what that overlooked is a warning here.

use dancer_session::{Error, Settings};

/// Keys of the original for which an empty value, or 0, means that they are not set.
const FILLED: [&str; 4] = ["server", "sock", "password", "expire"];

/// Reads keys and values of `redis_session`; with what should be told to the operator.
pub(crate) fn read<'a>(
    class: &'a str,
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(Settings, Vec<String>), Error> {
    let mut warnings = Vec::new();
    let mut known = vec![("layout", "dancer"), ("class", class)];
    for (key, value) in pairs {
        if let Err(unknown) = Settings::knows(key) {
            warnings.push(format!("redis_session: {unknown}; it is ignored"));
        } else if key == "cache" {
            // Of use to a Rust application that reads the same file.
            warnings.push(
                "redis_session: cache needs threads, of which there are none in Perl; it is ignored"
                    .into(),
            );
        } else if key == "debug" {
            known.push((key, if is_true(value) { "1" } else { "0" }));
        } else if value.is_empty() || (FILLED.contains(&key) && value == "0") {
            let value = if value.is_empty() { "empty" } else { value };
            warnings.push(format!(
                "redis_session: {key} is {value}, which means that it is not set; leave it out"
            ));
        } else {
            known.push((key, value));
        }
    }
    Ok((Settings::from_texts(known)?, warnings))
}

/// As Perl takes a text for true.
fn is_true(value: &str) -> bool {
    !matches!(value, "" | "0")
}
