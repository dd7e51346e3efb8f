use super::verdicts;
use crate::contender::{
    ACTIX_SESSION, BARE, OURS, OURS_EACH_CORE, OURS_ON_AXUM, POOLS, TOWER_EACH_CORE,
};
use crate::figures::{Figures, Measured, Memory, Results, Route, Turn};
use crate::plan::{Cell, FEW, MANY, SMALL, Work};

/// Turns of this rate; an operation takes as long as its share of a second.
fn figures(contender: &'static str, rates: &[f64]) -> Figures {
    let turn = |&per_second: &f64| Turn {
        per_second,
        process: 1e6 / per_second,
        server: 1.0,
        p50: 64e6 / per_second,
        p99: 64e6 / per_second,
        commands: 1.0,
        received: 1.0,
        sent: 1.0,
    };
    Figures {
        contender,
        turns: rates.iter().map(turn).collect(),
    }
}

fn measured(work: Work, sessions: usize, figures: Vec<Figures>) -> Measured {
    let cell = Cell {
        work,
        tasks: 64,
        bytes: SMALL,
        sessions,
    };
    Measured { cell, figures }
}

/// What is printed of the verdict with these words.
fn found(results: &Results, what: &str, against: &str) -> (String, &'static str) {
    let all = verdicts(results);
    let mut these = all
        .iter()
        .filter(|one| one.what == what && one.against.contains(against));
    let verdict = these.next().expect("there is one");
    assert!(these.next().is_none(), "there are more");
    let measured = verdict
        .measured
        .map_or(String::new(), |found| format!("{found:.2}"));
    (measured, verdict.word())
}

#[test]
fn rates_are_compared_with_the_best_peer_by_their_medians() {
    let of = |ours: &[f64]| Results {
        measured: vec![measured(
            Work::Retrieve,
            FEW,
            vec![
                figures("tower-sessions, pool of 1", &[50.0]),
                figures(ACTIX_SESSION, &[90.0, 100.0, 1000.0]),
                figures(OURS, ours),
                figures(BARE, &[400.0]),
            ],
        )],
        ..Results::default()
    };
    let enough = of(&[140.0, 141.0, 1.0]);
    let what = "retrieve, 64 tasks";
    assert_eq!(
        found(&enough, what, "best peer: actix-session"),
        ("1.40".into(), "ok")
    );
    assert_eq!(
        found(&enough, what, "bare client"),
        ("0.35".into(), "**short**")
    );
    let less = of(&[139.0, 138.0, 1000.0]);
    assert_eq!(
        found(&less, what, "best peer: actix-session"),
        ("1.39".into(), "**short**")
    );
}

#[test]
fn the_best_peer_in_time_is_the_one_with_the_least() {
    let results = Results {
        measured: vec![measured(
            Work::Set,
            FEW,
            vec![
                figures("tower-sessions, pool of 2", &[100.0]),
                figures(ACTIX_SESSION, &[50.0]),
                figures(OURS, &[200.0]),
            ],
        )],
        ..Results::default()
    };
    let verdict = found(&results, "the same, CPU time in the process", "pool of 2");
    assert_eq!(verdict, ("0.50".into(), "ok"));
}

#[test]
fn what_has_a_runtime_for_each_core_is_compared_with_its_like() {
    let results = Results {
        http: vec![Route {
            path: "/count",
            figures: vec![
                figures(OURS_EACH_CORE, &[1000.0]),
                figures(TOWER_EACH_CORE, &[800.0]),
                figures(OURS_ON_AXUM, &[150.0]),
                figures(POOLS[0].1, &[90.0]),
                figures(POOLS[1].1, &[100.0]),
            ],
        }],
        ..Results::default()
    };
    let verdict = found(&results, "HTTP counter, requests/s", "pool of 2, on the");
    assert_eq!(verdict, ("1.50".into(), "ok"));
    let verdict = found(
        &results,
        "the same, a runtime for each core",
        TOWER_EACH_CORE,
    );
    assert_eq!(verdict, ("1.25".into(), "**short**"));
}

#[test]
fn a_drop_is_what_ours_loses_more_than_the_bare_client() {
    let cell = |sessions, ours: f64, bare: f64| {
        let all = vec![figures(OURS, &[ours]), figures(BARE, &[bare])];
        measured(Work::Retrieve, sessions, all)
    };
    let results = Results {
        measured: vec![cell(FEW, 100.0, 200.0), cell(MANY, 85.0, 180.0)],
        ..Results::default()
    };
    let verdict = found(&results, "1 000 000 sessions, our drop: retrieve", "bare");
    assert_eq!(verdict, ("0.05".into(), "**short**"));
}

#[test]
fn memory_is_that_of_the_most_sessions() {
    let memory = |contender, sessions, each| Memory {
        contender,
        bytes: SMALL,
        sessions,
        each,
    };
    let results = Results {
        memory: vec![
            memory(OURS, FEW, 900.0),
            memory(ACTIX_SESSION, FEW, 100.0),
            memory(OURS, MANY, 500.0),
            memory(ACTIX_SESSION, MANY, 505.0),
        ],
        ..Results::default()
    };
    let verdict = found(&results, "memory for a session in Redis", ACTIX_SESSION);
    assert_eq!(verdict, ("0.99".into(), "ok"));
}

#[test]
fn what_was_not_measured_is_said_to_be_so() {
    let verdicts = verdicts(&Results::default());
    assert!(
        verdicts
            .iter()
            .all(|verdict| verdict.word() == "not measured")
    );
}
