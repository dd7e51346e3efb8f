//! Who is compared: each library as its documentation says to set it up, on the same sessions.

mod actix_session;
mod bare;
mod cached;
mod ours;
mod pipelined;
mod tower_sessions;

use std::time::Duration;

pub(crate) use self::actix_session::{ActixSession, ttl};
pub(crate) use self::bare::Bare;
pub(crate) use self::cached::Cached;
pub(crate) use self::ours::{Ours, settings};
pub(crate) use self::pipelined::Pipelined;
pub(crate) use self::tower_sessions::{POOLS, TowerSessions, expiry, store};
use crate::plan::Cell;
use crate::round::{Timed, tasks};

/// How long every session lives when nobody uses it.
pub(crate) const TTL: Duration = Duration::from_secs(900);

/// What a library does in the four kinds of work. Each method checks what it gets, and panics when
/// that is wrong: a figure for a wrong answer is worth nothing.
pub(crate) trait Library: Clone + Send + Sync + 'static {
    /// Takes the `nth` session into hand and reads one entry of it.
    fn retrieve(&self, nth: usize) -> impl Future<Output = ()> + Send;
    /// The same; then sets the entry `last` and stores the session.
    fn set(&self, nth: usize, value: u64) -> impl Future<Output = ()> + Send;
    /// The same; then adds one to the entry `visits` and stores the session.
    fn update(&self, nth: usize) -> impl Future<Output = ()> + Send;
    /// Stores a new session with the entries of the `nth`; returns its id.
    fn create(&self, nth: usize, bytes: usize) -> impl Future<Output = String> + Send;
    /// The entries `last` and `visits` as they are stored.
    fn look(&self, nth: usize) -> impl Future<Output = (u64, u64)> + Send;
}

/// One of those compared.
#[derive(Clone)]
pub(crate) enum Contender {
    Ours(Ours),
    Cached(Cached),
    TowerSessions(TowerSessions),
    ActixSession(ActixSession),
    Bare(Bare),
    Pipelined(Pipelined),
}

impl Contender {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Ours(_) => OURS,
            Self::Cached(_) => CACHED,
            Self::TowerSessions(library) => library.name(),
            Self::ActixSession(_) => ACTIX_SESSION,
            Self::Bare(_) => BARE,
            Self::Pipelined(_) => "the server, pipelined",
        }
    }

    /// Whether it can do this at all.
    pub(crate) fn does(&self, cell: Cell) -> bool {
        match self {
            Self::Pipelined(pipelined) => pipelined.does(cell),
            Self::Bare(_) => Bare::does(cell),
            Self::Cached(_) => Cached::does(cell),
            Self::Ours(_) | Self::TowerSessions(_) | Self::ActixSession(_) => true,
        }
    }

    /// Works for so long, with as many tasks as the cell says.
    pub(crate) async fn work(&self, cell: Cell, length: Duration) -> Timed {
        match self {
            Self::Ours(library) => tasks(library, cell, length).await,
            Self::Cached(cached) => cached.work(cell, length).await,
            Self::TowerSessions(library) => tasks(library, cell, length).await,
            Self::ActixSession(library) => tasks(library, cell, length).await,
            Self::Bare(library) => tasks(library, cell, length).await,
            Self::Pipelined(pipelined) => pipelined.work(cell, length).await,
        }
    }

    /// Stores something, and reads it back.
    pub(crate) async fn check(&self) {
        match self {
            Self::Ours(library) => check(library).await,
            Self::Cached(cached) => cached.check().await,
            Self::TowerSessions(library) => check(library).await,
            Self::ActixSession(library) => check(library).await,
            Self::Bare(library) => library.check().await,
            // It compares every reply with what it knows is stored.
            Self::Pipelined(_) => {}
        }
    }
}

pub(crate) const OURS: &str = "dancer-session";
/// With a cache, and somebody who writes.
pub(crate) const CACHED: &str = "dancer-session, cached, with a writer";
pub(crate) const CACHED_ON_AXUM: &str = "dancer-session on axum, cached";
pub(crate) const AXUM_ALONE: &str = "axum without sessions";
pub(crate) const OURS_ON_AXUM: &str = "dancer-session on axum";
pub(crate) const OURS_EACH_CORE: &str = "dancer-session on axum, a runtime for each core";
pub(crate) const TOWER_EACH_CORE: &str = "tower-sessions, pool of 1, a runtime for each core";
pub(crate) const AXUM_ALONE_EACH_CORE: &str = "axum without sessions, a runtime for each core";
pub(crate) const BARE: &str = "bare client";

/// The libraries that a user would pick instead.
pub(crate) fn is_peer(name: &str) -> bool {
    is_tower_sessions(name) || name == ACTIX_SESSION
}

/// As its documentation says, with any pool.
pub(crate) fn is_tower_sessions(name: &str) -> bool {
    POOLS.iter().any(|(_, pool)| *pool == name)
}

pub(crate) const TOWER_SESSIONS: &str = "tower-sessions";
pub(crate) const ACTIX_SESSION: &str = "actix-session";

/// Whether what this library sets and updates is really stored.
async fn check(library: &impl Library) {
    const VALUE: u64 = crate::entries::FIRST + 234_567;
    let (_, before) = library.look(0).await;
    library.set(0, VALUE).await;
    library.update(0).await;
    assert_eq!(library.look(0).await, (VALUE, before + 1));
}
