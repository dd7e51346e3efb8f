//! The steps that are cut: what each needs, does, and leaves behind.

use std::time::Duration;

use dancer_session::{Error, Flushed, Layout, Session, SessionEngine, Settings};
use redis::aio::MultiplexedConnection;
use testbench::{Proxy, RedisServer};

use crate::bench::{Kind, get, id};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Create,
    Retrieve,
    Flush,
    Touch,
    Renew,
    Destroy,
}

/// What the store says of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Before,
    After,
}

/// A server, and an engine that is cut off from it.
pub(super) struct Bench {
    pub(super) proxy: Proxy,
    /// Behind the proxy.
    engine: SessionEngine,
    /// On the server itself.
    direct: SessionEngine,
    admin: MultiplexedConnection,
    layout: Layout,
    step: Step,
    _server: RedisServer,
}

/// A session that is there, in the hand of a request that came through the proxy.
pub(super) struct Case {
    hand: Session,
    old: Option<String>,
}

/// What keys live for when a touch has not reached them.
const UNTOUCHED: u64 = 500_000;
const EXPIRE: u64 = 900_000;

impl Step {
    pub(super) const ALL: [Step; 6] = [
        Step::Create,
        Step::Retrieve,
        Step::Flush,
        Step::Touch,
        Step::Renew,
        Step::Destroy,
    ];

    /// What is in its request and in no other one that a case sends meanwhile.
    fn word(self, layout: Layout) -> &'static str {
        match (self, layout) {
            (Step::Create, _) => "\r\nNX\r\n",
            (Step::Retrieve, Layout::Native) => "\r\nGETEX\r\n",
            (Step::Retrieve, _) => "\r\nGET\r\n",
            (Step::Flush | Step::Renew | Step::Destroy, _) => "\r\nEVALSHA\r\n",
            (Step::Touch, _) => "\r\nPEXPIRE\r\n",
        }
    }
}

impl Bench {
    pub(super) async fn new(kind: Kind, step: Step, timeout: Duration) -> Self {
        let server = RedisServer::start();
        let proxy = Proxy::to(&server).await;
        let settings = Settings {
            layout: kind.layout(),
            timeout: Duration::from_secs(20),
            // Without it, the native layout touches by reading.
            touch_interval: Duration::from_secs(if step == Step::Touch { 10 } else { 0 }),
            ..Settings::default()
        };
        let direct = Settings {
            sock: Some(server.sock().to_owned()),
            ..settings.clone()
        };
        let direct = SessionEngine::init(direct).await.unwrap();
        // The server knows the scripts from here on.
        let first = direct.create().await.unwrap();
        first.set("n", 0).unwrap();
        let _ = first.flush().await.unwrap();
        first.renew();
        let _ = first.flush().await.unwrap();
        let behind = Settings {
            server: Some(proxy.url()),
            timeout,
            ..settings
        };
        let mut builder = SessionEngine::builder(behind);
        if kind == Kind::WithoutThreads {
            builder = builder.without_threads();
        }
        // A short timeout may pass before a loaded machine answers.
        let engine = loop {
            if let Ok(engine) = builder.clone().init().await {
                break engine;
            }
        };
        Self {
            admin: server.connection().await,
            layout: kind.layout(),
            step,
            proxy,
            engine,
            direct,
            _server: server,
        }
    }

    /// Picks the request of the step.
    pub(super) fn picks(&self) -> impl Fn(&[u8]) -> bool + Send + Sync + 'static {
        let word = self.step.word(self.layout).as_bytes();
        move |request| request.windows(word.len()).any(|part| part == word)
    }

    /// What has to be there before the step.
    pub(super) async fn prepare(&mut self) -> Case {
        let () = self.ask(redis::cmd("FLUSHALL")).await;
        if self.step == Step::Create {
            let hand = self.engine.anonymous();
            hand.set("n", 1).unwrap();
            return Case { hand, old: None };
        }
        let session = self.direct.anonymous();
        session.set("n", 0).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Created);
        let old = id(&session);
        let hand = loop {
            match self.engine.retrieve(&old).await {
                Ok(found) => break found.expect("it was stored a moment ago"),
                Err(error) => assert!(error.is_unavailable(), "{error}"),
            }
        };
        // A touch of this retrieve must not be taken for that of the step.
        tokio::time::sleep(Duration::from_millis(1)).await;
        for key in self.keys().await {
            let shorter = redis::cmd("PEXPIRE").arg(key).arg(UNTOUCHED).to_owned();
            let _: u64 = self.ask(shorter).await;
        }
        let old = Some(old);
        Case { hand, old }
    }

    /// The step itself; `Ok` means that it says it was done.
    pub(super) async fn perform(&self, case: &Case) -> Result<(), Error> {
        let hand = &case.hand;
        let inc = |n: Option<u64>| n.expect("it is there") + 1;
        let expected = match self.step {
            Step::Create => Flushed::Created,
            Step::Retrieve | Step::Touch => {
                let old = case.old.as_deref().unwrap();
                let found = self.engine.retrieve(old).await?;
                let found = found.expect("a session that is there is never missing");
                assert_eq!((get(&found, "n"), found.is_ended()), (Some(0), false));
                return Ok(());
            }
            Step::Flush => {
                hand.update("n", inc).unwrap();
                Flushed::Stored
            }
            Step::Renew => {
                hand.set("n", 1).unwrap();
                hand.renew();
                Flushed::Renewed
            }
            Step::Destroy => {
                hand.destroy();
                Flushed::Destroyed
            }
        };
        assert_eq!(hand.flush().await?, expected);
        if expected != Flushed::Destroyed {
            let new = self.direct.retrieve(&id(hand)).await.unwrap().unwrap();
            assert_eq!(get(&new, "n"), Some(1));
        }
        Ok(())
    }

    /// What is stored, which must be the whole of the step or nothing of it.
    pub(super) async fn state(&mut self, case: &Case) -> State {
        let mut whole = 0;
        let keys = self.keys().await;
        for key in &keys {
            let mut look = redis::pipe();
            look.cmd("PTTL").arg(key).cmd("GET").arg(key);
            let (left, payload): (i64, Vec<u8>) = look.query_async(&mut self.admin).await.unwrap();
            assert!((1..=EXPIRE as i64).contains(&left), "N6: {left}");
            // The stub of either layout has no entry.
            whole += usize::from(holds_n(&payload));
        }
        let Some(old) = &case.old else {
            assert!(whole == keys.len() && whole <= 1, "created once or not");
            return [State::Before, State::After][whole];
        };
        let old = self.direct.retrieve(old).await.unwrap();
        let old = old.expect("neither session nor stub is gone by itself");
        match (self.step, old.is_ended(), keys.len()) {
            (Step::Retrieve | Step::Touch, false, 1) => {
                assert_eq!(get(&old, "n"), Some(0));
                State::Before
            }
            (Step::Flush, false, 1) => match get(&old, "n") {
                Some(0) => State::Before,
                Some(1) => State::After,
                other => panic!("counted twice, or half: {other:?}"),
            },
            (Step::Renew | Step::Destroy, false, 1) => {
                assert_eq!(get(&old, "n"), Some(0));
                State::Before
            }
            (Step::Renew, true, 2) | (Step::Destroy, true, 1) => State::After,
            other => panic!("half a step: {other:?}"),
        }
    }

    /// Says what the request makes of an error, when the network is whole again: it flushes once
    /// more.
    pub(super) async fn again(&self, case: &Case, error: &Error) {
        let again = case.hand.flush().await;
        match (self.step, error.is_unknown()) {
            (Step::Retrieve | Step::Touch, _) => {}
            (Step::Create, _) => assert_eq!(again.unwrap(), Flushed::Created),
            (Step::Destroy, _) => assert_eq!(again.unwrap(), Flushed::Destroyed),
            (Step::Flush, false) => assert_eq!(again.unwrap(), Flushed::Stored),
            // Doing it again might count twice.
            (Step::Flush, true) => assert!(again.unwrap_err().is_unknown()),
            (Step::Renew, false) => assert_eq!(again.unwrap(), Flushed::Renewed),
            // If it was carried out, the log-in starts anew: nobody knows the other id.
            (Step::Renew, true) => {
                assert!(matches!(again, Ok(Flushed::Renewed | Flushed::Created)));
            }
        }
        if matches!(self.step, Step::Flush | Step::Renew) && !error.is_unknown() {
            let found = self.direct.retrieve(&id(&case.hand)).await.unwrap();
            assert_eq!(get(&found.unwrap(), "n"), Some(1));
        }
    }

    /// Waits until the engine has noticed that the network is whole again.
    pub(super) async fn heal(&self) {
        for _ in 0..2_000 {
            // Each time: a cut that was decided on before the operation gave up may happen only now, and
            // closes the network once more.
            self.proxy.refuse(false);
            if self.engine.retrieve(&"A".repeat(43)).await.is_ok()
                && self.engine.retrieve(&"1".repeat(40)).await.is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it does not recover");
    }

    async fn keys(&mut self) -> Vec<String> {
        self.ask(redis::cmd("KEYS").arg("*").to_owned()).await
    }

    async fn ask<T: redis::FromRedisValue>(&mut self, command: redis::Cmd) -> T {
        command.query_async(&mut self.admin).await.unwrap()
    }
}

/// Whether a payload of either layout has the entry `n`: as JSON, or as Perl writes a key.
fn holds_n(payload: &[u8]) -> bool {
    let has = |part: &[u8]| payload.windows(part.len()).any(|window| window == part);
    has(b"\"n\":") || has(b"\0\0\0\x01n") || has(b"\x01\0\0\0n")
}
