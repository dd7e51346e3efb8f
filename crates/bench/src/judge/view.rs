//! One kind of work, as ratios are read off it.

use crate::figures::{Figures, Results, Turn};
use crate::plan::{SMALL, Work};

/// How all contenders did one kind of work; of none if it was not measured.
pub(super) struct View<'r>(&'r [Figures]);

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Rate,
    Process,
    P50,
}

impl Measure {
    fn of(self, turn: &Turn) -> f64 {
        match self {
            Self::Rate => turn.per_second,
            Self::Process => turn.process,
            Self::P50 => turn.p50,
        }
    }
}

impl<'r> View<'r> {
    /// With the fewest sessions it was measured with.
    pub(super) fn of(results: &'r Results, work: Work, tasks: usize) -> Self {
        let all = results.measured.iter().map(|measured| measured.cell);
        let these =
            all.filter(|cell| cell.work == work && cell.tasks == tasks && cell.bytes == SMALL);
        let fewest = these.map(|cell| cell.sessions).min();
        Self::among(results, work, tasks, fewest.unwrap_or_default())
    }

    pub(super) fn among(results: &'r Results, work: Work, tasks: usize, sessions: usize) -> Self {
        let found = results.measured.iter().find(|measured| {
            let cell = measured.cell;
            (cell.work, cell.tasks, cell.bytes, cell.sessions) == (work, tasks, SMALL, sessions)
        });
        Self(found.map_or(&[], |measured| &measured.figures))
    }

    /// A route of the web applications.
    pub(super) fn at(results: &'r Results, path: &str) -> Self {
        let found = results.http.iter().find(|route| route.path == path);
        Self(found.map_or(&[], |route| &route.figures))
    }

    pub(super) fn median(&self, contender: &str, measure: Measure) -> Option<f64> {
        let found = self.0.iter().find(|figures| figures.contender == contender);
        found.map(|figures| figures.median(|turn| measure.of(turn)))
    }

    /// Who is best at this among these: rates are good when high, times when low.
    pub(super) fn best(
        &self,
        among: impl Fn(&str) -> bool,
        measure: Measure,
    ) -> Option<&'static str> {
        let these = self.0.iter().filter(|figures| among(figures.contender));
        let goodness = |figures: &&Figures| match measure {
            Measure::Rate => figures.median(|turn| measure.of(turn)),
            Measure::Process | Measure::P50 => -figures.median(|turn| measure.of(turn)),
        };
        let best = these.max_by(|one, other| goodness(one).total_cmp(&goodness(other)));
        best.map(|figures| figures.contender)
    }

    pub(super) fn ratio(&self, ours: &str, theirs: &str, measure: Measure) -> Option<f64> {
        Some(self.median(ours, measure)? / self.median(theirs, measure)?)
    }
}
