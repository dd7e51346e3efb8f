//! What was measured, and how it is printed.

use std::time::Duration;

use serde::Serialize;

/// One thing measured against another, in rounds that took turns.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) bytes: usize,
    /// Nanoseconds for one operation, median of the rounds.
    pub(crate) ours: f64,
    pub(crate) peer: f64,
    pub(crate) peer_name: &'static str,
    /// The peer's time in ours: above 1 we are faster. Median of the rounds.
    pub(crate) ratio: f64,
    /// The smallest and the largest ratio of a round.
    pub(crate) spread: (f64, f64),
}

/// The time of one operation, ours and the peer's, in one round.
pub(crate) type Round = (Duration, Duration);

impl Row {
    pub(crate) fn new(
        what: impl Into<String>,
        bytes: usize,
        peer_name: &'static str,
        rounds: &[Round],
    ) -> Self {
        let nanoseconds = |time: &Duration| time.as_secs_f64() * 1e9;
        let ratios = sorted(
            rounds
                .iter()
                .map(|(ours, peer)| nanoseconds(peer) / nanoseconds(ours)),
        );
        Self {
            what: what.into(),
            bytes,
            ours: median(&sorted(rounds.iter().map(|(ours, _)| nanoseconds(ours)))),
            peer: median(&sorted(rounds.iter().map(|(_, peer)| nanoseconds(peer)))),
            peer_name,
            ratio: median(&ratios),
            spread: (ratios[0], ratios[ratios.len() - 1]),
        }
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

/// One line for each row, for people.
#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
pub(crate) fn print(rows: &[Row]) {
    println!(
        "{:<22} {:>7} {:>11} {:>11}  {:<22} {:>6}  (spread)",
        "", "bytes", "ours", "peer", "peer", "ratio"
    );
    for row in rows {
        println!(
            "{:<22} {:>7} {:>8.0} ns {:>8.0} ns  {:<22} {:>5.2}x  ({:.2} to {:.2})",
            row.what,
            row.bytes,
            row.ours,
            row.peer,
            row.peer_name,
            row.ratio,
            row.spread.0,
            row.spread.1
        );
    }
    println!("\nMedians of rounds that took turns; above 1x ours is faster.");
}

/// The rows, for programs.
pub(crate) fn json(rows: &[Row]) -> String {
    serde_json::to_string_pretty(rows).expect("rows are plain data")
}
