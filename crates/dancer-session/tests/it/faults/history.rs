//! What the clients of a load did, what they were told, and what they must never have seen.

use std::fmt;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dancer_session::Error;

/// Microseconds since 1970: comparable between processes too.
pub(super) type Micros = u64;

pub(super) fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is later than 1970").as_micros() as Micros
}

/// What a client does to the session of a life. A life is one session under all its ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Create,
    Read,
    /// Writes its number so many into the client's own entry.
    Write(u64),
    /// Adds one to the entry that all clients share.
    Count,
    Renew,
    Destroy,
}

/// What the client was told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Ok,
    /// Certainly not applied.
    Fail,
    Unknown,
}

impl Outcome {
    pub(super) fn of(error: &Error) -> Self {
        match error.is_unknown() {
            true => Self::Unknown,
            false => Self::Fail,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    pub(super) client: u64,
    pub(super) life: u64,
    pub(super) act: Act,
    /// `None`, and an unknown outcome: it never ended, as far as anybody was told.
    pub(super) ended: Option<Micros>,
    pub(super) outcome: Outcome,
}

/// One call of the engine.
#[derive(Debug, Clone, Copy)]
struct Call {
    begun: Micros,
    ended: Micros,
    ok: bool,
}

/// A breach of an invariant (N1 to N9).
#[derive(Clone)]
pub(super) struct Breach {
    pub(super) invariant: u8,
    /// When that was acknowledged which is lost or undone; nothing where nothing excuses it.
    pub(super) acknowledged: Vec<Micros>,
    /// How many of these are lost.
    pub(super) lost: usize,
    pub(super) what: String,
}

impl fmt::Debug for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "N{}: {}", self.invariant, self.what)
    }
}

impl Breach {
    /// One that nothing excuses.
    pub(super) fn strict(invariant: u8, what: String) -> Self {
        Self {
            invariant,
            acknowledged: Vec::new(),
            lost: 0,
            what,
        }
    }

    /// The loss of something that was acknowledged at this time.
    pub(super) fn of(invariant: u8, acknowledged: Micros, what: String) -> Self {
        Self {
            invariant,
            acknowledged: vec![acknowledged],
            lost: 1,
            what,
        }
    }
}

#[derive(Default)]
pub(super) struct History {
    records: Mutex<Vec<Record>>,
    calls: Mutex<Vec<Call>>,
    breaches: Mutex<Vec<Breach>>,
    /// Whether everything is told on standard output at once, for who outlives this process.
    told: AtomicBool,
}

impl History {
    /// Writes all that begins and ends to standard output.
    pub(super) fn tell(&self) {
        // Whatever stands there has no end of line yet.
        out("");
        self.told.store(true, Ordering::SeqCst);
    }

    /// Notes that a client is about to do something; returns the number of the record.
    pub(super) fn begin(&self, client: u64, life: u64, act: Act) -> usize {
        let mut records = self.records.lock().unwrap();
        records.push(Record {
            client,
            life,
            act,
            ended: None,
            outcome: Outcome::Unknown,
        });
        let number = records.len() - 1;
        // With the lock held, so that the lines come in the order of their numbers.
        if self.told.load(Ordering::SeqCst) {
            out(&told::begun(number, &records[number]));
        }
        number
    }

    pub(super) fn end(&self, number: usize, outcome: Outcome) {
        let ended = now();
        {
            let mut records = self.records.lock().unwrap();
            records[number].outcome = outcome;
            records[number].ended = Some(ended);
        }
        if self.told.load(Ordering::SeqCst) {
            out(&told::ended(number, outcome, ended));
        }
    }

    /// Adds what another process has told.
    pub(super) fn add_told(&self, text: &str) {
        let mut records = self.records.lock().unwrap();
        records.extend(told::read(text));
    }

    /// Calls the engine, and notes how long it took.
    pub(super) async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let begun = now();
        let answer = call.await;
        self.calls.lock().unwrap().push(Call {
            begun,
            ended: now(),
            ok: answer.is_ok(),
        });
        answer
    }

    pub(super) fn breach(&self, breach: Breach) {
        self.breaches.lock().unwrap().push(breach);
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap().clone()
    }

    pub(super) fn breaches(&self) -> Vec<Breach> {
        self.breaches.lock().unwrap().clone()
    }

    /// How many acts had each outcome.
    pub(super) fn counts(&self) -> [usize; 3] {
        let records = self.records.lock().unwrap();
        [Outcome::Ok, Outcome::Fail, Outcome::Unknown]
            .map(|it| records.iter().filter(|record| record.outcome == it).count())
    }

    /// The share of calls begun between these moments that were answered by then, in percent.
    pub(super) fn availability(&self, from: Micros, until: Micros) -> f64 {
        let calls = self.calls.lock().unwrap();
        let during = calls
            .iter()
            .filter(|call| (from..until).contains(&call.begun));
        let (ok, all) = during.fold((0, 0), |(ok, all), call| {
            (ok + u32::from(call.ok && call.ended < until), all + 1)
        });
        100.0 * f64::from(ok) / f64::from(all.max(1))
    }

    /// How many calls ended with an error.
    pub(super) fn errors(&self) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| !call.ok).count()
    }

    /// Within what time 99 of 100 calls begun between these moments ended.
    pub(super) fn p99(&self, from: Micros, until: Micros) -> Duration {
        let calls = self.calls.lock().unwrap();
        let during = calls
            .iter()
            .filter(|call| (from..until).contains(&call.begun));
        let mut times: Vec<_> = during
            .map(|call| call.ended.saturating_sub(call.begun))
            .collect();
        times.sort_unstable();
        let at = times.len() * 99 / 100;
        Duration::from_micros(times.get(at).copied().unwrap_or(0))
    }

    /// How long after this moment the first good answer came.
    pub(super) fn first_ok_after(&self, moment: Micros) -> Option<Duration> {
        let calls = self.calls.lock().unwrap();
        let ok = calls.iter().filter(|call| call.ok && call.ended >= moment);
        let first = ok.map(|call| call.ended).min()?;
        Some(Duration::from_micros(first - moment))
    }

    pub(super) fn slowest(&self) -> Duration {
        let calls = self.calls.lock().unwrap();
        let slowest = calls
            .iter()
            .map(|call| call.ended.saturating_sub(call.begun));
        Duration::from_micros(slowest.max().unwrap_or(0))
    }
}

/// To the standard output itself, at once, and not to what the test's harness keeps of it.
fn out(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("somebody reads the output");
}

/// Records as lines of text.
mod told {
    use super::{Act, Micros, Outcome, Record};

    pub(super) fn begun(number: usize, record: &Record) -> String {
        let (act, sequence) = match record.act {
            Act::Create => ("create", 0),
            Act::Read => ("read", 0),
            Act::Write(sequence) => ("write", sequence),
            Act::Count => ("count", 0),
            Act::Renew => ("renew", 0),
            Act::Destroy => ("destroy", 0),
        };
        let Record { client, life, .. } = record;
        format!("begun {number} {client} {life} {act} {sequence}")
    }

    pub(super) fn ended(number: usize, outcome: Outcome, at: Micros) -> String {
        let outcome = match outcome {
            Outcome::Ok => "ok",
            Outcome::Fail => "fail",
            Outcome::Unknown => "unknown",
        };
        format!("ended {number} {outcome} {at}")
    }

    /// What a process has told before it was killed; its last line may be half.
    pub(super) fn read(text: &str) -> Vec<Record> {
        let mut records = Vec::new();
        for line in text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
        {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |at: usize| words[at].parse::<u64>().unwrap();
            match words[..] {
                ["begun", _, _, _, act, _] => {
                    assert_eq!(number(1) as usize, records.len());
                    records.push(Record {
                        client: number(2),
                        life: number(3),
                        act: match act {
                            "create" => Act::Create,
                            "write" => Act::Write(number(5)),
                            "count" => Act::Count,
                            "renew" => Act::Renew,
                            "destroy" => Act::Destroy,
                            _ => Act::Read,
                        },
                        ended: None,
                        outcome: Outcome::Unknown,
                    });
                }
                ["ended", _, outcome, _] => {
                    let record: &mut Record = &mut records[number(1) as usize];
                    record.ended = Some(number(3));
                    record.outcome = match outcome {
                        "ok" => Outcome::Ok,
                        "fail" => Outcome::Fail,
                        _ => Outcome::Unknown,
                    };
                }
                _ => {}
            }
        }
        records
    }
}
