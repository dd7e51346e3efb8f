//! One session, and everybody at once: four workers of Starman's, sixteen clients, and Rust.

use std::collections::BTreeSet;

use super::*;

/// A visitor with a session, and its id.
async fn with_session(both: &Both) -> (Visitor, String) {
    let visitor = Visitor::default();
    visitor.get(both.perl.address(), "/id").await;
    let id = visitor.cookie(COOKIE).unwrap();
    (visitor, id)
}

/// What it reads now, to whom it may concern.
async fn names(both: &Both, id: &str) -> BTreeSet<String> {
    let session = both.engine.retrieve(id).await.unwrap().unwrap();
    session.keys().into_iter().collect()
}

async fn counter(both: &Both, id: &str) -> u64 {
    let session = both.engine.retrieve(id).await.unwrap().unwrap();
    session.get("counter").unwrap().unwrap_or(0)
}

/// Lets a request to Perl go on until it waits at its gate.
async fn hold(
    both: &Both,
    visitor: &Visitor,
    route: &str,
) -> (testbench::Gate, JoinHandle<String>) {
    let gate = both.perl.gate(&route.replace('/', "-"));
    let (visitor, address, path) = (visitor.clone(), both.perl.address(), gate.before(route));
    let request = tokio::spawn(async move { visitor.get(address, &path).await });
    gate.reached().await;
    (gate, request)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_what_all_had_read_before_any_of_them_wrote_is_kept() {
    let both = Both::start().await;
    let (visitor, id) = with_session(&both).await;
    let mut waiting = Vec::new();
    for route in ["/held_set/a", "/held_set/b", "/held_set/c"] {
        waiting.push(hold(&both, &visitor, route).await);
    }
    let (rust, client) = (both.rust, visitor.clone());
    let in_rust = tokio::spawn(async move { client.get(rust, "/held_set/rust").await });
    both.held.wait().await;
    // One worker is free, and one request of Rust's needs no gate.
    for address in both.addresses() {
        let name = format!("/set/free{}", address.port());
        visitor.post(address, &name, &[("value", "x")]).await;
    }
    for (gate, request) in waiting {
        gate.open();
        request.await.unwrap();
    }
    both.held.wait().await;
    in_rust.await.unwrap();
    let mut wanted = BTreeSet::from(["a", "b", "c", "rust"].map(str::to_owned));
    wanted.extend(both.addresses().map(|it| format!("free{}", it.port())));
    assert_eq!(names(&both, &id).await, wanted);
    no_complaints(&both.perl);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_two_thousand_keys_from_sixteen_clients_are_all_there() {
    let both = Both::start().await;
    let (visitor, id) = with_session(&both).await;
    let mut clients = Vec::new();
    for client in 0..18 {
        // Two more write by way of Rust, in between.
        let address = if client < 16 {
            both.perl.address()
        } else {
            both.rust
        };
        let visitor = visitor.clone();
        clients.push(tokio::spawn(async move {
            let mut set = Vec::new();
            for number in 0..125 {
                let name = format!("k{client}n{number}");
                let path = format!("/set/{name}");
                let answer = visitor
                    .ask(address, "POST", &path, &[("value", &name)])
                    .await;
                assert_eq!(answer.status, 200, "{path}: {}", answer.text);
                set.push(name);
            }
            set
        }));
    }
    let mut acknowledged = BTreeSet::new();
    for client in clients {
        acknowledged.extend(client.await.unwrap());
    }
    assert_eq!(acknowledged.len(), 2250);
    assert_eq!(names(&both, &id).await, acknowledged);
    assert_eq!(
        visitor.get(both.perl.address(), "/get/k7n77").await,
        "k7n77"
    );
    assert_eq!(
        visitor.cookie(COOKIE).unwrap(),
        id,
        "nobody was given another id"
    );
    no_complaints(&both.perl);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_an_update_that_was_outrun_counts_from_what_is_there() {
    let both = Both::start().await;
    let (visitor, id) = with_session(&both).await;
    let (gate, request) = hold(&both, &visitor, "/held_update").await;
    visitor.get(both.rust, "/update").await;
    visitor.get(both.perl.address(), "/update").await;
    gate.open();
    assert_eq!(request.await.unwrap(), "3");
    assert_eq!(counter(&both, &id).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_counters_are_exact_while_perl_and_rust_count_at_once() {
    let both = Both::start().await;
    let (visitor, id) = with_session(&both).await;
    let mut clients = Vec::new();
    for client in 0..16 {
        let address = both.addresses()[client % 2];
        let visitor = visitor.clone();
        clients.push(tokio::spawn(async move {
            for _ in 0..50 {
                visitor.get(address, "/update").await;
            }
            50
        }));
    }
    let mut acknowledged = 0;
    for client in clients {
        acknowledged += client.await.unwrap();
    }
    assert_eq!(counter(&both, &id).await, acknowledged);
    let seen = visitor.get(both.perl.address(), "/get/counter").await;
    assert_eq!(seen, acknowledged.to_string());
    no_complaints(&both.perl);
}
