//! A setting that can't be used, before it is known where it stands: code, a file, a variable.

use std::fmt::Display;

use crate::Error;

/// How much of a value a message shows, in characters: enough to find it, not to fill a log.
const SHOWN: usize = 40;

/// A setting that can't be used. Only the source of the settings knows the place that makes an
/// [`Error`] of it.
pub(super) struct Misfit {
    /// The key in a configuration file whose place is the place of the mistake.
    pub(super) key: &'static str,
    said: String,
}

impl Misfit {
    /// `said` is the rest of the sentence that `key` begins: what it is, and what was expected.
    pub(super) fn new(key: &'static str, said: impl Display) -> Self {
        Self::in_words(key, format!("{key} {said}"))
    }

    /// `said` is the whole message.
    pub(super) fn in_words(key: &'static str, said: impl Into<String>) -> Self {
        Self {
            key,
            said: said.into(),
        }
    }

    pub(super) fn into_error(self) -> Error {
        Error::settings(self.said)
    }

    pub(super) fn into_error_in(self, place: &str) -> Error {
        Error::settings(format!("{} (in {place})", self.said))
    }
}

/// A value, or a name, as a message shows it: on one line, between backquotes, not too long.
pub(super) fn shown(value: &str) -> String {
    let start: String = value
        .chars()
        .take(SHOWN)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let rest = if value.chars().count() > SHOWN {
        "…"
    } else {
        ""
    };
    format!("`{start}{rest}`")
}
