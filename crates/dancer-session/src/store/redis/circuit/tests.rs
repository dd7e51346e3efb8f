//! The circuit, with a clock and dice of the test's own.

use super::*;

const PATIENCE: Duration = Duration::from_secs(1);

fn milliseconds(time: u64) -> Duration {
    Duration::from_millis(time)
}

/// A circuit that had these failures, at milliseconds from `start`; returns when it opened.
fn after(start: Instant, failures: &[(u64, Failed)]) -> (Circuit, Option<u64>) {
    let mut circuit = Circuit::new(PATIENCE);
    let mut opened = None;
    for &(at, what) in failures {
        if circuit.failed(what, format!("at {at}"), start + milliseconds(at), 1023) {
            assert_eq!(opened, None, "it opens once");
            opened = Some(at);
        }
    }
    (circuit, opened)
}

#[test]
fn r32_it_opens_when_an_outage_is_as_long_as_one_operation_may_take() {
    use Failed::{Attempt, Hopeless, Reply};
    let start = Instant::now();
    // Many failures in a short time are a restart.
    let many: Vec<_> = (0..50).map(|n| (n * 15, Attempt)).collect();
    assert_eq!(after(start, &many).1, None);
    // Two in a long time are two accidents.
    assert_eq!(after(start, &[(0, Reply), (1_500, Reply)]).1, None);
    let outage = [(0, Reply), (300, Attempt), (900, Attempt), (1_900, Attempt)];
    let (circuit, opened) = after(start, &outage);
    assert_eq!((opened, circuit.refusal()), (Some(1_900), Some("at 1900")));
    // What cannot get better by waiting.
    assert_eq!(after(start, &[(0, Hopeless)]).1, Some(0));
    // What is long ago does not count.
    let apart: Vec<_> = (0..20).map(|n| (n * 4_001, Reply)).collect();
    assert_eq!(after(start, &apart).1, None);
}

#[test]
fn r32_a_connection_lets_calls_through_and_only_an_answer_ends_the_trouble() {
    let start = Instant::now();
    let (mut circuit, _) = after(start, &[(0, Failed::Hopeless)]);
    circuit.connected();
    assert_eq!(circuit.refusal(), None);
    let at = |time| start + milliseconds(time);
    // A server that takes connections and gives no reply: open again at the first loss.
    for time in [300, 600] {
        assert!(!circuit.failed(Failed::Reply, "hung up".into(), at(time), 0));
    }
    assert!(circuit.failed(Failed::Reply, "hung up".into(), at(1_500), 0));
    circuit.connected();
    assert!(circuit.failed(Failed::Reply, "hung up".into(), at(1_600), 0));
    circuit.connected();
    assert_eq!(circuit.answered(at(2_000)), Some(milliseconds(2_000)));
    assert_eq!(circuit.answered(at(2_000)), None);
    assert!(!circuit.failed(Failed::Reply, "hung up".into(), at(2_100), 0));
}

#[test]
fn r32_pauses_grow_to_a_tenth_of_a_second_and_while_it_is_open_to_half() {
    let start = Instant::now();
    for (dice, least) in [(0, 1), (1023, 2)] {
        let mut circuit = Circuit::new(PATIENCE);
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..40 {
            circuit.failed(Failed::Attempt, String::new(), now, dice);
            let next = circuit.next(now).expect("there is a pause");
            pauses.push((next - now, circuit.refusal().is_some()));
            now = next;
        }
        assert!(
            pauses
                .iter()
                .all(|(pause, _)| *pause >= milliseconds(least))
        );
        assert!(pauses.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        let longest = |open| {
            pauses
                .iter()
                .filter(|(_, is)| *is == open)
                .map(|(p, _)| *p)
                .max()
        };
        assert!(longest(false).unwrap() <= milliseconds(100));
        let probing = longest(true).unwrap();
        assert!(
            milliseconds(250) <= probing && probing <= milliseconds(500),
            "{probing:?}"
        );
        // A second of waiting is some twenty attempts at most.
        assert!(pauses.iter().filter(|(_, open)| !open).count() <= 25);
    }
    let (circuit, _) = after(start, &[(0, Failed::Reply)]);
    assert_eq!(
        circuit.next(start),
        None,
        "one lost reply is no reason to wait"
    );
}

#[test]
fn r32_attempts_take_longer_each_time_and_then_begin_anew() {
    let start = Instant::now();
    let mut circuit = Circuit::new(PATIENCE);
    let mut limits = Vec::new();
    for n in 0..6 {
        limits.push(circuit.attempt().as_millis());
        circuit.failed(
            Failed::SilentAttempt,
            String::new(),
            start + milliseconds(n),
            0,
        );
    }
    assert_eq!(limits, [300, 600, 1_000, 300, 600, 1_000]);
    assert_eq!(Circuit::new(milliseconds(90)).attempt(), milliseconds(300));
}

#[test]
fn what_an_attempt_has_met_says_more_than_that_time_ran_out() {
    let start = Instant::now();
    let failures = [(0, Failed::Attempt), (10, Failed::SilentAttempt)];
    assert_eq!(after(start, &failures).0.cause(), Some("at 0"));
}

#[test]
fn trouble_that_did_not_open_it_is_not_worth_a_word() {
    let mut circuit = Circuit::new(PATIENCE);
    let start = Instant::now();
    assert!(!circuit.failed(Failed::Reply, "lost".into(), start, 0));
    circuit.connected();
    assert_eq!(circuit.answered(start + Duration::from_millis(5)), None);
    assert_eq!(circuit.cause(), None);
}
