//! What is measured: kinds of work, and how often and how long each.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

/// What each task does, over and over, with sessions taken at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    Retrieve,
    Set,
    Update,
    New,
}

impl Work {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Retrieve => "retrieve",
            Self::Set => "retrieve + set + flush",
            Self::Update => "retrieve + update + flush",
            Self::New => "new session",
        }
    }
}

/// One thing that all contenders do in turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Cell {
    pub(crate) work: Work,
    pub(crate) tasks: usize,
    /// How long our payload of such a session is.
    pub(crate) bytes: usize,
    /// How many sessions each server has.
    pub(crate) sessions: usize,
}

impl Cell {
    /// Whether something is demanded of us here.
    fn is_judged(self) -> bool {
        let judged: &[_] = match self.sessions {
            FEW => &[(Work::Retrieve, 1), (Work::Retrieve, 64), (Work::Set, 64)],
            MANY => &[(Work::Retrieve, 64), (Work::Set, 64)],
            _ => &[],
        };
        judged.contains(&(self.work, self.tasks)) && self.bytes == SMALL
    }
}

/// Cells on the same sessions.
pub(crate) struct Group {
    pub(crate) bytes: usize,
    pub(crate) sessions: usize,
    /// New sessions come last: they change how many there are.
    pub(crate) works: Vec<(Work, usize)>,
}

impl Group {
    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell> {
        self.works.iter().map(|&(work, tasks)| Cell {
            work,
            tasks,
            bytes: self.bytes,
            sessions: self.sessions,
        })
    }
}

/// The whole run.
pub(crate) struct Plan {
    pub(crate) groups: Vec<Group>,
    rounds: usize,
    /// Where something is demanded of us: the machine may be fast in one and slow in the next.
    judged_rounds: usize,
    /// Of one contender's turn.
    pub(crate) length: Duration,
    /// How many rounds there are over HTTP, where a turn takes a second: as many as where something is demanded of us.
    pub(crate) http: usize,
}

impl Plan {
    /// About eighteen minutes.
    pub(crate) fn full() -> Self {
        use Work::{New, Retrieve, Set, Update};
        let every = [Retrieve, Set, Update, New];
        let by_tasks = every
            .iter()
            .flat_map(|&work| [1, 16, 64, 256].map(|tasks| (work, tasks)));
        let group = |bytes, sessions, works: &[Work]| Group {
            bytes,
            sessions,
            works: works.iter().map(|&work| (work, 64)).collect(),
        };
        Self {
            groups: vec![
                Group {
                    works: by_tasks.collect(),
                    ..group(SMALL, FEW, &[])
                },
                group(4096, FEW, &every),
                group(65_536, FEW, &every),
                group(SMALL, 100_000, &[Retrieve, Set]),
                group(SMALL, MANY, &[Retrieve, Set]),
            ],
            rounds: 7,
            judged_rounds: 15,
            length: Duration::from_millis(300),
            http: 15,
        }
    }

    /// About a minute and a half: what the judged ratios need, but for the million sessions.
    pub(crate) fn quick() -> Self {
        let mut works = [Work::Retrieve, Work::Set, Work::Update, Work::New]
            .map(|work| (work, 64))
            .to_vec();
        works.insert(0, (Work::Retrieve, 1));
        Self {
            groups: vec![Group {
                bytes: SMALL,
                // More than a few, so that the memory of one is known.
                sessions: 10_000,
                works,
            }],
            rounds: 5,
            judged_rounds: 5,
            length: Duration::from_millis(150),
            http: 2,
        }
    }

    pub(crate) fn rounds(&self, cell: Cell) -> usize {
        match cell.is_judged() {
            true => self.judged_rounds,
            false => self.rounds,
        }
    }

    pub(crate) fn turns(&self, contenders: usize) -> usize {
        let cells = self.groups.iter().flat_map(Group::cells);
        cells.map(|cell| self.rounds(cell) * contenders).sum()
    }
}

/// The bytes of a session as most applications have it, and how few and how many of them.
pub(crate) const SMALL: usize = 350;
pub(crate) const FEW: usize = 1_000;
pub(crate) const MANY: usize = 1_000_000;
