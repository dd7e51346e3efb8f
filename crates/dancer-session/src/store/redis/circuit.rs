//! When a connection is tried next, and when nobody shall wait for it any more. Pure decisions: the
//! clock and the dice are arguments.

use std::time::{Duration, Instant};

/// The first attempt to connect takes at most so long, so that one black hole is not the whole
/// deadline. Each further one may take twice as long, for a line across the world needs several
/// round trips, and after the longest it begins anew: who waits long hears late that all is well.
const ATTEMPT: Duration = Duration::from_millis(300);
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// Between two attempts while requests wait for them.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// And while none does.
const LONGEST_PROBE_PAUSE: Duration = Duration::from_millis(500);
/// An outage has at least so many failures, however long they took.
const FEWEST: u32 = 3;
/// Failures further apart than this, and twice the patience, have nothing to do with each other.
const APART: Duration = Duration::from_secs(2);

/// Whether the server is worth waiting for.
///
/// It *opens* when failures have followed one another for as long as one operation may take: until
/// then everybody waits, so that a short outage costs no error. While it is open calls fail at once,
/// and one probe at a time finds out whether all is well. A connection that was made closes it for
/// the time being; only an answer ends the trouble.
#[derive(Debug)]
pub(super) struct Circuit {
    /// How long one operation may take.
    patience: Duration,
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    since: Instant,
    last: Instant,
    failures: u32,
    /// How many attempts to connect were made since the last one that succeeded.
    attempts: u32,
    cause: String,
    open: bool,
    /// Whether it was open at any time.
    opened: bool,
    /// Whether the last attempt was.
    hopeless: bool,
    next: Instant,
}

/// What has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    /// A connection that was there gave no reply.
    Reply,
    /// None could be made; it may succeed a moment later.
    Attempt,
    /// The same, and why is not known: time ran out.
    SilentAttempt,
    /// None could be made, and none will before somebody sees to it.
    Hopeless,
}

impl Circuit {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            trouble: None,
        }
    }

    /// After a failure; `dice` is any number, so that not all processes come back at once. Returns
    /// whether this has opened the circuit.
    pub(super) fn failed(&mut self, what: Failed, cause: String, now: Instant, dice: u64) -> bool {
        let over = 2 * self.patience + APART;
        self.trouble
            .take_if(|trouble| now.saturating_duration_since(trouble.last) > over);
        let patience = self.patience;
        let trouble = self.trouble.get_or_insert_with(|| Trouble {
            since: now,
            last: now,
            failures: 0,
            attempts: 0,
            cause: cause.clone(),
            open: false,
            opened: false,
            hopeless: false,
            next: now,
        });
        trouble.failures += 1;
        trouble.last = now;
        // That time ran out says less than what the attempt before has met.
        if what != Failed::SilentAttempt {
            trouble.cause = cause;
        }
        if what != Failed::Reply {
            trouble.attempts += 1;
        }
        trouble.hopeless = what == Failed::Hopeless;
        let long = now.saturating_duration_since(trouble.since) >= patience;
        let opens = what == Failed::Hopeless || (long && trouble.failures >= FEWEST);
        let opened = opens && !trouble.open;
        trouble.open |= opens;
        trouble.opened |= opens;
        trouble.next = now + trouble.pause(what, dice);
        opened
    }

    /// A connection was made. Whether it is good for anything an answer will show.
    pub(super) fn connected(&mut self) {
        if let Some(trouble) = &mut self.trouble {
            trouble.open = false;
            trouble.attempts = 0;
        }
    }

    /// The server has answered a command; returns how long it had not, if that was long enough to
    /// open the circuit.
    pub(super) fn answered(&mut self, now: Instant) -> Option<Duration> {
        let trouble = self.trouble.take().filter(|trouble| trouble.opened)?;
        Some(now.saturating_duration_since(trouble.since))
    }

    /// Why calls fail at once, if they do.
    pub(super) fn refusal(&self) -> Option<&str> {
        let trouble = self.trouble.as_ref().filter(|trouble| trouble.open);
        trouble.map(|trouble| &*trouble.cause)
    }

    /// Whether waiting is of no use before somebody has seen to it.
    pub(super) fn is_hopeless(&self) -> bool {
        self.trouble
            .as_ref()
            .is_some_and(|trouble| trouble.hopeless)
    }

    /// The last failure in words, if there is trouble.
    pub(super) fn cause(&self) -> Option<&str> {
        self.trouble.as_ref().map(|trouble| &*trouble.cause)
    }

    /// When the next attempt may be made; `None`: at once.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let trouble = self.trouble.as_ref()?;
        (now < trouble.next).then_some(trouble.next)
    }

    /// How long the next attempt may take.
    pub(super) fn attempt(&self) -> Duration {
        let longest = self.patience.max(ATTEMPT);
        let mut steps = 1;
        while ATTEMPT * 2_u32.pow(steps - 1) < longest {
            steps += 1;
        }
        let attempts = self.trouble.as_ref().map_or(0, |trouble| trouble.attempts);
        (ATTEMPT * 2_u32.pow(attempts % steps)).min(longest)
    }
}

impl Trouble {
    /// From half of it to all of it, by the dice.
    fn pause(&self, what: Failed, dice: u64) -> Duration {
        // One lost connection is nothing: the next one is made at once.
        if what == Failed::Reply && self.failures == 1 {
            return Duration::ZERO;
        }
        let longest = match self.open {
            true => LONGEST_PROBE_PAUSE,
            false => LONGEST_PAUSE,
        };
        let doubled = FIRST_PAUSE * 2_u32.pow(self.failures.min(10) - 1);
        let whole = doubled.min(longest);
        whole / 2 + whole.mul_f64((dice % 1024) as f64 / 2048.0)
    }
}

#[cfg(test)]
mod tests;
