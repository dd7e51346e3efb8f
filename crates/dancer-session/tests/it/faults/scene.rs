//! A scenario: a server, a network, two engines and a load; a fault in the middle; and at the end
//! the question what was lost.

use std::sync::Arc;
use std::time::Duration;

use dancer_session::{SessionEngine, Settings};
use testbench::{Proxy, RedisServer};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::checker::{Remains, check};
use super::history::{Breach, Micros, now};
use super::load::{LIFE, Load, Plan};

pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) server: Arc<RedisServer>,
    pub(super) proxy: Proxy,
    /// Both behind the proxy: what two processes would have.
    pub(super) engines: Vec<SessionEngine>,
    pub(super) load: Arc<Load>,
    pub(super) seed: u64,
    timeout: Duration,
}

/// How long the parts of a scenario take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) before: Duration,
    pub(super) fault: Duration,
    pub(super) after: Duration,
    pub(super) browsers: usize,
}

/// The loss that a scenario allows: of what was acknowledged in this time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed {
    pub(super) from: Micros,
    pub(super) until: Micros,
}

/// What a scenario has shown.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) breaches: Vec<Breach>,
    pub(super) available: f64,
    pub(super) back_after: Option<Duration>,
    /// All of that in words.
    pub(super) line: String,
}

/// Whether the long forms were asked for.
pub(super) fn long() -> bool {
    std::env::var_os("DANCER_SESSION_LONG").is_some()
}

/// One seed, or twenty in the long form; with `DANCER_SESSION_SEED` that one alone.
pub(super) fn seeds() -> std::ops::Range<u64> {
    if let Ok(seed) = std::env::var("DANCER_SESSION_SEED") {
        let seed = seed.parse().expect("a number");
        return seed..seed + 1;
    }
    1..if long() { 21 } else { 2 }
}

impl Pace {
    pub(super) fn new() -> Self {
        let [before, fault, after] = match long() {
            true => [20, 10, 30],
            false => [1, 1, 1],
        }
        .map(Duration::from_secs);
        Self {
            before,
            fault,
            after,
            browsers: if long() { 200 } else { 40 },
        }
    }
}

impl Scene {
    /// With these arguments for the server.
    pub(super) async fn new(name: &'static str, seed: u64, arguments: &[&str]) -> Self {
        Self::with(name, seed, arguments, Plan::default()).await
    }

    pub(super) async fn with(
        name: &'static str,
        seed: u64,
        arguments: &[&str],
        plan: Plan,
    ) -> Self {
        let server = RedisServer::start_with(arguments);
        let proxy = Proxy::to(&server).await;
        let settings = Settings {
            server: Some(proxy.url()),
            timeout: plan.timeout,
            ..Settings::default()
        };
        let mut engines = Vec::new();
        for _ in 0..2 {
            engines.push(SessionEngine::init(settings.clone()).await.unwrap());
        }
        Self::on(name, seed, server, proxy, engines, plan)
    }

    /// With engines of the test's own.
    pub(super) fn on(
        name: &'static str,
        seed: u64,
        server: RedisServer,
        proxy: Proxy,
        engines: Vec<SessionEngine>,
        plan: Plan,
    ) -> Self {
        // Before anything can fail.
        eprintln!("{name}: seed {seed}");
        proxy.seed(seed);
        let browsers = Pace::new().browsers;
        Self {
            name,
            server: Arc::new(server),
            proxy,
            engines,
            timeout: plan.timeout,
            load: Load::new(&Plan { browsers, ..plan }),
            seed,
        }
    }

    /// Runs the load, with the fault from its first third to its second.
    pub(super) async fn run(
        &self,
        begin: impl AsyncFnOnce(&Self),
        heal: impl AsyncFnOnce(&Self),
    ) -> Report {
        let pace = Pace::new();
        let connections = self.connections().await;
        let clients = self.load.start(&self.engines, self.seed);
        sleep(pace.before).await;
        let begun = now();
        begin(self).await;
        sleep(pace.fault).await;
        heal(self).await;
        let healed = now();
        sleep(pace.after).await;
        self.load.stop(clients).await;
        self.report(begun, healed, connections).await
    }

    async fn report(&self, begun: Micros, healed: Micros, connections: usize) -> Report {
        self.recovered().await;
        let remains = Remains::of(&self.server).await;
        let mut breaches = self.load.history.breaches();
        breaches.extend(check(&self.load.history.records(), &remains));
        breaches.extend(self.browsers_hold_their_sessions().await);
        // What nobody knows must not change any more.
        sleep(Duration::from_millis(300)).await;
        if Remains::of(&self.server).await.differs_from(&remains) {
            breaches.push(Breach::strict(3, "what is stored still changes".to_owned()));
        }
        breaches.extend(self.connections_are_back(connections).await);
        let history = &self.load.history;
        let slowest = history.slowest();
        if slowest > 2 * self.timeout {
            breaches.push(Breach::strict(8, format!("a call took {slowest:?}")));
        }
        let [ok, fail, unknown] = history.counts();
        let available = history.availability(begun, healed);
        let back_after = history.first_ok_after(healed);
        let line = format!(
            "{}, seed {}: {ok} ok, {fail} fail, {unknown} unknown; {available:.1} % available during \
             the fault; first ok {:.0?} after healing; slowest call {:.0?}",
            self.name,
            self.seed,
            back_after.unwrap_or(Duration::MAX),
            slowest,
        );
        eprintln!("{line}");
        Report {
            breaches,
            available,
            back_after,
            line,
        }
    }

    /// Waits until both engines have noticed that all is well.
    async fn recovered(&self) {
        for engine in &self.engines {
            let mut tries = 0;
            while engine.retrieve(&"A".repeat(43)).await.is_err() {
                tries += 1;
                assert!(tries < 200, "{}: it does not recover", self.name);
                sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// N8: as many connections as there were before.
    async fn connections_are_back(&self, before: usize) -> Option<Breach> {
        let mut now = 0;
        for _ in 0..100 {
            now = self.connections().await;
            if now <= before {
                return None;
            }
            sleep(Duration::from_millis(100)).await;
        }
        let what = format!("there were {before} connections, there are {now}");
        Some(Breach::strict(8, what))
    }

    async fn connections(&self) -> usize {
        let info: String = self.ask("INFO clients").await.unwrap();
        let (_, rest) = info.split_once("connected_clients:").unwrap();
        rest.lines().next().unwrap().parse().unwrap()
    }

    /// N9: what a browser holds is its session still, unless a renew or destroy got no answer.
    async fn browsers_hold_their_sessions(&self) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for cookie in self.load.cookies().iter().filter(|cookie| !cookie.unclear) {
            let found = self.engines[0].retrieve(&cookie.id).await.unwrap();
            let life = found.and_then(|found| found.get::<u64>(LIFE).unwrap());
            if life != Some(cookie.life) {
                let what = format!("the browser of life {} found {life:?}", cookie.life);
                breaches.push(Breach::of(9, cookie.acknowledged, what));
            }
        }
        breaches
    }

    /// Runs something that keeps its thread waiting, such as starting a server.
    pub(super) async fn apart(&self, work: impl FnOnce(&RedisServer) + Send + 'static) {
        let server = Arc::clone(&self.server);
        spawn_blocking(move || work(&server)).await.unwrap();
    }

    /// A command of the test's own.
    pub(super) async fn ask<T: redis::FromRedisValue>(&self, line: &str) -> redis::RedisResult<T> {
        let mut command = redis::Cmd::new();
        for word in line.split(' ') {
            command.arg(word);
        }
        command
            .query_async(&mut self.server.connection().await)
            .await
    }
}

impl Report {
    /// Nothing lost, nothing undone, nothing mixed up: N1 to N9 without exception.
    pub(super) fn nothing_lost(&self) {
        let some: Vec<_> = self.breaches.iter().take(10).collect();
        let count = self.breaches.len();
        assert!(count == 0, "{}: {count} breaches: {some:#?}", self.line);
    }

    /// The same, but for what was acknowledged in this time; returns how much of that is lost.
    pub(super) fn lost_only(&self, allowed: Allowed) -> usize {
        let window = allowed.from..allowed.until;
        let excused = |breach: &&Breach| {
            let within = breach.acknowledged.iter().filter(|at| window.contains(at));
            let may = matches!(breach.invariant, 1 | 4 | 7 | 9);
            may && breach.lost > 0 && within.count() >= breach.lost
        };
        let lost = self.breaches.iter().filter(excused).count();
        let breaches: Vec<_> = self.breaches.iter().filter(|it| !excused(it)).collect();
        let count = breaches.len();
        let some = &breaches[..count.min(10)];
        assert!(count == 0, "{}: {count} breaches: {some:#?}", self.line);
        eprintln!("{}: {lost} of what was acknowledged is lost", self.line);
        lost
    }
}
