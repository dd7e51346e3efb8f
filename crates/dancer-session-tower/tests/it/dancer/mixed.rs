//! F23 in its short form: workers of Dancer's and Rust on the same sessions. What Rust could see of
//! Perl's changes it never loses; what Perl does by itself is Perl's, and is shown here as it is.

use testbench::Gate;

use super::*;

/// Lets a request to Perl read, and holds it there until `release`.
struct Held {
    gate: Gate,
    request: JoinHandle<String>,
}

impl Held {
    async fn hold(both: &Both, visitor: &Visitor, name: &str) -> Self {
        let gate = both.perl.gate(name);
        let (visitor, address) = (visitor.clone(), both.perl.address());
        let path = gate.before("/held_count");
        let request = tokio::spawn(async move { visitor.get(address, &path).await });
        gate.reached().await;
        Self { gate, request }
    }

    async fn release(self) -> String {
        self.gate.open();
        self.request.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f23_what_perl_writes_between_our_read_and_our_flush_survives() {
    let both = Both::start().await;
    let visitor = Visitor::default();
    visitor.post(both.perl.address(), "/object", &[]).await;
    let id = visitor.cookie(COOKIE).unwrap();
    for round in 1..=20 {
        let session = both.engine.retrieve(&id).await.unwrap().unwrap();
        session
            .update("rust", |n: Option<u64>| n.unwrap_or(0) + 1)
            .unwrap();
        assert_eq!(
            visitor.get(both.perl.address(), "/count").await,
            round.to_string()
        );
        assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
        let again = both.engine.retrieve(&id).await.unwrap().unwrap();
        assert_eq!(again.get("rust").unwrap(), Some(round));
        assert_eq!(again.get("counter").unwrap(), Some(round));
    }
    assert_eq!(visitor.get(both.perl.address(), "/object").await, "intact");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f23_a_destroy_of_perls_is_final_for_our_flush() {
    let both = Both::start().await;
    let visitor = Visitor::default();
    visitor.get(both.perl.address(), "/count").await;
    let id = visitor.cookie(COOKIE).unwrap();
    let session = both.engine.retrieve(&id).await.unwrap().unwrap();
    session.set("rust", 1).unwrap();
    visitor.post(both.perl.address(), "/logout", &[]).await;
    assert_eq!(session.flush().await.unwrap(), Flushed::Ended);
    assert!(both.redis.scan().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f23_a_crash_of_perl_between_set_and_expire_is_healed() {
    let both = Both::start().await;
    let visitor = Visitor::default();
    visitor.get(both.perl.address(), "/count").await;
    let id = visitor.cookie(COOKIE).unwrap();
    // SET takes the expiry away; this is the moment after it.
    let mut connection = both.redis.connection().await;
    let () = redis::cmd("PERSIST")
        .arg(&id)
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(both.redis.pttl(&id).await, -1);
    assert_eq!(visitor.get(both.rust, "/whoami").await, "nobody");
    for _ in 0..200 {
        if both.redis.pttl(&id).await > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(both.redis.pttl(&id).await > 890_000);
}

/// What Perl loses by itself: its request writes all that it had read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f23_a_slow_request_of_perls_writes_what_it_read_and_we_go_on_from_there() {
    let both = Both::start().await;
    let visitor = Visitor::default();
    visitor.get(both.perl.address(), "/count").await;
    let id = visitor.cookie(COOKIE).unwrap();
    let held = Held::hold(&both, &visitor, "slow").await;
    visitor.post(both.rust, "/set/lost", &[]).await;
    assert_eq!(visitor.get(both.rust, "/get/lost").await, "\"by Rust\"");
    held.release().await;
    // Our change was there, acknowledged, and Perl has overwritten it: the guide says so.
    assert_eq!(visitor.get(both.rust, "/get/lost").await, "null");
    visitor.post(both.rust, "/set/kept", &[]).await;
    assert_eq!(
        visitor.get(both.perl.address(), "/get/kept").await,
        "by Rust"
    );
    assert_eq!(visitor.get(both.rust, "/count").await, "3");
    assert!(both.engine.retrieve(&id).await.unwrap().is_some());
}

/// And what it brings back: a stub is a session to it like any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f23_a_slow_request_of_perls_brings_a_destroyed_session_back() {
    let both = Both::start().await;
    let visitor = Visitor::default();
    visitor
        .post(both.perl.address(), "/login", &[("name", "anna")])
        .await;
    let id = visitor.cookie(COOKIE).unwrap();
    let held = Held::hold(&both, &visitor, "back").await;
    visitor.post(both.rust, "/logout", &[]).await;
    assert!(both.engine.retrieve(&id).await.unwrap().unwrap().is_ended());
    held.release().await;
    let back = both.engine.retrieve(&id).await.unwrap().unwrap();
    assert_eq!(back.get("user").unwrap(), Some("anna".to_owned()));
}

/// Three seconds of everything at once: no answer but the expected ones, no session that can't be
/// read, no key without an expiry for longer than until the next read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f23_a_mixed_load_leaves_every_session_readable() {
    let both = Both::start().await;
    let mut visitors = Vec::new();
    for _ in 0..3 {
        let visitor = Visitor::default();
        visitor.post(both.perl.address(), "/object", &[]).await;
        visitors.push(visitor);
    }
    let end = tokio::time::Instant::now() + Duration::from_secs(3);
    let mut tasks = Vec::new();
    for (number, visitor) in visitors.iter().enumerate() {
        for address in [both.perl.address(), both.rust, both.rust] {
            let visitor = visitor.clone();
            tasks.push(tokio::spawn(async move {
                let mut answers = 0_u64;
                while tokio::time::Instant::now() < end {
                    let path = if answers.is_multiple_of(4) {
                        "/whoami"
                    } else {
                        "/count"
                    };
                    let answer = visitor.ask(address, "GET", path, &[]).await;
                    assert_eq!(answer.status, 200, "{number} {path}: {}", answer.text);
                    answers += 1;
                }
                answers
            }));
        }
    }
    let mut answers = 0;
    for task in tasks {
        answers += task.await.unwrap();
    }
    assert!(answers > 100);
    for visitor in &visitors {
        assert_eq!(visitor.get(both.perl.address(), "/object").await, "intact");
        let id = visitor.cookie(COOKIE).unwrap();
        let session = both.engine.retrieve(&id).await.unwrap().unwrap();
        assert!(session.get::<u64>("counter").unwrap().unwrap() > 0);
    }
    assert_eq!(both.redis.scan().await.len(), 3, "no session but theirs");
    both.no_complaints();
}
