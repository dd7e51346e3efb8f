//! Ends of all sessions of an owner against log-ins, renews and changes at the same moment: in every order
//! of the steps that both take in the store, and with a crash after each step.

use std::sync::Arc;
use std::time::Duration;

use dancer_session::{
    Clock, Flushed, Layout, MemoryStore, OnMaxSessions, RedisStore, Session, SessionEngine,
    Settings, Store,
};
use testbench::RedisServer;
use tokio::task::JoinHandle;

use crate::bench::id;
use crate::stepwise::{Orders, Stepwise, Turns};

const ANNA: &str = "user:42";

/// Two engines on one store, as two processes have them; each takes its steps when it is told to.
struct Two {
    one: (SessionEngine, Arc<Turns>),
    two: (SessionEngine, Arc<Turns>),
    /// Takes its steps as it likes.
    other: SessionEngine,
}

impl Two {
    fn on<S: Store>(store: &Arc<S>, settings: &Settings) -> Self {
        let engine = || {
            let (stepwise, turns) = Stepwise::new(store);
            let builder = SessionEngine::builder(settings.clone());
            (builder.with_store(stepwise).unwrap(), turns)
        };
        Self {
            one: engine(),
            two: engine(),
            other: engine().0,
        }
    }

    async fn logged_in(&self, user: u32) -> Session {
        let session = self.other.anonymous();
        session.set("user", user).unwrap();
        session.set_owner(ANNA).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Created);
        session
    }

    async fn is_alive(&self, id: &str) -> bool {
        let found = self.other.retrieve(id).await.unwrap();
        found.is_some_and(|found| !found.is_ended())
    }

    /// Whatever is alive stands in the list, once.
    async fn check_list(&self, alive: usize) {
        let list = self.other.sessions_of(ANNA).await.unwrap();
        assert_eq!(list.len(), alive, "{list:?}");
    }
}

/// Runs both requests, with the steps in the order that `orders` says. The second one crashes after so
/// many steps, if it has more.
async fn both<A, B>(
    (one, first): (&Turns, JoinHandle<A>),
    (two, second): (&Turns, JoinHandle<B>),
    orders: &mut Orders,
    crash: Option<usize>,
) -> (A, Option<B>) {
    let mut steps = 0;
    loop {
        let crashed = crash == Some(steps);
        let wants = (
            one.wants(&first).await,
            !crashed && two.wants(&second).await,
        );
        match wants {
            (false, false) => break,
            (true, true) if orders.first() => one.take().await,
            (true, false) => one.take().await,
            (_, true) => {
                two.take().await;
                steps += 1;
            }
        }
    }
    one.release();
    let crashed = crash == Some(steps) && !second.is_finished();
    if !crashed {
        two.release();
    }
    let second = match crashed {
        true => None,
        false => Some(second.await.unwrap()),
    };
    let first = first.await.unwrap();
    // What nobody waits for has happened by then.
    tokio::time::sleep(Duration::from_millis(2)).await;
    (first, second)
}

/// Both stores, both layouts; the engine is the same on all of them.
enum Place {
    Memory(Arc<MemoryStore>, Settings),
    Redis(
        Arc<RedisStore>,
        Settings,
        #[expect(dead_code, reason = "lives as long")] Box<RedisServer>,
    ),
}

impl Place {
    async fn all(settings: Settings) -> Vec<Self> {
        let mut places = Vec::new();
        for layout in [Layout::Native, Layout::Dancer] {
            let settings = Settings {
                layout,
                timeout: Duration::from_secs(20),
                ..settings.clone()
            };
            let memory = Arc::new(MemoryStore::new(Clock::default()));
            places.push(Self::Memory(memory, settings.clone()));
            let server = RedisServer::start();
            let settings = Settings {
                sock: Some(server.sock().to_owned()),
                ..settings
            };
            let redis = Arc::new(RedisStore::connect(&settings).await.unwrap());
            places.push(Self::Redis(redis, settings, Box::new(server)));
        }
        places
    }

    fn two(&self) -> Two {
        match self {
            Self::Memory(store, settings) => Two::on(store, settings),
            Self::Redis(store, settings, _) => Two::on(store, settings),
        }
    }
}

/// Runs `case` in every order, on every store.
macro_rules! in_every_order {
    ($settings:expr, $case:ident) => {
        for place in Place::all($settings).await {
            let mut orders = Orders::default();
            loop {
                let two = place.two();
                two.other.destroy_all(ANNA).await.unwrap();
                $case(&two, &mut orders).await;
                if !orders.next() {
                    break;
                }
            }
            assert!(orders.seen > 1);
        }
    };
}

fn ends_all(two: &Two) -> (&Turns, JoinHandle<usize>) {
    let (engine, turns) = &two.one;
    turns.hold();
    let engine = engine.clone();
    (
        turns,
        tokio::spawn(async move { engine.destroy_all(ANNA).await.unwrap() }),
    )
}

/// Takes a session into hand and does something to it, ready to be flushed.
async fn flushes(
    two: &Two,
    id: Option<String>,
    change: impl FnOnce(&Session),
) -> (&Turns, JoinHandle<(Flushed, Option<String>)>) {
    let (engine, turns) = &two.two;
    let session = match id {
        Some(id) => engine.retrieve(&id).await.unwrap().unwrap(),
        None => engine.anonymous(),
    };
    turns.hold();
    change(&session);
    let flushing = tokio::spawn(async move {
        let flushed = session.flush().await.unwrap();
        (flushed, session.id().map(|id| id.as_str().to_owned()))
    });
    (turns, flushing)
}

#[tokio::test]
async fn r29_a_session_that_moves_to_another_id_ends_all_the_same() {
    async fn case(two: &Two, orders: &mut Orders) {
        let old = id(&two.logged_in(1).await);
        let renew = flushes(two, Some(old.clone()), Session::renew).await;
        let (_, renewed) = both(ends_all(two), renew, orders, None).await;
        let (flushed, new) = renewed.unwrap();
        assert!(
            matches!(flushed, Flushed::Renewed | Flushed::Ended),
            "{flushed:?}"
        );
        assert!(!two.is_alive(&old).await && !two.is_alive(&new.unwrap()).await);
        two.check_list(0).await;
    }
    in_every_order!(Settings::default(), case);
}

#[tokio::test]
async fn r29_a_change_at_the_same_moment_saves_no_session() {
    async fn case(two: &Two, orders: &mut Orders) {
        let old = id(&two.logged_in(1).await);
        let change = flushes(two, Some(old.clone()), |session| {
            session.set("late", 1).unwrap();
        });
        let (ended, changed) = both(ends_all(two), change.await, orders, None).await;
        let (flushed, _) = changed.unwrap();
        assert!(
            matches!(flushed, Flushed::Stored | Flushed::Ended),
            "{flushed:?}"
        );
        assert_eq!(ended, 1);
        assert!(!two.is_alive(&old).await);
        two.check_list(0).await;
    }
    in_every_order!(Settings::default(), case);
}

#[tokio::test]
async fn r29_a_log_in_under_way_ends_or_stands_in_the_list() {
    async fn case(two: &Two, orders: &mut Orders) {
        let before = id(&two.logged_in(1).await);
        let login = flushes(two, None, |session| {
            session.log_in().unwrap();
            session.set_owner(ANNA).unwrap();
        });
        let (_, login) = both(ends_all(two), login.await, orders, None).await;
        let (flushed, new) = login.unwrap();
        assert_eq!(flushed, Flushed::Created);
        assert!(!two.is_alive(&before).await);
        let alive = two.is_alive(&new.unwrap()).await;
        two.check_list(usize::from(alive)).await;
        // Whoever ends all of them now finds it.
        assert_eq!(
            two.other.destroy_all(ANNA).await.unwrap(),
            usize::from(alive)
        );
    }
    in_every_order!(Settings::default(), case);
}

#[tokio::test]
async fn r29_a_log_in_again_under_another_id_ends_or_is_a_new_one() {
    async fn case(two: &Two, orders: &mut Orders) {
        let old = id(&two.logged_in(1).await);
        let login = flushes(two, Some(old.clone()), |session| {
            session.log_in().unwrap();
            session.set_owner(ANNA).unwrap();
        });
        let (_, login) = both(ends_all(two), login.await, orders, None).await;
        let (flushed, new) = login.unwrap();
        assert!(!two.is_alive(&old).await);
        let alive = two.is_alive(&new.unwrap()).await;
        two.check_list(usize::from(alive)).await;
        // What goes on is the log-in alone, and nothing of the session that was ended.
        assert!(!alive || flushed == Flushed::Created);
    }
    in_every_order!(Settings::default(), case);
}

#[tokio::test]
async fn r29_what_crashes_after_any_step_is_found_all_the_same() {
    async fn case(two: &Two, orders: &mut Orders, crash: usize) -> bool {
        let old = id(&two.logged_in(1).await);
        let renew = flushes(two, Some(old.clone()), Session::renew).await;
        let (_, done) = both(ends_all(two), renew, orders, Some(crash)).await;
        assert!(!two.is_alive(&old).await);
        two.check_list(0).await;
        assert_eq!(two.other.destroy_all(ANNA).await.unwrap(), 0);
        done.is_none()
    }
    for place in Place::all(Settings::default()).await {
        let mut crashed_in = 0;
        for crash in 0..4 {
            let (mut orders, mut crashed) = (Orders::default(), false);
            loop {
                let two = place.two();
                two.other.destroy_all(ANNA).await.unwrap();
                crashed |= case(&two, &mut orders, crash).await;
                if !orders.next() {
                    break;
                }
            }
            crashed_in += usize::from(crashed);
        }
        assert!(crashed_in >= 2);
    }
}

#[tokio::test]
async fn r29_two_log_ins_never_make_more_sessions_than_there_may_be() {
    async fn case(two: &Two, orders: &mut Orders) {
        let before = id(&two.logged_in(1).await);
        let login = |session: &Session| {
            session.log_in().unwrap();
            session.set_owner(ANNA).unwrap();
        };
        let (engine, turns) = &two.one;
        let session = engine.anonymous();
        turns.hold();
        login(&session);
        let first = tokio::spawn(async move {
            let flushed = session.flush().await.unwrap();
            (flushed, session.id().map(|id| id.as_str().to_owned()))
        });
        let second = flushes(two, None, login).await;
        let (one, other) = both((turns, first), second, orders, None).await;
        let mut alive = usize::from(two.is_alive(&before).await);
        for (flushed, id) in [one, other.unwrap()] {
            match id {
                Some(id) => alive += usize::from(two.is_alive(&id).await),
                None => assert_eq!(flushed, Flushed::TooMany),
            }
        }
        assert!((1..=2).contains(&alive), "{alive} sessions");
        two.check_list(alive).await;
    }
    for on_max_sessions in [OnMaxSessions::EndOldest, OnMaxSessions::Refuse] {
        let settings = Settings {
            max_sessions: Some(2),
            on_max_sessions,
            ..Settings::default()
        };
        in_every_order!(settings.clone(), case);
    }
}
