//! Text that is nearly always short.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use arrayvec::ArrayString;

/// Text that takes an allocation of its own only if it is longer than `N` bytes.
#[derive(Clone)]
pub(crate) enum Text<const N: usize> {
    Short(ArrayString<N>),
    Long(Arc<str>),
}

impl<const N: usize> From<&str> for Text<N> {
    fn from(text: &str) -> Self {
        match ArrayString::from(text) {
            Ok(text) => Self::Short(text),
            Err(_) => Self::Long(text.into()),
        }
    }
}

impl<const N: usize> Deref for Text<N> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Short(text) => text,
            Self::Long(text) => text,
        }
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_what_it_was() {
        for text in ["", "abcd", "abcde", "ä", "äöü"] {
            assert_eq!(&*Text::<4>::from(text), text);
        }
        assert!(matches!(Text::<4>::from("äö"), Text::Short(_)));
        assert!(matches!(Text::<4>::from("äöü"), Text::Long(_)));
    }
}
