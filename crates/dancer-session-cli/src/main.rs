//! The program `dancer-session`: reads its arguments, carries out one command, and tells by the exit
//! status how that went.

mod demo;

use std::fmt;
use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Sessions for web applications, kept in Redis.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves a page that counts its visits, to try the sessions with a browser.
    ///
    /// The sessions live in the Redis of --config, else in the one whose URL is in the environment
    /// variable REDIS_URL, else in the memory of this program.
    Demo(demo::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr();
    match carry_out(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("dancer-session: {failure}");
            failure.status()
        }
    }
}

/// Why a command could not be carried out, in one line.
#[derive(Debug)]
enum Failure {
    /// What was asked for is refused, whatever the circumstances.
    Usage(String),
    /// Something that is needed is missing or does not work.
    Broken(String),
}

impl Failure {
    fn status(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Broken(_) => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(line) | Self::Broken(line)) = self;
        f.write_str(line)
    }
}

impl From<dancer_session::Error> for Failure {
    fn from(error: dancer_session::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

fn carry_out(command: Command) -> Result<(), Failure> {
    let runtime = Runtime::new()
        .map_err(|error| Failure::Broken(format!("can't start the async runtime: {error}")))?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Demo(options) => demo::run(options).await,
        }
    });
    // Not dropped: that would wait for a look-up of a host name, which has no deadline.
    runtime.shutdown_background();
    outcome
}

/// Warnings and errors, or what `RUST_LOG` says.
fn log_to_stderr() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
        .with_writer(io::stderr)
        .init();
}
