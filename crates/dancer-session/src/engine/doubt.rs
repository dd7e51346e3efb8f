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

    /// After an error: returns if it is worth asking again, else what to report.
    pub(super) fn again(&mut self, error: Error) -> Result<(), Error> {
        if error.is_unknown() && Instant::now() < self.by {
            self.unsure = true;
            return Ok(());
        }
        Err(self.report(error))
    }

    /// What to report of an error: once a try got no answer, never that nothing was changed.
    pub(super) fn report(&self, error: Error) -> Error {
        if self.unsure && error.is_unavailable() && !error.is_unknown() {
            let words =
                format!("a change may have been stored, or not: no answer, and then: {error}");
            return Error::unknown(words).because(error);
        }
        error
    }
}
