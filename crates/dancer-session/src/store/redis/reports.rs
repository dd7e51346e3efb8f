//! What the log is told once in a while, however often it happens.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two reports of the same kind.
const PAUSE: Duration = Duration::from_secs(60);

/// When each kind was reported last.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<HashMap<&'static str, Instant>>);

impl Reports {
    /// Whether one of this kind is due now; it counts as made then.
    pub(super) fn is_due(&self, kind: &'static str, now: Instant) -> bool {
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
