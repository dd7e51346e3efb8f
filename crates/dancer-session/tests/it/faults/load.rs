//! Clients that use sessions side by side, and look at everything they are shown.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use dancer_session::{Error, Flushed, Session, SessionEngine};
use testbench::Dice;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::dropped::after_polls;
use super::history::{Act, Breach, History, Micros, Outcome, now};

/// A load that runs until it is told to stop.
pub(super) struct Load {
    pub(super) history: History,
    browsers: Vec<Mutex<Option<Cookie>>>,
    lives: AtomicU64,
    stopped: AtomicBool,
    /// How many of a hundred acts are dropped half-way.
    dropped: u64,
    pause: Duration,
}

/// What a browser knows of its session.
#[derive(Debug, Clone)]
pub(super) struct Cookie {
    pub(super) life: u64,
    pub(super) id: String,
    /// When the id was given to it.
    pub(super) acknowledged: Micros,
    /// Changes with every renew and destroy that begins or ends: then the id may be a former one.
    version: u64,
    /// Renews and destroys under way.
    moving: u32,
    /// One of them got no answer.
    pub(super) unclear: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) browsers: usize,
    /// The first life; those of different processes must differ.
    pub(super) first_life: u64,
    pub(super) dropped: u64,
    pub(super) pause: Duration,
    /// Of the engines.
    pub(super) timeout: Duration,
}

/// Shorter than every fault, so that operations give up in it.
pub(super) const TIMEOUT: Duration = Duration::from_millis(400);

impl Default for Plan {
    fn default() -> Self {
        Self {
            browsers: 40,
            first_life: 1,
            dropped: 0,
            pause: Duration::from_millis(8),
            timeout: TIMEOUT,
        }
    }
}

pub(super) const CLIENTS: u64 = 16;
/// The entry that names the life; those of the clients hold it too.
pub(super) const LIFE: &str = "life";
pub(super) const COUNTER: &str = "n";

/// A token is unique: the life, the client and the number of the write.
pub(super) fn token(life: u64, client: u64, sequence: u64) -> String {
    format!("{life}/{client}/{sequence}")
}

/// Life, client and number.
pub(super) fn parse(token: &str) -> Option<[u64; 3]> {
    let parts: Option<Vec<u64>> = token.split('/').map(|part| part.parse().ok()).collect();
    parts?.try_into().ok()
}

impl Load {
    pub(super) fn new(plan: &Plan) -> Arc<Self> {
        Arc::new(Self {
            history: History::default(),
            browsers: (0..plan.browsers).map(|_| Mutex::new(None)).collect(),
            lives: AtomicU64::new(plan.first_life),
            stopped: AtomicBool::new(false),
            dropped: plan.dropped,
            pause: plan.pause,
        })
    }

    /// Starts the clients, in turn on each of the engines.
    pub(super) fn start(self: &Arc<Self>, engines: &[SessionEngine], seed: u64) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let mut client = Client {
                load: Arc::clone(self),
                engine: engines[number as usize % engines.len()].clone(),
                number,
                sequence: 0,
                acknowledged: std::collections::HashMap::new(),
            };
            let mut dice = Dice::new(seed.wrapping_mul(1_000).wrapping_add(number));
            clients.spawn(async move { client.run(&mut dice).await });
        }
        clients
    }

    pub(super) async fn stop(&self, clients: JoinSet<()>) {
        self.stopped.store(true, Ordering::SeqCst);
        clients.join_all().await;
    }

    /// What the browsers hold now.
    pub(super) fn cookies(&self) -> Vec<Cookie> {
        let all = self.browsers.iter();
        all.filter_map(|browser| browser.lock().unwrap().clone())
            .collect()
    }

    fn browser(&self, at: usize) -> MutexGuard<'_, Option<Cookie>> {
        self.browsers[at].lock().unwrap()
    }
}

struct Client {
    load: Arc<Load>,
    engine: SessionEngine,
    number: u64,
    sequence: u64,
    /// The number of the last write to each life that was acknowledged, and when.
    acknowledged: std::collections::HashMap<u64, (u64, Micros)>,
}

impl Client {
    async fn run(&mut self, dice: &mut Dice) {
        let load = Arc::clone(&self.load);
        while !load.stopped.load(Ordering::SeqCst) {
            let browser = dice.below(load.browsers.len() as u64) as usize;
            let share = dice.below(100);
            if dice.percent(load.dropped) {
                // Without an end, its outcome stays unknown.
                let _ = after_polls(dice.below(6), self.act(browser, share)).await;
            } else {
                self.act(browser, share).await;
            }
            sleep(load.pause).await;
        }
    }

    async fn act(&mut self, browser: usize, share: u64) {
        let load = Arc::clone(&self.load);
        let cookie = load.browser(browser).clone();
        let Some(cookie) = cookie else {
            return self.create(browser).await;
        };
        self.sequence += 1;
        let act = match share {
            0..60 => Act::Read,
            60..85 => Act::Write(self.sequence),
            85..90 => Act::Count,
            90..95 => Act::Renew,
            _ => Act::Destroy,
        };
        let number = load.history.begin(self.number, cookie.life, act);
        let outcome = match load.history.call(self.engine.retrieve(&cookie.id)).await {
            Err(error) => {
                if !error.is_unavailable() {
                    let what = format!("a strange answer: {error}");
                    load.history.breach(Breach::strict(5, what));
                }
                // Nothing was begun but the read.
                Outcome::Fail
            }
            Ok(Some(session)) if !session.is_ended() => {
                self.look(&cookie, &session);
                self.change(browser, &cookie, &session, act).await
            }
            Ok(_) => {
                self.missing(browser, &cookie);
                Outcome::Fail
            }
        };
        if let (Act::Write(sequence), Outcome::Ok) = (act, outcome) {
            self.acknowledged.insert(cookie.life, (sequence, now()));
        }
        load.history.end(number, outcome);
    }

    async fn create(&self, browser: usize) {
        let load = &self.load;
        let life = load.lives.fetch_add(1, Ordering::SeqCst);
        let number = load.history.begin(self.number, life, Act::Create);
        let session = self.engine.anonymous();
        session.set(LIFE, life).unwrap();
        let flushed = load.history.call(session.flush()).await;
        let outcome = match flushed {
            Ok(flushed) => {
                assert_eq!(flushed, Flushed::Created);
                let id = session.id().expect("a session that was created has an id");
                *load.browser(browser) = Some(Cookie {
                    life,
                    id: id.as_str().to_owned(),
                    acknowledged: now(),
                    version: 0,
                    moving: 0,
                    unclear: false,
                });
                Outcome::Ok
            }
            Err(error) => Outcome::of(&error),
        };
        load.history.end(number, outcome);
    }

    /// N5 and N7: what a session shows is its own, and not older than what this client was told.
    fn look(&self, cookie: &Cookie, session: &Session) {
        let (life, history) = (cookie.life, &self.load.history);
        let named = session.get::<u64>(LIFE);
        if !matches!(named, Ok(Some(named)) if named == life) {
            let what = format!("life {life} was shown another session: {named:?}");
            history.breach(Breach::strict(5, what));
            return;
        }
        let mut own = 0;
        for name in session.keys().iter().filter(|name| name.starts_with('c')) {
            let shown = session.get::<String>(name).unwrap().unwrap_or_default();
            match parse(&shown) {
                Some([of, client, sequence]) if of == life && *name == format!("c{client}") => {
                    if client == self.number {
                        own = sequence;
                    }
                }
                _ => history.breach(Breach::strict(
                    5,
                    format!("life {life} was shown {shown:?}"),
                )),
            }
        }
        if let Some(&(sequence, at)) = self.acknowledged.get(&life)
            && own < sequence
        {
            let what = format!("life {life}: read {own} after {sequence} was acknowledged");
            history.breach(Breach::of(7, at, what));
        }
    }

    /// There is no session under the id that the browser holds, or had a moment ago.
    fn missing(&self, browser: usize, before: &Cookie) {
        let mut cookie = self.load.browser(browser);
        let Some(there) = &*cookie else { return };
        if there.life != before.life || there.id != before.id {
            return;
        }
        let explained = before.moving > 0 || there.version != before.version || there.unclear;
        if !explained {
            let what = format!("life {}: gone, and nobody has ended it", before.life);
            let at = before.acknowledged;
            self.load.history.breach(Breach::of(1, at, what));
        }
        if there.moving == 0 {
            // The visitor is anonymous, and will begin anew.
            *cookie = None;
        }
    }

    async fn change(
        &self,
        browser: usize,
        cookie: &Cookie,
        session: &Session,
        act: Act,
    ) -> Outcome {
        let history = &self.load.history;
        match act {
            Act::Create | Act::Read => return Outcome::Ok,
            Act::Write(sequence) => {
                let token = token(cookie.life, self.number, sequence);
                session.set(&format!("c{}", self.number), token).unwrap();
            }
            Act::Count => {
                let inc = |n: Option<u64>| n.unwrap_or(0) + 1;
                session.update(COUNTER, inc).unwrap();
            }
            Act::Renew => session.renew(),
            Act::Destroy => session.destroy(),
        }
        if !matches!(act, Act::Renew | Act::Destroy) {
            return outcome(&history.call(session.flush()).await, act);
        }
        let mut moving = Moving::begin(&self.load, browser, cookie.life);
        let flushed = history.call(session.flush()).await;
        let outcome = outcome(&flushed, act);
        moving.settled = outcome != Outcome::Unknown;
        if outcome == Outcome::Ok {
            let id = session.id().map(|id| id.as_str().to_owned());
            moving.to(id);
        }
        outcome
    }
}

/// What a flush says of an act.
fn outcome(flushed: &Result<Flushed, Error>, act: Act) -> Outcome {
    match (flushed, act) {
        (Err(error), _) => Outcome::of(error),
        // Another request was faster.
        (Ok(Flushed::Ended), _) => Outcome::Fail,
        (Ok(Flushed::Stored), Act::Write(_) | Act::Count)
        | (Ok(Flushed::Renewed), Act::Renew)
        | (Ok(Flushed::Destroyed), Act::Destroy) => Outcome::Ok,
        (Ok(flushed), act) => panic!("{act:?} became {flushed:?}"),
    }
}

/// A renew or destroy under way. If nobody says how it ended, the browser's id is unclear.
struct Moving<'a> {
    load: &'a Load,
    browser: usize,
    life: u64,
    settled: bool,
}

impl<'a> Moving<'a> {
    fn begin(load: &'a Load, browser: usize, life: u64) -> Self {
        let moving = Self {
            load,
            browser,
            life,
            settled: false,
        };
        moving.with(|cookie| {
            cookie.moving += 1;
            cookie.version += 1;
        });
        moving
    }

    /// The browser is given another id, or none any more.
    fn to(&self, id: Option<String>) {
        let Some(id) = id else {
            let mut there = self.load.browser(self.browser);
            if there
                .as_ref()
                .is_some_and(|cookie| cookie.life == self.life)
            {
                *there = None;
            }
            return;
        };
        self.with(|cookie| {
            cookie.id = id;
            cookie.acknowledged = now();
            cookie.unclear = false;
        });
    }

    fn with(&self, change: impl FnOnce(&mut Cookie)) {
        let mut there = self.load.browser(self.browser);
        if let Some(cookie) = there.as_mut().filter(|cookie| cookie.life == self.life) {
            change(cookie);
        }
    }
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        let settled = self.settled;
        self.with(|cookie| {
            cookie.moving -= 1;
            cookie.version += 1;
            cookie.unclear |= !settled;
        });
    }
}
