//! Races between two engines, and of one with itself, forced, and what went wrong in them: `… races`.

mod blind;
mod kinds;
mod table;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use dancer_session::{RedisStore, SessionEngine, Settings};
use indicatif::ProgressBar;
use testbench::RedisServer;
use tokio::runtime::Builder;

use self::blind::Blind;
use self::kinds::{KINDS, Kind, Sides, Wrong};

/// Forces races between two engines that share a Redis, and between two requests of one, and prints what
/// went wrong in them: nothing. Every third is about a session of 20 KiB.
#[derive(Args)]
pub(crate) struct Races {
    /// How many races, of all kinds together.
    #[arg(long, default_value_t = 10_000)]
    count: usize,
    /// Chooses who begins in each race.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What the races of one kind came to.
pub(crate) struct Row {
    kind: &'static str,
    races: usize,
    wrong: Wrong,
}

/// Runs the races; fails if anything went wrong, or if nothing does where it has to.
pub(crate) fn run(races: &Races) -> ExitCode {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("two threads can be started");
    runtime.block_on(async {
        // Who finds nothing in a store that writes blindly will find nothing anywhere.
        let found = all(Place::start(true).await, SELF_TEST, races.seed, None).await;
        let sound = found.iter().map(|row| row.wrong.total()).sum::<usize>() > 0;
        let bar = ProgressBar::new(races.count as u64);
        let rows = all(
            Place::start(false).await,
            races.count,
            races.seed,
            Some(&bar),
        )
        .await;
        bar.finish_and_clear();
        table::print(races.seed, &rows, &found);
        let right = rows.iter().all(|row| row.wrong.total() == 0);
        if right && sound {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    })
}

const SELF_TEST: usize = 140;

/// A server of its own, and two engines that know nothing of each other.
struct Place {
    engines: [SessionEngine; 2],
    _server: Arc<RedisServer>,
}

impl Place {
    async fn start(blind: bool) -> Self {
        let server = Arc::new(RedisServer::start());
        let engine = || async {
            let settings = Settings {
                sock: Some(server.sock().to_owned()),
                timeout: std::time::Duration::from_secs(20),
                ..Settings::default()
            };
            let engine = if blind {
                let store = RedisStore::connect(&settings).await;
                let store = Blind(store.expect("the server was started for this"));
                SessionEngine::builder(settings).with_store(store)
            } else {
                SessionEngine::init(settings).await
            };
            engine.expect("the server was started for this")
        };
        Self {
            engines: [engine().await, engine().await],
            _server: server,
        }
    }
}

/// So many races, the kinds in turn.
async fn all(place: Place, count: usize, seed: u64, bar: Option<&ProgressBar>) -> Vec<Row> {
    let mut rows: Vec<Row> = KINDS.iter().map(|(kind, _)| Row::new(kind)).collect();
    let mut dice = seed;
    for race in 0..count {
        let at = race % KINDS.len();
        let run: Kind = KINDS[at].1;
        // Who is first in line differs; who is first in the store, the scheduler decides.
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mut engines = place.engines.clone();
        if dice >> 63 == 1 {
            engines.reverse();
        }
        let round = race / KINDS.len();
        if round % 2 == 1 {
            engines[1] = engines[0].clone();
        }
        let long = round % 3 == 2;
        let wrong = run(Sides { engines, long }).await;
        rows[at].races += 1;
        rows[at].wrong.add(wrong);
        if let Some(bar) = bar {
            bar.inc(1);
        }
    }
    rows
}

impl Row {
    fn new(kind: &'static str) -> Self {
        Self {
            kind,
            races: 0,
            wrong: Wrong::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn r10_r12_nothing_goes_wrong_in_a_race() {
        for row in all(Place::start(false).await, 700, 1, None).await {
            assert_eq!(row.wrong.total(), 0, "{}", row.kind);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_races_find_what_a_blind_store_does() {
        let rows = all(Place::start(true).await, SELF_TEST, 1, None).await;
        let lost: usize = rows.iter().map(|row| row.wrong.lost).sum();
        let resurrected: usize = rows.iter().map(|row| row.wrong.resurrected).sum();
        assert!(lost > 0 && resurrected > 0, "{lost} and {resurrected}");
    }
}
