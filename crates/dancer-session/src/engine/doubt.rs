//! When the store does not say what became of a change, it is asked again with the same change,
//! which can tell its own work from that of others.

use std::time::Instant;

use crate::Error;

/// Whether a change may have been carried out already.
pub(super) struct Doubt {
    by: Instant,
    pub(super) unsure: bool,
}

impl Doubt {
    pub(super) fn until(by: Instant) -> Self {
        Self { by, unsure: false }
    }

    /// After an error: returns if it is worth asking again, else what to report. Once a try got no
    /// answer, a later one that was not even sent does not mean that nothing was changed.
    pub(super) fn again(&mut self, error: Error) -> Result<(), Error> {
        if error.is_unknown() && Instant::now() < self.by {
            self.unsure = true;
            return Ok(());
        }
        if self.unsure && error.is_unavailable() && !error.is_unknown() {
            let words =
                format!("a change may have been stored, or not: no answer, and then: {error}");
            return Err(Error::unknown(words).because(error));
        }
        Err(error)
    }
}
