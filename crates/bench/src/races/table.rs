//! The races, and what went wrong in them, as a table for people.

use super::Row;
use super::kinds::Wrong;

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
pub(super) fn print(seed: u64, rows: &[Row], blind: &[Row]) {
    println!(
        "{:<24} {:>7} {:>13} {:>14} {:>17}",
        "", "races", "lost updates", "resurrections", "crossed sessions"
    );
    for row in rows {
        line(row.kind, row.races, &row.wrong);
    }
    let (races, wrong) = sum(rows);
    line("all", races, &wrong);
    let (races, wrong) = sum(blind);
    line("in a store that is blind", races, &wrong);
    println!(
        "\nTwo engines with connections of their own, and in every second race one with itself; both \
         sides have\nread before either writes. Every third session has 20 KiB. Seed {seed}. The last \
         line is the same on a\nstore that writes without comparing: it shows that these races find what \
         goes wrong."
    );
}

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn line(kind: &str, races: usize, wrong: &Wrong) {
    println!(
        "{kind:<24} {races:>7} {:>13} {:>14} {:>17}",
        wrong.lost, wrong.resurrected, wrong.crossed
    );
}

fn sum(rows: &[Row]) -> (usize, Wrong) {
    let mut all = (0, Wrong::default());
    for row in rows {
        all.0 += row.races;
        all.1.add(row.wrong);
    }
    all
}
