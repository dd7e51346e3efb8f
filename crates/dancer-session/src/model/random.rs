//! Steps chosen by a seed, on a real Redis and in both layouts.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, UNIX_EPOCH};

use redis::aio::MultiplexedConnection;
use testbench::RedisServer;

use super::broken::Fault;
use super::faulty::Net;
use super::judge::{CANARY, Ledger, judge};
use super::node::{FIRST, OTHER};
use super::programs::{PAST_THE_IDLE_LIMIT, PAST_THE_STUB};
use super::request::Holds;
use super::rig::{OWNER, Rig, START};
use super::step::{Step, Steps, Which};
use super::world::{Entries, World};
use crate::{Layout, RedisStore, Session, Settings};

/// How many steps a sequence has.
const LENGTH: usize = 24;

/// A server, and an engine whose sessions are in it.
struct Walk {
    rig: Rig,
    server: RedisServer,
    connection: MultiplexedConnection,
    canary: Vec<u8>,
}

/// Walks so many sequences, each from a seed of its own; the error names the one that shows what is
/// wrong.
pub(super) fn walk(
    layout: Layout,
    fault: Option<Fault>,
    seed: u64,
    sequences: u64,
) -> Result<usize, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime without threads can be had");
    runtime.block_on(async {
        let mut walk = Walk::new(layout, fault).await;
        let mut steps = 0;
        for seed in seed..seed + sequences {
            let walked = walk.sequence(seed).await;
            steps += walked.map_err(|why| format!("MODEL_SEED={seed}, {layout:?}: {why}"))?;
        }
        Ok(steps)
    })
}

impl Walk {
    async fn new(layout: Layout, fault: Option<Fault>) -> Self {
        let server = RedisServer::start();
        let settings = Settings {
            sock: Some(server.sock().to_owned()),
            ..Rig::settings(layout)
        };
        let store = RedisStore::connect(&settings).await;
        let store = Arc::new(store.expect("the server was started for this"));
        Self {
            rig: Rig::new(store, layout, fault, Rig::clock()),
            connection: server.connection().await,
            server,
            canary: Vec::new(),
        }
    }

    /// One sequence on an empty server, judged at each step.
    async fn sequence(&mut self, seed: u64) -> Result<usize, String> {
        let mut world = self.begin().await;
        let mut requests: [Option<Session>; 3] = Default::default();
        let (mut ledger, mut dice, mut steps) = (Ledger::default(), Dice(seed), Vec::new());
        for _ in 0..LENGTH {
            let step = dice.step(&world);
            steps.push(step);
            let outcome = self.rig.run(step, &world, &mut requests).await;
            if let Step::Wait(seconds) = step {
                self.server.pass_time(Duration::from_secs(seconds)).await;
            }
            let look = self.rig.look(FIRST).await;
            let view = step.who().and_then(|who| requests[who].as_ref());
            let view = view.map(|session| self.rig.view(session));
            let checked = ledger.check(&world, (step, outcome), &look, view.as_ref());
            let judged = match checked.and(self.check_keys().await) {
                Ok(()) => judge(&world, (step, outcome), &look, view.as_ref()),
                Err(why) => Err(why),
            };
            world = judged.map_err(|why| format!("{why}\nafter{}", Steps(&steps)))?;
        }
        Ok(steps.len())
    }

    /// A stored session with one entry, beside another one that outlives the sequence.
    async fn begin(&mut self) -> World {
        let () = self.ask(&redis::cmd("FLUSHDB")).await;
        let rig = &self.rig;
        rig.now.store(START, Relaxed);
        rig.made.ids.store(0, Relaxed);
        for (value, owner) in [(CANARY, "somebody else"), (0, OWNER)] {
            let session = rig.engine.create().await.expect("the server is empty");
            session.set("a", value).expect("a number can be set");
            session.set_owner(owner).expect("a name can be one");
            let _ = session.flush().await.expect("the server is well");
        }
        let other = rig.issued(OTHER);
        rig.touch(&other.key, OUTLIVES).await;
        let there = rig.peek(OTHER).await.expect("it was stored a moment ago");
        self.canary = there.0.to_vec();
        World::new(FIRST, Entries::from([("a", 0)]), START)
    }

    /// Every key has an end, and the other session is as it was.
    async fn check_keys(&mut self) -> Result<(), String> {
        let keys: Vec<Vec<u8>> = self.ask(redis::cmd("KEYS").arg("*")).await;
        let mut look = redis::pipe();
        for key in &keys {
            look.cmd("PTTL").arg(key);
        }
        let left: Vec<i64> = look
            .query_async(&mut self.connection)
            .await
            .expect("PTTL works");
        if left.contains(&-1) {
            return Err("N6: a key without an end".into());
        }
        match self.rig.peek(OTHER).await {
            Some((payload, left)) if payload == self.canary && left > OUTLIVES / 2 => Ok(()),
            _ => Err("N5: the other session was changed".into()),
        }
    }

    async fn ask<T: redis::FromRedisValue>(&mut self, command: &redis::Cmd) -> T {
        let answer = command.query_async(&mut self.connection).await;
        answer.expect("the server is well")
    }
}

const OUTLIVES: Duration = Duration::from_secs(1_000_000);

/// Numbers from a seed, always the same ones.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % sides as u64) as usize
    }

    fn step(&mut self, world: &World) -> Step {
        let who = self.below(world.requests.len());
        if world.requests[who].holds == Holds::Nothing {
            return Step::Retrieve(who, Which::First);
        }
        match self.below(32) {
            0..3 => Step::Retrieve(who, Which::Newest),
            3 => Step::Retrieve(who, Which::First),
            4 => Step::Retrieve(who, Which::Issued(self.below(world.slots.len()))),
            5..8 => Step::Set(who, "a"),
            8 => Step::Set(who, "b"),
            9..13 => Step::Update(who),
            13..15 => Step::LogIn(who),
            15..17 => Step::Renew(who),
            17 => Step::Destroy(who),
            18..28 => Step::Flush(who, self.net()),
            28 => Step::Touch,
            29 => Step::DestroyAll,
            30 => Step::Wait(PAST_THE_STUB),
            _ if self.below(2) == 0 => Step::Wait(PAST_THE_IDLE_LIMIT),
            _ => Step::Touch,
        }
    }

    fn net(&mut self) -> Net {
        let faults = [
            Net::ReplyLost,
            Net::RequestLost,
            Net::CutAfter,
            Net::CutBefore,
            Net::Down,
        ];
        let at = self.below(3 * faults.len());
        faults.get(at).copied().unwrap_or(Net::Well)
    }
}

/// The seed of this run, printed, or `MODEL_SEED`; and how many sequences are asked for.
fn seed_and_length() -> (u64, u64) {
    let seed = match std::env::var("MODEL_SEED") {
        Ok(seed) => seed.parse().expect("MODEL_SEED is a number"),
        Err(_) => UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| since.as_nanos() as u64 % (1 << 40)),
    };
    println!("MODEL_SEED={seed}");
    let long = std::env::var_os("DANCER_SESSION_LONG").is_some();
    (seed, if long { 5000 } else { 300 })
}

fn every_step_is_allowed(layout: Layout) {
    let (seed, sequences) = seed_and_length();
    let steps = walk(layout, None, seed, sequences).unwrap_or_else(|why| panic!("{why}"));
    println!("{sequences} sequences, {steps} steps");
}

#[test]
fn f20_every_step_of_a_random_walk_is_allowed_in_redis() {
    every_step_is_allowed(Layout::Native);
}

#[test]
fn f20_every_step_of_a_random_walk_is_allowed_in_the_dancer_layout() {
    every_step_is_allowed(Layout::Dancer);
}
