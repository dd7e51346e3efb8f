//! A hand as tests see it: every part that decides what it will do.

use super::{Change, Hand, Mark, Origin, Read};

/// What a hand is made of.
pub(crate) struct Seen<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) changes: &'a [Change],
    pub(crate) changed: bool,
    pub(crate) doomed: Vec<(&'a Read, Option<Mark>)>,
    /// Its yes and no, as one number.
    pub(crate) flags: u8,
}

impl Hand {
    // The counters are missing on purpose: they only tell what happened during a flush.
    pub(crate) fn seen(&self) -> Seen<'_> {
        let flags = [
            self.renew,
            self.owner.is_some(),
            self.destroyed,
            self.too_late,
            self.pinned,
            self.unsure,
        ];
        Seen {
            origin: &self.origin,
            changes: &self.changes,
            changed: self.changed.is_some(),
            doomed: self
                .doomed
                .iter()
                .map(|doomed| (&doomed.read, doomed.mark))
                .collect(),
            flags: flags
                .iter()
                .fold(0, |flags, flag| flags << 1 | u8::from(*flag)),
        }
    }
}
