//! The results as Markdown and as JSON.

use std::fmt::{self, Write};

use serde::Serialize;

use crate::figures::{Figures, Results};
use crate::judge::{Demanded, Verdict};
use crate::machine::Machine;

/// All that a run leaves behind.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) verdicts: Vec<Verdict>,
    #[serde(flatten)]
    pub(crate) results: Results,
}

impl Report {
    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is plain data")
    }

    /// The tables.
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        self.write(&mut out)
            .expect("a string takes all that is written");
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        for measured in &self.results.measured {
            let cell = measured.cell;
            writeln!(
                out,
                "\n### {}: {} task{}, {} bytes, {} sessions\n",
                cell.work.name(),
                cell.tasks,
                if cell.tasks == 1 { "" } else { "s" },
                thousands(cell.bytes as f64),
                thousands(cell.sessions as f64)
            )?;
            table(out, &measured.figures, "process")?;
        }
        for route in &self.results.http {
            let connections = crate::http::CONNECTIONS;
            writeln!(
                out,
                "\n### HTTP {}: {connections} connections\n",
                route.path
            )?;
            table(out, &route.figures, "web server")?;
        }
        self.memory(out)?;
        self.judged(out)
    }

    fn memory(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\n### Memory of Redis for one session\n")?;
        writeln!(out, "| | payload of ours | sessions | bytes each |")?;
        writeln!(out, "|---|--:|--:|--:|")?;
        for memory in &self.results.memory {
            let (bytes, sessions) = (memory.bytes as f64, memory.sessions as f64);
            writeln!(
                out,
                "| {} | {} | {} | {} |",
                memory.contender,
                thousands(bytes),
                thousands(sessions),
                thousands(memory.each)
            )?;
        }
        Ok(())
    }

    fn judged(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\n### What is demanded\n")?;
        writeln!(out, "| | against | demanded | measured | |")?;
        writeln!(out, "|---|---|--:|--:|---|")?;
        for verdict in &self.verdicts {
            let demanded = match verdict.demanded {
                Demanded::AtLeast(least) => format!("at least {least:.2}"),
                Demanded::AtMost(most) => format!("at most {most:.2}"),
            };
            let measured = verdict
                .measured
                .map_or("".into(), |found| format!("{found:.2}"));
            let (what, against, word) = (verdict.what, &verdict.against, verdict.word());
            writeln!(
                out,
                "| {what} | {against} | {demanded} | {measured} | {word} |"
            )?;
        }
        writeln!(
            out,
            "\nMedians of rounds that took turns. {}",
            self.machine.sentence()
        )
    }
}

/// One line for each contender, the fastest first.
fn table(out: &mut String, figures: &[Figures], process: &str) -> fmt::Result {
    let rate = |figures: &Figures| figures.median(|turn| turn.per_second);
    let mut order: Vec<_> = figures.iter().collect();
    order.sort_by(|one, other| rate(other).total_cmp(&rate(one)));
    writeln!(
        out,
        "| | per second | ± | CPU µs, {process} | CPU µs, Redis | p50 µs | p99 µs | commands | bytes in | bytes out |"
    )?;
    writeln!(out, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
    for figures in order {
        writeln!(
            out,
            "| {} | {} | {:.0} % | {:.1} | {:.1} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} |",
            figures.contender,
            thousands(rate(figures)),
            figures.spread() * 100.0,
            figures.median(|turn| turn.process),
            figures.median(|turn| turn.server),
            figures.median(|turn| turn.p50),
            figures.median(|turn| turn.p99),
            figures.median(|turn| turn.commands),
            figures.median(|turn| turn.received),
            figures.median(|turn| turn.sent),
        )?;
    }
    Ok(())
}

/// A number as people read it: `12 345`.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
