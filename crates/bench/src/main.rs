//! How fast it is, next to what a user would take instead, in one run on one machine:
//! `cargo run --release -p bench`.

mod races;
mod storable;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures, and prints a table of medians and ratios.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// What to measure; everything that has a speed if nothing is named.
    #[command(subcommand)]
    what: Option<What>,
    /// Print JSON instead of the table.
    #[arg(long, global = true)]
    json: bool,
    /// Fewer and shorter rounds: seconds instead of a minute, and a wider spread.
    #[arg(long, global = true)]
    quick: bool,
}

#[derive(Subcommand)]
enum What {
    /// Reading and writing Perl's Storable, against Perl's own.
    Storable,
    Races(races::Races),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if cfg!(debug_assertions) {
        eprintln!("This is a debug build: the figures mean nothing. Use --release.");
    }
    let rows = match &arguments.what {
        None | Some(What::Storable) => storable::measure(arguments.quick),
        Some(What::Races(races)) => return races::run(races),
    };
    match arguments.json {
        true => table::print_json(&rows),
        false => table::print(&rows),
    }
    ExitCode::SUCCESS
}
