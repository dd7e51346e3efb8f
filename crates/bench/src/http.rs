//! The comparison over HTTP: each application in a process of its own, with a Redis server of its own,
//! visited in turns.

pub(crate) mod apps;
mod load;

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::ProgressBar;
use redis::aio::MultiplexedConnection;
use testbench::RedisServer;

use self::apps::App;
use self::load::{Page, Visitors};
use crate::census::{Census, cpu_of};
use crate::figures::{Figures, Route, Turn};
use crate::plan::Plan;

/// Connections that the visitors of an application have.
pub(crate) const CONNECTIONS: usize = 64;
const VISITORS: usize = 1024;
const PAGES: [Page; 2] = [Page::Count, Page::Read];

/// How many turns there are, for the progress bar.
pub(crate) fn turns(plan: &Plan) -> usize {
    App::value_variants().len() * PAGES.len() * plan.rounds
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
            site.turn(page, plan.http / 4).await;
        }
        for round in 0..plan.rounds {
            for turn in 0..sites.len() {
                let at = (round + turn) % sites.len();
                turns[at].push(sites[at].turn(page, plan.http).await);
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

/// An application that serves, and its visitors.
struct Site {
    name: &'static str,
    process: Process,
    visitors: Visitors,
    connection: MultiplexedConnection,
    _server: RedisServer,
}

impl Site {
    async fn open(app: App) -> Self {
        let server = RedisServer::start_tcp();
        let (process, port) = Process::start(app, &server.url());
        let sessions = app.has_sessions();
        Self {
            name: app.name(),
            process,
            visitors: Visitors::introduce(port, sessions, CONNECTIONS, VISITORS).await,
            connection: server.connection().await,
            _server: server,
        }
    }

    async fn turn(&mut self, page: Page, length: Duration) -> Turn {
        let before = Census::of(&mut self.connection).await;
        let cpu = cpu_of(self.process.0.id());
        let start = Instant::now();
        let mut timed = self.visitors.visit(page, length).await;
        let took = start.elapsed().as_secs_f64();
        let cpu = cpu_of(self.process.0.id()) - cpu;
        let done = Census::of(&mut self.connection).await.since(&before);
        Turn::of(&mut timed, took, cpu, &done)
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
