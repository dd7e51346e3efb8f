//! The kinds of races. In each, both sides have read before either writes; then both write at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use dancer_session::{Flushed, Session, SessionEngine};
use tokio::sync::Barrier;

/// Runs one race and says what was wrong afterwards.
pub(super) type Kind = fn(Sides) -> Pin<Box<dyn Future<Output = Wrong>>>;

/// Who races: two engines, or one twice, which queues its flushes.
#[derive(Clone)]
pub(super) struct Sides {
    pub(super) engines: [SessionEngine; 2],
    /// Whether the session is so long that it is changed in a transaction.
    pub(super) long: bool,
}

pub(super) const KINDS: [(&str, Kind); 7] = [
    ("flush against flush", |sides| Box::pin(two_flushes(sides))),
    ("update against update", |sides| {
        Box::pin(two_updates(sides))
    }),
    ("flush against destroy", |sides| {
        Box::pin(flush_and_destroy(sides))
    }),
    ("flush against renew", |sides| {
        Box::pin(flush_and_renew(sides))
    }),
    ("renew against renew", |sides| Box::pin(two_renews(sides))),
    ("renew against destroy", |sides| {
        Box::pin(renew_and_destroy(sides))
    }),
    ("session beside session", |sides| {
        Box::pin(two_sessions(sides))
    }),
];

/// What nobody may ever see.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Wrong {
    /// A change that was reported as stored, and is not there.
    pub(super) lost: usize,
    /// A session that lives after its end was reported, or data that was refused.
    pub(super) resurrected: usize,
    /// Data of one session in another.
    pub(super) crossed: usize,
}

impl Wrong {
    pub(super) fn total(&self) -> usize {
        self.lost + self.resurrected + self.crossed
    }

    pub(super) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.resurrected += other.resurrected;
        self.crossed += other.crossed;
    }

    fn lost(&mut self, is: bool) {
        self.lost += usize::from(is);
    }

    fn resurrected(&mut self, is: bool) {
        self.resurrected += usize::from(is);
    }

    fn crossed(&mut self, is: bool) {
        self.crossed += usize::from(is);
    }
}

/// One session, as each of the two sides has read it.
struct Race {
    engines: [SessionEngine; 2],
    id: String,
    hands: [Session; 2],
}

const BEFORE: u64 = 7;

impl Race {
    async fn begin(Sides { engines, long }: Sides) -> Self {
        let session = engines[0].create().await.expect("the server is well");
        set(&session, "before", BEFORE);
        if long {
            let text = "long ".repeat(4_000);
            session.set("long", text).expect("a text can be set");
        }
        let _ = session.flush().await.expect("the server is well");
        let id = session.id().expect("it was stored").as_str().to_owned();
        let hand = |engine: SessionEngine, id: String| async move {
            engine
                .retrieve(&id)
                .await
                .expect("the server is well")
                .expect("it was stored a moment ago")
        };
        let hands = [
            hand(engines[0].clone(), id.clone()).await,
            hand(engines[1].clone(), id.clone()).await,
        ];
        Self { engines, id, hands }
    }

    /// Both flush at once.
    async fn run(&self) -> [Flushed; 2] {
        let barrier = Arc::new(Barrier::new(2));
        let flush = |session: Session| {
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move {
                barrier.wait().await;
                session.flush().await.expect("the server is well")
            })
        };
        let [a, b] = self.hands.clone().map(flush);
        let panicked = "a flush does not panic";
        [a.await.expect(panicked), b.await.expect(panicked)]
    }

    /// What is alive under an id.
    async fn find(&self, id: &str) -> Option<Session> {
        let found = self.engines[1].retrieve(id).await;
        let found = found.expect("the server is well");
        found.filter(|session| !session.is_ended())
    }

    /// What is alive under the id that one side has now.
    async fn of(&self, side: usize) -> Option<Session> {
        let id = self.hands[side].id()?;
        self.find(id.as_str()).await
    }
}

fn set(session: &Session, name: &str, value: u64) {
    session.set(name, value).expect("a number can be set");
}

fn get(session: &Session, name: &str) -> Option<u64> {
    session.get(name).expect("it is a number")
}

/// Different entries: both are there afterwards.
async fn two_flushes(sides: Sides) -> Wrong {
    let race = Race::begin(sides).await;
    set(&race.hands[0], "a", 1);
    set(&race.hands[1], "b", 2);
    let _ = race.run().await;
    let found = race.find(&race.id).await;
    let mut wrong = Wrong::default();
    for (name, value) in [("before", BEFORE), ("a", 1), ("b", 2)] {
        wrong.lost(found.as_ref().and_then(|found| get(found, name)) != Some(value));
    }
    wrong
}

/// The same counter: both are counted.
async fn two_updates(sides: Sides) -> Wrong {
    let race = Race::begin(sides).await;
    for hand in &race.hands {
        let counted = hand.update("n", |n: Option<u64>| n.unwrap_or(0) + 1);
        counted.expect("a number can be counted");
    }
    let _ = race.run().await;
    let found = race.find(&race.id).await;
    let mut wrong = Wrong::default();
    wrong.lost(found.and_then(|found| get(&found, "n")) != Some(2));
    wrong
}

/// The session has ended, whoever was first.
async fn flush_and_destroy(sides: Sides) -> Wrong {
    let race = Race::begin(sides).await;
    set(&race.hands[0], "a", 1);
    race.hands[1].destroy();
    let [_, destroyed] = race.run().await;
    let mut wrong = Wrong::default();
    wrong.lost(destroyed != Flushed::Destroyed);
    wrong.resurrected(race.find(&race.id).await.is_some() || race.of(0).await.is_some());
    wrong
}

/// The change is in the renewed session if it was stored, and nowhere if it was refused.
async fn flush_and_renew(sides: Sides) -> Wrong {
    let race = Race::begin(sides).await;
    set(&race.hands[0], "a", 1);
    race.hands[1].renew();
    let [flushed, renewed] = race.run().await;
    let mut wrong = Wrong::default();
    let there = race.of(1).await;
    let a = there.as_ref().and_then(|there| get(there, "a"));
    wrong.lost(renewed != Flushed::Renewed || there.is_none());
    wrong.lost(flushed == Flushed::Stored && a != Some(1));
    wrong.resurrected(flushed == Flushed::Ended && a.is_some());
    wrong.resurrected(race.find(&race.id).await.is_some());
    wrong
}

/// A double click on "Log in": one renews, the other one begins anew, and sees nothing of the first.
async fn two_renews(sides: Sides) -> Wrong {
    let race = Race::begin(sides).await;
    for (hand, user) in race.hands.iter().zip([1, 2]) {
        hand.renew();
        set(hand, "user", user);
    }
    let flushed = race.run().await;
    let mut wrong = Wrong::default();
    wrong.resurrected(race.find(&race.id).await.is_some());
    wrong.lost(
        flushed
            .iter()
            .filter(|flushed| **flushed == Flushed::Renewed)
            .count()
            != 1,
    );
    for (side, user) in [(0, 1), (1, 2)] {
        let there = race.of(side).await;
        let there = there.as_ref();
        let user_there = there.and_then(|there| get(there, "user"));
        wrong.lost(user_there.is_none());
        wrong.crossed(user_there.is_some_and(|there| there != user));
        let before = there.and_then(|there| get(there, "before"));
        match flushed[side] {
            Flushed::Renewed => wrong.lost(before != Some(BEFORE)),
            _ => wrong.crossed(before.is_some()),
        }
    }
    wrong
}

/// Either it was renewed and lives, and the destroy says that it ended nothing; or it has ended.
async fn renew_and_destroy(sides: Sides) -> Wrong {
    let race = Race::begin(sides).await;
    race.hands[0].renew();
    race.hands[1].destroy();
    let flushed = race.run().await;
    let mut wrong = Wrong::default();
    wrong.resurrected(race.find(&race.id).await.is_some());
    let lives = race.of(0).await.is_some();
    match flushed {
        [Flushed::Renewed, Flushed::Ended] => wrong.lost(!lives),
        _ => wrong.resurrected(lives),
    }
    wrong
}

/// Two sessions over the same connections at once: each finds its own data, and keeps it.
async fn two_sessions(sides: Sides) -> Wrong {
    let mut reversed = sides.clone();
    reversed.engines.reverse();
    let races = [Race::begin(sides).await, Race::begin(reversed).await];
    let mut tasks = Vec::new();
    for (race, value) in races.iter().zip([1, 2]) {
        for (engine, name) in race.engines.iter().cloned().zip(["a", "b"]) {
            let id = race.id.clone();
            tasks.push(tokio::spawn(async move {
                let session = engine.retrieve(&id).await.expect("the server is well");
                let session = session.expect("it was stored a moment ago");
                let strange = |name| get(&session, name).is_some_and(|there| there != value);
                let crossed = strange("a") || strange("b");
                set(&session, name, value);
                let _ = session.flush().await.expect("the server is well");
                crossed
            }));
        }
    }
    let mut wrong = Wrong::default();
    for task in tasks {
        wrong.crossed(task.await.expect("no task panics"));
    }
    for (race, value) in races.iter().zip([1, 2]) {
        let found = race.find(&race.id).await;
        for name in ["a", "b"] {
            let there = found.as_ref().and_then(|found| get(found, name));
            wrong.lost(there.is_none());
            wrong.crossed(there.is_some_and(|there| there != value));
        }
    }
    wrong
}
