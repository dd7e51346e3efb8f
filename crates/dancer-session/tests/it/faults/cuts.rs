//! F04: the line is cut at every byte of request and reply, for each step of a session's life.

mod step;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use testbench::Fault;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use self::step::{Bench, State, Step};
use crate::bench::Kind;

/// What the network does after the cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The next connection works.
    Works,
    /// None is taken until the operation has given up.
    IsGone,
}

/// Cuts each step at each byte, some cases side by side.
async fn cut_everywhere(kind: Kind, then: Then) {
    let mut cases = 0;
    for step in Step::ALL {
        let (request, reply) = lengths(kind, step).await;
        let cuts = (0..=request).map(Fault::CutRequest);
        let cuts = cuts.chain((0..=reply).map(Fault::CutReply));
        let cuts: VecDeque<_> = cuts.step_by(stride(kind, then)).collect();
        cases += cuts.len();
        let cuts = Arc::new(Mutex::new(cuts));
        let side_by_side = match then {
            Then::Works => 4,
            // These only wait.
            Then::IsGone => 32,
        };
        let workers: Vec<_> = (0..side_by_side)
            .map(|_| {
                let (cuts, runtime) = (Arc::clone(&cuts), Handle::current());
                // A thread for each: one kind of connection keeps its thread waiting.
                spawn_blocking(move || runtime.block_on(cut_some(kind, step, then, &cuts)))
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
    }
    eprintln!("F04, {kind:?}, then the network {then:?}: {cases} cuts, one outcome each");
}

/// At every byte; where the waiting is long and the long form is not asked for, at every fourth.
fn stride(kind: Kind, then: Then) -> usize {
    let long = std::env::var_os("DANCER_SESSION_LONG").is_some();
    match (kind, then) {
        (Kind::DancerInRedis | Kind::WithoutThreads, Then::IsGone) if !long => 4,
        _ => 1,
    }
}

/// How long request and reply of a step are.
async fn lengths(kind: Kind, step: Step) -> (usize, usize) {
    let runtime = Handle::current();
    let measure = async move {
        let mut bench = Bench::new(kind, step, PATIENT).await;
        let case = bench.prepare().await;
        bench.proxy.watch(bench.picks());
        bench.perform(&case).await.unwrap();
        // Nothing else is sent meanwhile: it might come in one piece with a touch, for which nobody
        // has waited.
        for _ in 0..10_000 {
            match bench.proxy.lengths() {
                Some((request, reply)) if reply > 0 => return (request, reply),
                _ => sleep(Duration::from_millis(1)).await,
            }
        }
        panic!("{step:?} has sent nothing of its own");
    };
    spawn_blocking(move || runtime.block_on(measure))
        .await
        .unwrap()
}

async fn cut_some(kind: Kind, step: Step, then: Then, cuts: &Mutex<VecDeque<Fault>>) {
    let patience = match then {
        Then::Works => PATIENT,
        Then::IsGone => Duration::from_millis(250),
    };
    let mut bench = Bench::new(kind, step, patience).await;
    loop {
        let Some(cut) = cuts.lock().unwrap().pop_front() else {
            return;
        };
        let mut tries = 0;
        loop {
            // What waits for ever would be worse than what fails.
            let case = timeout(3 * PATIENT, cut_one(&mut bench, step, then, cut));
            let cut_there = case.await.unwrap_or_else(|_| {
                panic!("{step:?}, {cut:?}, then the network {then:?}: it never ends (R32)")
            });
            if cut_there {
                break;
            }
            tries += 1;
            assert!(tries < 20, "{step:?} is never cut at {cut:?}");
        }
    }
}

/// One case; `false`: the operation has given up before the cut.
async fn cut_one(bench: &mut Bench, step: Step, then: Then, cut: Fault) -> bool {
    let what = format!("{step:?}, {cut:?}, then the network {then:?}");
    let case = bench.prepare().await;
    let before = bench.proxy.hits();
    match then {
        Then::Works => bench.proxy.disturb(cut, bench.picks(), 1),
        Then::IsGone => bench.proxy.disturb_and_close(cut, bench.picks()),
    }
    let outcome = bench.perform(&case).await;
    for _ in 0..50 {
        // Nobody has waited for a touch.
        if step != Step::Touch || bench.proxy.hits() > before {
            break;
        }
        sleep(Duration::from_millis(2)).await;
    }
    let hit = bench.proxy.hits() > before;
    bench.proxy.disturb(cut, |_| false, 0);
    bench.heal().await;
    let state = bench.state(&case).await;
    assert_eq!(bench.state(&case).await, state, "N3: {what}");
    match outcome {
        Ok(()) if matches!(step, Step::Retrieve | Step::Touch) => {}
        Ok(()) => assert_eq!(state, State::After, "N1: {what}"),
        Err(error) => {
            assert_eq!(then, Then::IsGone, "{what}: {error}");
            assert!(error.is_unavailable(), "{what}: {error}");
            if !error.is_unknown() {
                assert_eq!(state, State::Before, "N2: {what}: {error}");
            }
            bench.again(&case, &error).await;
        }
    }
    hit
}

/// For a network that works.
const PATIENT: Duration = Duration::from_secs(20);

macro_rules! f04 {
    ($($name:ident: $kind:ident, $then:ident;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() { cut_everywhere(Kind::$kind, Then::$then).await; })*
    };
}

f04! {
    f04_a_cut_at_every_byte: Redis, Works;
    f04_a_cut_at_every_byte_in_the_dancer_layout: DancerInRedis, Works;
    f04_a_cut_at_every_byte_without_threads: WithoutThreads, Works;
    f04_a_cut_at_every_byte_and_then_no_network: Redis, IsGone;
    f04_a_cut_at_every_byte_and_then_no_network_in_the_dancer_layout: DancerInRedis, IsGone;
    f04_a_cut_at_every_byte_and_then_no_network_without_threads: WithoutThreads, IsGone;
}
