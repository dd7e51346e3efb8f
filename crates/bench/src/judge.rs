//! The ratios that decide whether we are fast enough, next to what they should be: ours to theirs,
//! medians of one run.

use serde::Serialize;

use self::view::{Measure, View};
use crate::contender::{
    ACTIX_SESSION, AXUM_ALONE, BARE, CACHED, CACHED_ON_AXUM, OURS, OURS_EACH_CORE, OURS_ON_AXUM,
    TOWER_EACH_CORE, TOWER_SESSIONS, is_peer, is_tower_sessions,
};
use crate::figures::Results;
use crate::plan::{FEW, MANY, SMALL, Work};

mod view;

/// One thing that is demanded of us.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) what: &'static str,
    pub(crate) against: String,
    pub(crate) demanded: Demanded,
    /// `None`: not measured in this run.
    pub(crate) measured: Option<f64>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Demanded {
    AtLeast(f64),
    AtMost(f64),
}

use Demanded::{AtLeast, AtMost};

impl Verdict {
    fn new(
        what: &'static str,
        against: impl Into<String>,
        demanded: Demanded,
        measured: Option<f64>,
    ) -> Self {
        Self {
            what,
            against: against.into(),
            demanded,
            measured,
        }
    }

    pub(crate) fn word(&self) -> &'static str {
        match (self.measured, self.demanded) {
            (None, _) => "not measured",
            (Some(found), AtLeast(least)) if found >= least => "ok",
            (Some(found), AtMost(most)) if found <= most => "ok",
            (Some(_), _) => "**short**",
        }
    }
}

/// All of them, in the order in which they are printed.
pub(crate) fn verdicts(results: &Results) -> Vec<Verdict> {
    let mut all = engine(results);
    all.extend(http(results));
    all.extend(memory(results));
    all.extend(drops(results));
    all
}

fn engine(results: &Results) -> Vec<Verdict> {
    let retrieve = View::of(results, Work::Retrieve, 64);
    let set = View::of(results, Work::Set, 64);
    let single = View::of(results, Work::Retrieve, 1);
    let to_best = |what, view: &View<'_>, measure, demanded| {
        let best = view.best(is_peer, measure);
        let against = best.map_or_else(String::new, |best| format!("best peer: {best}"));
        let ratio = best.and_then(|best| view.ratio(OURS, best, measure));
        Verdict::new(what, against, demanded, ratio)
    };
    let to_limit = |what, view: &View<'_>| {
        let ratio = view.ratio(OURS, BARE, Measure::Rate);
        Verdict::new(
            what,
            "bare client, same bytes and commands",
            AtLeast(0.85),
            ratio,
        )
    };
    vec![
        to_best(RETRIEVE, &retrieve, Measure::Rate, AtLeast(1.4)),
        to_best(SET, &set, Measure::Rate, AtLeast(1.5)),
        to_best(
            "the same, CPU time in the process",
            &set,
            Measure::Process,
            AtMost(0.55),
        ),
        to_limit(RETRIEVE, &retrieve),
        to_limit(SET, &set),
        to_best(
            "retrieve, one task, p50 latency",
            &single,
            Measure::P50,
            AtMost(0.9),
        ),
        Verdict::new(
            "cached retrieve, 64 tasks, one writer",
            "best peer's retrieve",
            AtLeast(6.0),
            retrieve
                .best(is_peer, Measure::Rate)
                .and_then(|best| retrieve.ratio(CACHED, best, Measure::Rate)),
        ),
    ]
}

const RETRIEVE: &str = "retrieve, 64 tasks";
const SET: &str = "retrieve + set + flush, 64 tasks";

fn http(results: &Results) -> Vec<Verdict> {
    let count = View::at(results, "/count");
    let rate = |peer| count.ratio(OURS_ON_AXUM, peer, Measure::Rate);
    let cached = |peer| count.ratio(CACHED_ON_AXUM, peer, Measure::Rate);
    let each_core = |peer| count.ratio(OURS_EACH_CORE, peer, Measure::Rate);
    let tower = count.best(is_tower_sessions, Measure::Rate);
    let against = |peer: &str| format!("{peer}, on the same axum");
    vec![
        Verdict::new(
            "HTTP counter, requests/s",
            tower.map_or_else(|| against(TOWER_SESSIONS), against),
            AtLeast(1.3),
            tower.and_then(rate),
        ),
        Verdict::new("the same", ACTIX_SESSION, AtLeast(1.1), rate(ACTIX_SESSION)),
        Verdict::new(
            "the same, ours with a cache",
            tower.map_or_else(|| against(TOWER_SESSIONS), against),
            AtLeast(1.3),
            tower.and_then(cached),
        ),
        Verdict::new(
            "the same",
            ACTIX_SESSION,
            AtLeast(1.1),
            cached(ACTIX_SESSION),
        ),
        Verdict::new(
            "the same, a runtime for each core",
            TOWER_EACH_CORE,
            AtLeast(1.3),
            each_core(TOWER_EACH_CORE),
        ),
        Verdict::new(
            "the same",
            format!("{ACTIX_SESSION}, which always has that"),
            AtLeast(1.1),
            each_core(ACTIX_SESSION),
        ),
        Verdict::new(
            "HTTP read of cached sessions, requests/s",
            AXUM_ALONE,
            AtLeast(0.85),
            View::at(results, "/read").ratio(CACHED_ON_AXUM, AXUM_ALONE, Measure::Rate),
        ),
    ]
}

/// Of as many sessions as there were at most.
fn memory(results: &Results) -> Vec<Verdict> {
    let each = |contender: &str| {
        let small = results.memory.iter().filter(|memory| memory.bytes == SMALL);
        let of = small.filter(|memory| memory.contender == contender);
        of.max_by_key(|memory| memory.sessions)
            .map(|memory| memory.each)
    };
    let ratio = |peer: &str| Some(each(OURS)? / each(peer)?);
    vec![
        Verdict::new(
            "memory for a session in Redis",
            ACTIX_SESSION,
            AtMost(1.0),
            ratio(ACTIX_SESSION),
        ),
        Verdict::new(
            "the same",
            TOWER_SESSIONS,
            AtMost(1.35),
            ratio(TOWER_SESSIONS),
        ),
    ]
}

/// By how much more than the bare client we are slower where there are a million sessions.
fn drops(results: &Results) -> Vec<Verdict> {
    let drop = |work, contender| {
        let few = View::among(results, work, 64, FEW).median(contender, Measure::Rate)?;
        let many = View::among(results, work, 64, MANY).median(contender, Measure::Rate)?;
        Some(1.0 - many / few)
    };
    let verdict = |what, work| {
        let more = drop(work, OURS)
            .zip(drop(work, BARE))
            .map(|(ours, bare)| ours - bare);
        Verdict::new(what, "the bare client's drop", AtMost(0.03), more)
    };
    vec![
        verdict("1 000 000 sessions, our drop: retrieve", Work::Retrieve),
        verdict("the same: retrieve + set + flush", Work::Set),
    ]
}

#[cfg(test)]
mod tests;
