//! The counter: one number for each visit, whatever happens at the same time.

use std::thread;

use testbench::RedisServer;

use crate::demo::{Demo, Visitor};

#[test]
fn each_visitor_counts_from_one() {
    let demo = Demo::in_memory();
    let mut anna = Visitor::default();
    let mut ben = Visitor::default();
    let numbers = [&mut anna, &mut ben].map(|visitor| [(); 3].map(|()| visitor.count(&demo)));
    assert_eq!(numbers, [[1, 2, 3]; 2]);
    assert_eq!(anna.count(&demo), 4);
    assert_ne!(anna.id(), ben.id());
}

#[test]
fn parallel_visits_get_each_number_once() {
    let redis = RedisServer::start();
    let demo = Demo::in_redis(&redis.url());
    check_parallel_visits(&[demo]);
}

#[test]
fn parallel_visits_of_two_programs_get_each_number_once() {
    let redis = RedisServer::start();
    let demos = [(); 2].map(|()| Demo::in_redis(&redis.url()));
    check_parallel_visits(&demos);
}

/// Twenty clients with one cookie visit ten times each, taking turns between the demos.
fn check_parallel_visits(demos: &[Demo]) {
    let mut visitor = Visitor::default();
    assert_eq!(visitor.count(&demos[0]), 1);
    let mut numbers: Vec<u64> = thread::scope(|scope| {
        let clients: Vec<_> = (0..20)
            .map(|client| {
                let mut visitor = visitor.clone();
                scope.spawn(move || {
                    let turns = (client..client + 10).map(|turn| &demos[turn % demos.len()]);
                    turns.map(|demo| visitor.count(demo)).collect::<Vec<_>>()
                })
            })
            .collect();
        let ends = clients.into_iter().map(|client| client.join());
        ends.flat_map(|numbers| numbers.expect("a client counts"))
            .collect()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, (2..=201).collect::<Vec<_>>());
}
