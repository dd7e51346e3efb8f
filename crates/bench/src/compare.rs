//! The comparison of the libraries: sessions are stored, checked, and worked with in turns.

mod house;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;

use self::house::House;
use crate::contender::{
    ACTIX_SESSION, ActixSession, Bare, Cached, Contender, OURS, Ours, POOLS, Pipelined,
    TOWER_SESSIONS, TowerSessions,
};
use crate::figures::{Figures, Measured, Memory, Results, Turn};
use crate::plan::{Cell, FEW, Group, Plan, Work};

/// How many contenders take turns, for the progress bar.
pub(crate) const CONTENDERS: usize = 8;

/// Measures all cells of the plan.
pub(crate) async fn run(plan: &Plan, bar: &ProgressBar) -> Results {
    let mut houses = Houses::open().await;
    let mut results = Results::default();
    for group in &plan.groups {
        let contenders = houses.fill(group, &mut results, bar).await;
        for cell in group.cells() {
            let found = rounds(cell, &contenders, &mut houses, plan, bar).await;
            results.measured.push(found);
        }
    }
    results
}

/// Has one contender do one kind of work for a while, for a profiler to look at.
pub(crate) async fn one(name: &str, work: Work, tasks: usize, bytes: usize, length: Duration) {
    let mut houses = Houses::open().await;
    let group = Group {
        bytes,
        sessions: FEW,
        works: vec![(work, tasks)],
    };
    let bar = ProgressBar::hidden();
    let contenders = houses.fill(&group, &mut Results::default(), &bar).await;
    let mut wanted = contenders.iter().filter(|one| one.name() == name);
    let Some(contender) = wanted.next() else {
        let names: Vec<_> = contenders.iter().map(Contender::name).collect();
        panic!("{name} is none of {}", names.join("; "));
    };
    for cell in group.cells() {
        let turn = houses.of(contender).turn(contender, cell, length).await;
        eprintln!("{turn:#?}");
    }
}

/// Each library has a server of its own, so that what is counted there is its work alone. The bare
/// client and the plain sockets share ours, because their sessions are ours.
pub(crate) struct Houses {
    ours: House,
    /// Apart, since whatever is done to a session there, the cache is told.
    cached: House,
    tower: House,
    actix: House,
}

impl Houses {
    pub(crate) async fn open() -> Self {
        Self {
            ours: House::open().await,
            cached: House::open().await,
            tower: House::open().await,
            actix: House::open().await,
        }
    }

    /// Empties the servers, has each library store its sessions, and checks that it has.
    pub(crate) async fn fill(
        &mut self,
        group: &Group,
        results: &mut Results,
        bar: &ProgressBar,
    ) -> Vec<Contender> {
        let url = |house: &House| house.server.url();
        let ours = Ours::connect(&self.ours.server).await;
        let first_pool = TowerSessions::connect(&url(&self.tower), POOLS[0]).await;
        let actix = ActixSession::connect(&url(&self.actix)).await;

        let mut memory = |contender, each| {
            let (bytes, sessions) = (group.bytes, group.sessions);
            results.memory.push(Memory {
                contender,
                bytes,
                sessions,
                each,
            });
        };
        bar.set_message(format!("storing {} sessions of ours", group.sessions));
        let (ids, each) = self.ours.fill(&ours, group).await;
        memory(OURS, each);
        let ours = ours.with(ids);
        let writer = Ours::connect(&self.cached.server).await;
        let (ids, _) = self.cached.fill(&writer, group).await;
        let writer = writer.with(ids);
        let cached = Cached::connect(&self.cached.server, writer, group.sessions).await;
        bar.set_message(format!("storing {} of tower-sessions", group.sessions));
        let (tower_ids, each) = self.tower.fill(&first_pool, group).await;
        memory(TOWER_SESSIONS, each);
        bar.set_message(format!("storing {} of actix-session", group.sessions));
        let (ids, each) = self.actix.fill(&actix, group).await;
        memory(ACTIX_SESSION, each);
        let actix = actix.with(ids);

        let keys = Arc::new(self.ours.keys(group.bytes).await);
        let server = &self.ours.server;
        let mut contenders = vec![
            Contender::Ours(ours),
            Contender::Cached(cached),
            Contender::Bare(Bare::connect(server, keys.clone()).await),
            Contender::Pipelined(Pipelined::new(server, keys)),
            Contender::ActixSession(actix),
        ];
        for pool in POOLS {
            let library = TowerSessions::connect(&url(&self.tower), pool).await;
            contenders.push(Contender::TowerSessions(library.with(&tower_ids)));
        }
        assert_eq!(contenders.len(), CONTENDERS);
        for contender in &contenders {
            contender.check().await;
        }
        contenders
    }

    fn of(&mut self, contender: &Contender) -> &mut House {
        match contender {
            Contender::Ours(_) | Contender::Bare(_) | Contender::Pipelined(_) => &mut self.ours,
            Contender::Cached(_) => &mut self.cached,
            Contender::TowerSessions(_) => &mut self.tower,
            Contender::ActixSession(_) => &mut self.actix,
        }
    }
}

/// All rounds of one cell. In each, all contenders have a turn, and each round another one begins, so
/// that noise hits all alike.
async fn rounds(
    cell: Cell,
    contenders: &[Contender],
    houses: &mut Houses,
    plan: &Plan,
    bar: &ProgressBar,
) -> Measured {
    let mut turns: BTreeMap<usize, Vec<Turn>> = BTreeMap::new();
    bar.set_message(format!(
        "{}, {} tasks, {} bytes, {} sessions",
        cell.work.name(),
        cell.tasks,
        cell.bytes,
        cell.sessions
    ));
    // A first, short turn of each warms it up.
    for contender in contenders.iter().filter(|contender| contender.does(cell)) {
        contender.work(cell, plan.length / 4).await;
    }
    for round in 0..plan.rounds(cell) {
        for turn in 0..contenders.len() {
            let at = (round + turn) % contenders.len();
            let contender = &contenders[at];
            bar.inc(1);
            if contender.does(cell) {
                let house = houses.of(contender);
                let turn = house.turn(contender, cell, plan.length).await;
                turns.entry(at).or_default().push(turn);
            }
        }
    }
    let figures = turns.into_iter().map(|(at, turns)| Figures {
        contender: contenders[at].name(),
        turns,
    });
    Measured {
        cell,
        figures: figures.collect(),
    }
}
