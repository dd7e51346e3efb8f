//! The comparison over HTTP: each application in a process of its own, with a Redis server of its own,
//! visited by `wrk` in turns.

pub(crate) mod apps;
mod line;
mod visitors;
mod wrk;

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use clap::ValueEnum;
use indicatif::ProgressBar;
use redis::aio::MultiplexedConnection;
use testbench::RedisServer;

use self::apps::App;
use self::visitors::Visitors;
use self::wrk::Wrk;
use crate::census::{Census, cpu_of};
use crate::figures::{Figures, Route, Turn};
use crate::plan::Plan;

/// Connections that the visitors of an application have.
pub(crate) const CONNECTIONS: usize = 64;
const VISITORS: usize = 1024;
const PAGES: [Page; 2] = [Page::Count, Page::Read];

/// Which path is asked for, and what it does to the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    Count,
    Read,
}

impl Page {
    fn path(self) -> &'static str {
        match self {
            Self::Count => "/count",
            Self::Read => "/read",
        }
    }
}

/// Whether everything is installed that [`run`] needs.
pub(crate) fn is_possible() -> bool {
    Wrk::is_installed()
}

/// How many turns there are, for the progress bar.
pub(crate) fn turns(plan: &Plan) -> usize {
    App::value_variants().len() * PAGES.len() * (1 + plan.http)
}

pub(crate) async fn run(plan: &Plan, bar: &ProgressBar) -> Vec<Route> {
    let mut sites = Vec::new();
    for &app in App::value_variants() {
        bar.set_message(format!("starting {}", app.name()));
        sites.push(Site::open(app).await);
    }
    let mut routes = Vec::new();
    for page in PAGES {
        bar.set_message(format!("{} over HTTP", page.path()));
        let mut turns: Vec<Vec<Turn>> = sites.iter().map(|_| Vec::new()).collect();
        for site in &mut sites {
            site.turn(page, Look::AtEach).await;
            bar.inc(1);
        }
        for round in 0..plan.http {
            for turn in 0..sites.len() {
                let at = (round + turn) % sites.len();
                turns[at].push(sites[at].turn(page, Look::AtSums).await);
                bar.inc(1);
            }
        }
        let figures = sites.iter().zip(turns).map(|(site, turns)| Figures {
            contender: site.name,
            turns,
        });
        routes.push(Route {
            path: page.path(),
            figures: figures.collect(),
        });
    }
    routes
}

/// What of the answers is looked at.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// Each, in a turn that is not timed: it takes wrk a tenth of its speed.
    AtEach,
    /// What all of them have done to the counters.
    AtSums,
}

/// An application that serves, and its visitors.
struct Site {
    name: &'static str,
    process: Process,
    visitors: Visitors,
    wrk: Wrk,
    connection: MultiplexedConnection,
    _server: RedisServer,
}

impl Site {
    async fn open(app: App) -> Self {
        let server = RedisServer::start_tcp();
        let (process, port) = Process::start(app, &server.url());
        let visitors = Visitors::introduce(port, app.has_sessions());
        Self {
            name: app.name(),
            process,
            wrk: Wrk::new(server.directory(), port, &visitors.cookies),
            visitors,
            connection: server.connection().await,
            _server: server,
        }
    }

    /// Waits for `wrk` without letting others work: there is nothing else to do.
    async fn turn(&mut self, page: Page, look: Look) -> Turn {
        let stand = match look {
            Look::AtEach => self.visitors.stand(),
            Look::AtSums => None,
        };
        let before = Census::of(&mut self.connection).await;
        let cpu = cpu_of(self.process.0.id());
        let visited = self.wrk.visit(page, stand);
        let cpu = cpu_of(self.process.0.id()) - cpu;
        let done = Census::of(&mut self.connection).await.since(&before);
        let tally = visited.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let checked = self.visitors.check(page, tally.operations);
        checked.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        Turn::of(&tally, cpu, &done)
    }
}

/// This program as a web application; ends when dropped.
struct Process(Child);

impl Process {
    fn start(app: App, redis: &str) -> (Self, u16) {
        let app = app.to_possible_value().expect("no application is hidden");
        let this = env::current_exe().expect("this program has a path");
        let mut child = Command::new(this)
            .args(["serve", app.get_name(), redis])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can start itself");
        let out = child.stdout.take().expect("the output is a pipe");
        let mut line = String::new();
        let read = BufReader::new(out).read_line(&mut line);
        read.expect("the application tells its port");
        let port = line.trim_end().parse().expect("a port is a number");
        (Self(child), port)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Errors would mean that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
