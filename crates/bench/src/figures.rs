//! What was measured of one contender, and the medians of it.

use serde::Serialize;

use crate::census::Census;
use crate::plan::Cell;

/// What was done in one turn.
#[derive(Debug, PartialEq)]
pub(crate) struct Tally {
    pub(crate) operations: u64,
    /// Seconds that all of them took.
    pub(crate) took: f64,
    /// Microseconds that one took.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// One turn of one contender; times in microseconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Turn {
    pub(crate) per_second: f64,
    /// CPU time for one operation, in the process that uses the library (over HTTP: that of the web
    /// server).
    pub(crate) process: f64,
    /// The same in the Redis server.
    pub(crate) server: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// For one operation, as the Redis server has counted.
    pub(crate) commands: f64,
    pub(crate) received: f64,
    pub(crate) sent: f64,
}

impl Turn {
    /// `cpu` in seconds; `done`: what the Redis server did meanwhile.
    pub(crate) fn of(tally: &Tally, cpu: f64, done: &Census) -> Self {
        let operations = tally.operations.max(1) as f64;
        let microseconds = |seconds: f64| seconds * 1e6 / operations;
        Self {
            per_second: operations / tally.took,
            process: microseconds(cpu),
            server: microseconds(done.cpu),
            p50: tally.p50,
            p99: tally.p99,
            commands: done.commands() / operations,
            received: done.received / operations,
            sent: done.sent / operations,
        }
    }
}

/// All turns of one contender at one kind of work.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) contender: &'static str,
    pub(crate) turns: Vec<Turn>,
}

impl Figures {
    /// The median of the turns.
    pub(crate) fn median(&self, of: impl Fn(&Turn) -> f64) -> f64 {
        let sorted = sorted(self.turns.iter().map(of));
        let half = sorted.len() / 2;
        match sorted.len() % 2 {
            1 => sorted[half],
            _ => f64::midpoint(sorted[half - 1], sorted[half]),
        }
    }

    /// How far the slowest and the fastest turn are apart, in halves of the median.
    pub(crate) fn spread(&self) -> f64 {
        let sorted = sorted(self.turns.iter().map(|turn| turn.per_second));
        (sorted[sorted.len() - 1] - sorted[0]) / 2.0 / self.median(|turn| turn.per_second)
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// One kind of work, and how all did it.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    #[serde(flatten)]
    pub(crate) cell: Cell,
    pub(crate) figures: Vec<Figures>,
}

/// How many bytes of Redis' memory one session takes.
#[derive(Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) contender: &'static str,
    pub(crate) bytes: usize,
    pub(crate) sessions: usize,
    pub(crate) each: f64,
}

/// A route of a web application, and how all served it.
#[derive(Debug, Serialize)]
pub(crate) struct Route {
    pub(crate) path: &'static str,
    pub(crate) figures: Vec<Figures>,
}

/// All that a run has found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    pub(crate) measured: Vec<Measured>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) http: Vec<Route>,
}
