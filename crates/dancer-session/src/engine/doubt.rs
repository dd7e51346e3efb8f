//! When the store does not say what became of a change, it is asked again with the same change,
//! which can tell its own work from that of others.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::Error;

/// Whether a change may have been carried out already.
pub(super) struct Doubt {
    pub(super) by: Instant,
    pub(super) unsure: bool,
    pause: Duration,
}

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

impl Doubt {
    pub(super) fn until(by: Instant) -> Self {
        Self {
            by,
            unsure: false,
            pause: Duration::ZERO,
        }
    }

    /// After an error: returns if it is worth asking again, else what to report. After the first
    /// time not at once: some faults come back as fast as they are asked for.
    pub(super) async fn again(&mut self, error: Error) -> Result<(), Error> {
        if error.is_unknown() && Instant::now() + self.pause < self.by {
            self.unsure = true;
            if !self.pause.is_zero() {
                sleep(self.pause).await;
            }
            self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
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
