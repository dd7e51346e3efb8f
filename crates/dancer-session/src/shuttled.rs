//! What the tasks of one request do to the session that they share, in a thousand orders each:
//! `cargo test -p dancer-session --features shuttle --lib shuttled`.
//!
//! `shuttle` runs the tasks one at a time and changes from one to another, by a seed, wherever a lock
//! is taken or a future waits: at the hand, at the store, and at the queue of flushes. A failure
//! prints the schedule, which `shuttle::replay` runs again.

use std::collections::BTreeMap;
use std::future::Future;

use shuttle::future::{block_on, spawn};
use shuttle::scheduler::{PctScheduler, RandomScheduler};

use crate::{Flushed, Session, SessionEngine, Settings};

const ORDERS: usize = 1000;

/// A stored session with one entry, and what is left of it after two tasks have had it.
fn in_every_order<A, B, C>(a: fn(Session) -> A, b: fn(Session) -> B, check: fn(Left) -> C)
where
    A: Future<Output = ()> + Send + 'static,
    B: Future<Output = ()> + Send + 'static,
    C: Future<Output = ()> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    // For timers, which nothing here waits for.
    let _inside = runtime.enter();
    let run = move || {
        block_on(async move {
            let engine = SessionEngine::in_memory(Settings::default()).unwrap();
            let session = engine.create().await.unwrap();
            session.set("before", 1).unwrap();
            assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
            let old = session.id().unwrap().as_str().to_owned();
            let tasks = (spawn(a(session.clone())), spawn(b(session.clone())));
            tasks.0.await.unwrap();
            tasks.1.await.unwrap();
            let shown = shown_by(&session);
            let _ = session.flush().await.unwrap();
            let left = Left {
                engine,
                session,
                old,
                shown,
            };
            check(left).await;
        });
    };
    let mut config = shuttle::Config::new();
    // A build that is not optimised takes more than the 32 KiB that a task has by default.
    config.stack_size = 1 << 20;
    // The first changes tasks so often that none gets far ahead of the others; the second lets one
    // wait at any place, for as long as there is anything else to do.
    let often = RandomScheduler::new(ORDERS / 2);
    shuttle::Runner::new(often, config.clone()).run(run);
    let seldom = PctScheduler::new(3, ORDERS / 2);
    shuttle::Runner::new(seldom, config).run(run);
}

struct Left {
    engine: SessionEngine,
    session: Session,
    old: String,
    /// What was in hand before the last flush.
    shown: BTreeMap<String, u64>,
}

fn shown_by(session: &Session) -> BTreeMap<String, u64> {
    let shown = session.keys().into_iter().map(|name| {
        let value = session.get(&name).unwrap().unwrap();
        (name, value)
    });
    shown.collect()
}

impl Left {
    async fn find(&self, id: &str) -> Option<Session> {
        let found = self.engine.retrieve(id).await.unwrap();
        found.filter(|found| !found.is_ended())
    }

    /// After a flush the session in hand is what is stored. And it was before: where no other request
    /// has changed anything, the last flush shows the application nothing new.
    async fn hand_and_store_agree(&self) {
        let Some(id) = self.session.id() else {
            assert!(self.session.is_empty());
            return;
        };
        if self.session.is_ended() {
            return;
        }
        let stored = self
            .find(id.as_str())
            .await
            .expect("the hand says that it is stored");
        let shown = shown_by(&self.session);
        assert_eq!(shown_by(&stored), shown);
        assert_eq!(self.shown, shown, "before the last flush");
    }

    async fn stored(&self, name: &str) -> Option<u64> {
        let id = self.session.id()?;
        self.find(id.as_str()).await?.get(name).unwrap()
    }
}

async fn set_and_flush(session: Session) {
    session.set("a", 2).unwrap();
    let _ = session.flush().await.unwrap();
}

async fn count_and_flush(session: Session) {
    session
        .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
        .unwrap();
    let _ = session.flush().await.unwrap();
}

async fn count_in_another_request(session: &Session) {
    let engine = session.shared.engine.clone();
    let id = session.id().unwrap();
    // The id still stands: nobody renews where this is called.
    let another = engine.retrieve(id.as_str()).await.unwrap().unwrap();
    count_and_flush(another).await;
}

#[test]
fn r10_a_destroy_during_a_flush_gets_what_was_flushed() {
    let destroy = |session: Session| async move { session.destroy() };
    // What is set after the destroy is a new session; nothing lives under the old id.
    in_every_order(set_and_flush, destroy, |left| async move {
        left.hand_and_store_agree().await;
        assert!(left.find(&left.old).await.is_none());
        assert_eq!(left.stored("before").await, None);
    });
}

#[test]
fn r10_a_destroy_during_a_renew_gets_the_renewed_session() {
    let renew = |session: Session| async move {
        session.renew();
        let _ = session.flush().await.unwrap();
    };
    let destroy = |session: Session| async move {
        session.destroy();
        let _ = session.flush().await.unwrap();
    };
    in_every_order(renew, destroy, |left| async move {
        left.hand_and_store_agree().await;
        assert!(left.find(&left.old).await.is_none());
        assert!(left.session.id().is_none() && left.session.is_destroyed());
    });
}

#[test]
fn r06_a_renew_during_a_flush_loses_nothing() {
    let renew = |session: Session| async move { session.renew() };
    in_every_order(set_and_flush, renew, |left| async move {
        left.hand_and_store_agree().await;
        assert!(left.find(&left.old).await.is_none());
        assert_eq!(left.stored("before").await, Some(1));
        assert_eq!(left.stored("a").await, Some(2));
    });
}

#[test]
fn r12_a_set_during_a_flush_is_stored_by_the_next() {
    let set = |session: Session| async move { session.set("b", 3).unwrap() };
    in_every_order(set_and_flush, set, |left| async move {
        left.hand_and_store_agree().await;
        assert_eq!(left.stored("a").await, Some(2));
        assert_eq!(left.stored("b").await, Some(3));
    });
}

#[test]
fn r12_clones_lose_no_update() {
    in_every_order(count_and_flush, count_and_flush, |left| async move {
        left.hand_and_store_agree().await;
        assert_eq!(left.stored("n").await, Some(2));
    });
}

#[test]
fn r12_clones_see_the_updates_of_each_other_before_any_flush() {
    let count = |session: Session| async move {
        let add = |n: Option<u64>| n.unwrap_or(0) + 1;
        session.update("n", add).unwrap();
        assert!(session.get::<u64>("n").unwrap() >= Some(1));
    };
    in_every_order(count, count, |left| async move {
        assert_eq!(left.shown["n"], 2);
        left.hand_and_store_agree().await;
        assert_eq!(left.stored("n").await, Some(2));
    });
}

#[test]
fn r12_a_set_during_a_flush_is_seen_with_what_another_request_has_stored() {
    let count = |session: Session| async move {
        count_in_another_request(&session).await;
        count_and_flush(session).await;
    };
    let set = |session: Session| async move { session.set("b", 3).unwrap() };
    in_every_order(count, set, |left| async move {
        // Before the last flush, too: what was set meanwhile stands on what the flush has found.
        assert_eq!(left.shown["n"], 2);
        assert_eq!(left.shown["b"], 3);
        left.hand_and_store_agree().await;
    });
}

#[test]
fn r12_an_update_and_a_set_of_clones_are_both_stored() {
    in_every_order(count_and_flush, set_and_flush, |left| async move {
        left.hand_and_store_agree().await;
        assert_eq!(left.stored("n").await, Some(1));
        assert_eq!(left.stored("a").await, Some(2));
    });
}

#[test]
fn r12_two_requests_lose_no_update() {
    let another = |session: Session| async move { count_in_another_request(&session).await };
    in_every_order(count_and_flush, another, |left| async move {
        let again = left.find(&left.old).await.unwrap();
        assert_eq!(again.get::<u64>("n").unwrap(), Some(2));
    });
}

#[test]
fn r10_another_requests_destroy_wins_against_a_flush() {
    let another = |session: Session| async move {
        let engine = session.shared.engine.clone();
        let id = session.id().unwrap();
        let another = engine.retrieve(id.as_str()).await.unwrap().unwrap();
        another.destroy();
        assert_eq!(another.flush().await.unwrap(), Flushed::Destroyed);
    };
    in_every_order(set_and_flush, another, |left| async move {
        assert!(left.find(&left.old).await.is_none());
    });
}

#[test]
fn what_is_discarded_during_a_flush_is_stored_whole_or_not_at_all() {
    let discard = |session: Session| async move { session.discard() };
    in_every_order(set_and_flush, discard, |left| async move {
        left.hand_and_store_agree().await;
        assert_eq!(left.stored("before").await, Some(1));
        assert!(matches!(left.stored("a").await, None | Some(2)));
    });
}

async fn log_in(session: &Session, user: u64) {
    session.renew();
    session.set("user", user).unwrap();
    let _ = session.flush().await.unwrap();
}

/// Whoever comes second has the old id, and gets a session of its own.
#[test]
fn r08_of_two_log_ins_none_takes_the_session_of_the_other() {
    let another = |session: Session| async move {
        let (engine, id) = (session.shared.engine.clone(), session.id().unwrap());
        if session.contains("user") {
            // Too late for the old id.
            return;
        }
        let another = engine.retrieve(id.as_str()).await.unwrap().unwrap();
        log_in(&another, 8).await;
        let id = another.id().unwrap();
        let again = engine.retrieve(id.as_str()).await.unwrap().unwrap();
        assert_eq!(again.get::<u64>("user").unwrap(), Some(8));
    };
    let first = |session: Session| async move { log_in(&session, 7).await };
    in_every_order(first, another, |left| async move {
        assert_eq!(left.stored("user").await, Some(7));
    });
}
