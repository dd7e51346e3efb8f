//! How fast it is, next to what a user would take instead, in one run on one machine:
//! `cargo run --release -p bench`. What is measured, and how: README.md beside this.

#[cfg(feature = "allocations")]
mod allocations;
mod census;
mod compare;
mod contender;
mod entries;
mod figures;
mod http;
mod judge;
mod machine;
mod plan;
mod plot;
mod races;
mod report;
mod round;
mod storable;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use self::http::apps::App;
use self::machine::Machine;
use self::plan::{Plan, Work};
use self::report::Report;

/// Measures, and prints tables of medians and ratios.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// What to measure; without it, the session libraries side by side.
    #[command(subcommand)]
    what: Option<What>,
    /// Write all figures as JSON into this file.
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a picture of the main figures into this file, as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Fewer and shorter rounds of what matters most: a minute and a half instead of eighteen, and a
    /// wider spread.
    #[arg(long, global = true)]
    quick: bool,
}

#[derive(Subcommand)]
enum What {
    /// Reading and writing Perl's Storable, against Perl's own.
    Storable,
    Races(races::Races),
    /// One contender at one kind of work, for a profiler to look at.
    One {
        /// As the tables name it.
        contender: String,
        work: Work,
        tasks: usize,
        seconds: f64,
        /// How long a session's payload is.
        #[arg(long, default_value_t = plan::SMALL)]
        bytes: usize,
    },
    /// How often each contender asks for memory, for one operation.
    #[cfg(feature = "allocations")]
    Allocations,
    /// Be one of the web applications that are compared.
    #[command(hide = true)]
    Serve {
        app: App,
        redis: String,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if cfg!(debug_assertions) {
        eprintln!("This is a debug build: the figures mean nothing. Use --release.");
    }
    let json = arguments.json.as_deref();
    match arguments.what {
        None if !http::is_possible() => {
            eprintln!(
                "The web applications are visited by wrk. Please install it: apt-get install wrk"
            );
            return ExitCode::FAILURE;
        }
        None => compare(arguments.quick, json, arguments.plot.as_deref()),
        Some(What::Storable) => {
            let rows = storable::measure(arguments.quick);
            table::print(&rows);
            write(json, || table::json(&rows));
        }
        Some(What::One {
            contender,
            work,
            tasks,
            seconds,
            bytes,
        }) => {
            let length = Duration::from_secs_f64(seconds);
            runtime().block_on(compare::one(&contender, work, tasks, bytes, length));
        }
        #[cfg(feature = "allocations")]
        Some(What::Allocations) => allocations::print(),
        Some(What::Races(races)) => return races::run(&races),
        Some(What::Serve { app, redis }) => app.serve(&redis),
    }
    ExitCode::SUCCESS
}

/// The session libraries side by side.
#[expect(
    clippy::print_stdout,
    reason = "the tables are what this program is for"
)]
fn compare(quick: bool, json: Option<&Path>, plot: Option<&Path>) {
    let machine = Machine::here();
    let plan = if quick { Plan::quick() } else { Plan::full() };
    let turns = plan.turns(compare::CONTENDERS) + http::turns(&plan);
    let bar = ProgressBar::new(turns as u64);
    let style = ProgressStyle::with_template("{msg:60} {wide_bar} {eta}");
    bar.set_style(style.expect("the template is right"));
    let results = runtime().block_on(async {
        let mut results = compare::run(&plan, &bar).await;
        results.http = http::run(&plan, &bar).await;
        results
    });
    bar.finish_and_clear();
    let verdicts = judge::verdicts(&results);
    let report = Report {
        machine,
        verdicts,
        results,
    };
    println!("{}", report.markdown());
    write(json, || report.json());
    write(plot, || {
        plot::svg(&report.results, &report.machine.sentence())
    });
}

/// What all libraries run on.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads can be started")
}

/// Writes this into a file, if one was named.
fn write(path: Option<&Path>, text: impl FnOnce() -> String) {
    let Some(path) = path else { return };
    if let Err(error) = fs::write(path, text()) {
        eprintln!("{}: {error}", path.display());
        std::process::exit(1);
    }
}
