//! One contender's turn: tasks that work until the time is up, and what it took.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::contender::Library;
use crate::entries::FIRST;
use crate::figures::Tally;
use crate::plan::{Cell, Work};

/// How many operations there were, and how long each took, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Timed {
    pub(crate) operations: u64,
    pub(crate) latencies: Vec<u32>,
}

impl Timed {
    /// So many operations since then, that began and ended together.
    pub(crate) fn record(&mut self, start: Instant, operations: u64) {
        let took = start.elapsed().as_nanos();
        self.latencies.push(took.try_into().unwrap_or(u32::MAX));
        self.operations += operations;
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.latencies.extend(other.latencies);
    }

    /// `took`: seconds, of all operations together.
    pub(crate) fn tally(mut self, took: f64) -> Tally {
        Tally {
            operations: self.operations,
            took,
            p50: self.percentile(0.5),
            p99: self.percentile(0.99),
        }
    }

    /// The latency that this share of the operations did not exceed, in microseconds.
    fn percentile(&mut self, share: f64) -> f64 {
        if self.latencies.is_empty() {
            return 0.0;
        }
        let last = self.latencies.len() - 1;
        let at = (last as f64 * share).round() as usize;
        let (_, found, _) = self.latencies.select_nth_unstable(at);
        f64::from(*found) / 1000.0
    }
}

/// Does the work of this cell for so long, with sessions taken at random.
pub(crate) async fn tasks<L: Library>(library: &L, cell: Cell, length: Duration) -> Timed {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..cell.tasks {
        let library = library.clone();
        tasks.spawn(async move {
            let mut timed = Timed::default();
            let mut random = fastrand::Rng::new();
            while begun.elapsed() < length {
                let nth = random.usize(..cell.sessions);
                let start = Instant::now();
                match cell.work {
                    Work::Retrieve => library.retrieve(nth).await,
                    Work::Set => library.set(nth, random.u64(FIRST..2 * FIRST)).await,
                    Work::Update => library.update(nth).await,
                    Work::New => drop(library.create(nth, cell.bytes).await),
                }
                timed.record(start, 1);
            }
            timed
        });
    }
    let mut all = Timed::default();
    while let Some(timed) = tasks.join_next().await {
        all.add(timed.expect("a task saw what it expected"));
    }
    all
}

/// Stores so many new sessions, with the entries of the first, the second and so on; returns their
/// ids.
pub(crate) async fn fill<L: Library>(library: &L, sessions: usize, bytes: usize) -> Vec<String> {
    const TASKS: usize = 64;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let library = library.clone();
        tasks.spawn(async move {
            let mut made = Vec::new();
            for nth in (task..sessions).step_by(TASKS) {
                made.push((nth, library.create(nth, bytes).await));
            }
            made
        });
    }
    let mut ids = vec![String::new(); sessions];
    while let Some(made) = tasks.join_next().await {
        for (nth, id) in made.expect("a task saw what it expected") {
            ids[nth] = id;
        }
    }
    ids
}
