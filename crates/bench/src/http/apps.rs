//! The same small web application on each framework: `/count` counts the visits of a visitor, `/read`
//! tells them. Each with the library set up as its documentation says, and once without sessions.

mod each_core;
mod on_actix;
mod on_axum;

use std::io;

use clap::ValueEnum;

use super::VISITORS;
use crate::contender::{
    ACTIX_SESSION, AXUM_ALONE, AXUM_ALONE_EACH_CORE, CACHED_ON_AXUM, OURS_EACH_CORE, OURS_ON_AXUM,
    POOLS, TOWER_EACH_CORE,
};

/// An application, as this program is told to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum App {
    AxumOurs,
    AxumOursCached,
    AxumTowerSessions1,
    AxumTowerSessions2,
    AxumTowerSessions6,
    AxumAlone,
    AxumOursEachCore,
    AxumTowerSessionsEachCore,
    AxumAloneEachCore,
    ActixSession,
    ActixAlone,
}

impl App {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AxumOurs => OURS_ON_AXUM,
            Self::AxumOursCached => CACHED_ON_AXUM,
            Self::AxumTowerSessions1 => POOLS[0].1,
            Self::AxumTowerSessions2 => POOLS[1].1,
            Self::AxumTowerSessions6 => POOLS[2].1,
            Self::AxumAlone => AXUM_ALONE,
            Self::AxumOursEachCore => OURS_EACH_CORE,
            Self::AxumTowerSessionsEachCore => TOWER_EACH_CORE,
            Self::AxumAloneEachCore => AXUM_ALONE_EACH_CORE,
            Self::ActixSession => ACTIX_SESSION,
            Self::ActixAlone => "actix-web without sessions",
        }
    }

    pub(crate) fn has_sessions(self) -> bool {
        !matches!(
            self,
            Self::AxumAlone | Self::AxumAloneEachCore | Self::ActixAlone
        )
    }

    /// Serves on a free port, which it prints, until its input ends: with who started it.
    pub(crate) fn serve(self, redis: &str) {
        std::thread::spawn(|| {
            // An error is an end, too.
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            std::process::exit(0);
        });
        match self {
            Self::AxumOurs => on_axum::serve(on_axum::ours(redis, 0)),
            // Its room is in parts, of which some would be too small for all that fall to them.
            Self::AxumOursCached => on_axum::serve(on_axum::ours(redis, 2 * VISITORS)),
            Self::AxumTowerSessions1 => on_axum::serve(on_axum::tower_sessions(redis, POOLS[0].0)),
            Self::AxumTowerSessions2 => on_axum::serve(on_axum::tower_sessions(redis, POOLS[1].0)),
            Self::AxumTowerSessions6 => on_axum::serve(on_axum::tower_sessions(redis, POOLS[2].0)),
            Self::AxumAlone => on_axum::serve(on_axum::alone()),
            Self::AxumOursEachCore => each_core::serve(|| on_axum::ours(redis, 0)),
            Self::AxumTowerSessionsEachCore => {
                each_core::serve(|| on_axum::tower_sessions(redis, POOLS[0].0));
            }
            Self::AxumAloneEachCore => each_core::serve(on_axum::alone),
            Self::ActixSession => on_actix::with_sessions(redis),
            Self::ActixAlone => on_actix::alone(),
        }
    }
}

/// Threads of each.
const WORKERS: usize = 2;

/// Tells who started this where it listens.
#[expect(clippy::print_stdout, reason = "it is read by who started this")]
fn announce(port: u16) {
    println!("{port}");
}
