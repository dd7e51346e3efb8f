//! The engines that this process has, and what a fork does to them.
//!
//! Each runs in a runtime of its own that has no thread: it moves only while a call is in it. After
//! a fork, the child has a copy of both, but the sockets, and the kernel's list of those that are
//! waited for, are still the parent's: what is closed or dropped here is closed there. So nothing
//! inherited is ever used or dropped; it is forgotten, and made anew at the next call.

use std::mem;
use std::pin::pin;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use dancer_session::{Error, Session, SessionEngine, Settings};
use tokio::runtime::{Builder, Runtime};
use tokio::task;
use tracing::dispatcher::{self, Dispatch};

static ENGINES: Mutex<Vec<Engine>> = Mutex::new(Vec::new());

/// What makes an engine, and the one that this process has made of it.
struct Engine {
    settings: Settings,
    tied: Tied,
    live: Option<Arc<Live>>,
}

/// Whether sessions may have variables that are tied: Perl runs the code of their classes whenever
/// they are touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tied {
    Allowed,
    Refused,
}

/// An engine at work.
pub(crate) struct Live {
    runtime: Runtime,
    engine: SessionEngine,
    process: u32,
    pub(crate) tied: Tied,
    /// Who shows the engine's events, with `debug`.
    events: Option<Dispatch>,
    /// The session that was read or stored last: mostly it is the next that Perl flushes, and then its
    /// payload need not be decoded again.
    last: Mutex<Option<Session>>,
}

impl Live {
    fn start(settings: &Settings, tied: Tied) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::not_applied("no runtime could be made").because(error))?;
        let builder = SessionEngine::builder(settings.clone()).without_threads();
        let engine = runtime.block_on(builder.init())?;
        Ok(Self {
            runtime,
            engine,
            process: process::id(),
            tied,
            events: settings.debug.then(on_stderr),
            last: Mutex::new(None),
        })
    }

    /// Remembers a session, until the next one comes. Not a large one: it may be long until then.
    pub(crate) fn keep(&self, session: Session) {
        let size = session.payload().map_or(0, |payload| payload.len());
        *self.last() = (size <= SMALL).then_some(session);
    }

    /// The session that was remembered, if it is what Perl has.
    pub(crate) fn take(&self, id: &str, payload: &[u8]) -> Option<Session> {
        self.last()
            .take_if(|session| session.is_resumed_by(id, payload))
    }

    fn last(&self) -> MutexGuard<'_, Option<Session>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the engine. What it has sent without waiting for an answer has left the
    /// process then, since the engine writes in the calling thread.
    pub(crate) fn run<T>(&self, work: impl AsyncFnOnce(&SessionEngine) -> T) -> T {
        let _told = self.events.as_ref().map(dispatcher::set_default);
        let done = self.finish(work(&self.engine));
        // Tasks that have got what they waited for run only when somebody lets them.
        if self.runtime.metrics().num_alive_tasks() > FEW {
            self.runtime.block_on(task::yield_now());
        }
        done
    }

    /// Most work ends without ever giving the thread away: what it would cost to be ready for that is
    /// paid only when it has.
    fn finish<T>(&self, work: impl Future<Output = T>) -> T {
        let _here = self.runtime.enter();
        let mut work = pin!(work);
        let mut context = Context::from_waker(Waker::noop());
        match work.as_mut().poll(&mut context) {
            Poll::Ready(done) => done,
            Poll::Pending => self.runtime.block_on(work),
        }
    }
}

/// A session of so many bytes is remembered.
const SMALL: usize = 64 * 1024;

/// So many tasks may wait for the next call: to let them run is a call of the kernel.
const FEW: usize = 8;

fn on_stderr() -> Dispatch {
    let events = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    Dispatch::new(events.finish())
}

/// Makes an engine; returns its number.
pub(crate) fn open(settings: Settings, tied: Tied) -> Result<usize, Error> {
    let live = Some(Arc::new(Live::start(&settings, tied)?));
    let mut engines = engines();
    engines.push(Engine {
        settings,
        tied,
        live,
    });
    Ok(engines.len() - 1)
}

/// The engine with this number, of this process.
pub(crate) fn live(number: usize) -> Result<Arc<Live>, Error> {
    let mut engines = engines();
    let engine = engines.get_mut(number);
    let engine = engine.ok_or_else(|| Error::not_applied("a number that no engine has"))?;
    if let Some(live) = &engine.live {
        if live.process == process::id() {
            return Ok(Arc::clone(live));
        }
        mem::forget(engine.live.take());
    }
    let live = Arc::new(Live::start(&engine.settings, engine.tied)?);
    engine.live = Some(Arc::clone(&live));
    Ok(live)
}

fn engines() -> MutexGuard<'static, Vec<Engine>> {
    ENGINES.lock().unwrap_or_else(PoisonError::into_inner)
}
