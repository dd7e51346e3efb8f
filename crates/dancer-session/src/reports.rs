//! What the log is told once in a while, however often it happens: in an outage every request has the
//! same to tell.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Error;

/// Between two reports of the same kind.
const PAUSE: Duration = Duration::from_secs(60);

/// When each kind was reported last.
#[derive(Debug, Default)]
pub(crate) struct Reports(Mutex<HashMap<&'static str, Instant>>);

impl Reports {
    /// Whether an event of this name is to be told as what it is, and not among the ordinary course of
    /// things.
    pub(crate) fn is_news(&self, event: &'static str, error: &Error) -> bool {
        !error.is_unavailable() || self.is_due(event, Instant::now())
    }

    /// Whether one of this kind is due now; it counts as made then.
    pub(crate) fn is_due(&self, kind: &'static str, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last
            .get(kind)
            .is_none_or(|last| now.saturating_duration_since(*last) >= PAUSE);
        if due {
            last.insert(kind, now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f18_one_report_of_a_kind_in_a_minute() {
        let (reports, now) = (Reports::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        assert!(reports.is_due("NOPERM", now));
        assert!(!reports.is_due("NOPERM", after(59)));
        assert!(reports.is_due("NOAUTH", after(59)), "another kind");
        assert!(reports.is_due("NOPERM", after(60)));
        assert!(!reports.is_due("NOPERM", after(119)));
    }
}
