//! How often each contender asks for memory, for one operation.

use std::time::Duration;

use indicatif::ProgressBar;
use tokio::runtime::{Builder, Runtime};

use crate::compare::Houses;
use crate::contender::{ACTIX_SESSION, BARE, Contender, OURS, is_tower_sessions};
use crate::figures::Results;
use crate::plan::{Cell, FEW, Group, SMALL, Work};

const TASKS: usize = 16;
const LENGTH: Duration = Duration::from_millis(300);

/// What was asked for, for one operation.
struct Asked {
    times: f64,
    bytes: f64,
}

/// Counts, and prints a table. One thread does all, because the counter counts what a thread asks for.
#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
pub(crate) fn print() {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let works = [Work::Retrieve, Work::Set, Work::Update, Work::New];
    let group = Group {
        bytes: SMALL,
        sessions: FEW,
        works: works.map(|work| (work, TASKS)).into(),
    };
    let (_houses, contenders) = runtime.block_on(async {
        let mut houses = Houses::open().await;
        let (mut results, bar) = (Results::default(), ProgressBar::hidden());
        let contenders = houses.fill(&group, &mut results, &bar).await;
        (houses, contenders)
    });
    let head: Vec<_> = group.cells().map(|cell| cell.work.name()).collect();
    println!("| | {} |", head.join(" | "));
    println!("|---|{}", "--:|".repeat(head.len()));
    for contender in contenders.iter().filter(|one| is_shown(one.name())) {
        let asked = group.cells().map(|cell| match contender.does(cell) {
            true => {
                let Asked { times, bytes } = count(&runtime, contender, cell);
                format!("{times:.1} ({bytes:.0} bytes)")
            }
            false => String::new(),
        });
        let asked: Vec<_> = asked.collect();
        println!("| {} | {} |", contender.name(), asked.join(" | "));
    }
}

fn is_shown(name: &str) -> bool {
    // Pools differ in nothing but the number of connections.
    [OURS, BARE, ACTIX_SESSION].contains(&name) || is_tower_sessions(name) && name.ends_with(" 1")
}

fn count(runtime: &Runtime, contender: &Contender, cell: Cell) -> Asked {
    // First all that is asked for only once.
    runtime.block_on(contender.work(cell, LENGTH / 4));
    let mut operations = 0;
    let asked = allocation_counter::measure(|| {
        operations = runtime.block_on(contender.work(cell, LENGTH)).operations;
    });
    Asked {
        times: asked.count_total as f64 / operations as f64,
        bytes: asked.bytes_total as f64 / operations as f64,
    }
}
