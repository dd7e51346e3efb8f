//! What is stored in the end, against what the clients were told: the invariants N1 to N6.

use std::collections::{HashMap, HashSet};

use redis::aio::MultiplexedConnection;
use serde_json::Value;
use testbench::RedisServer;

use super::history::{Act, Breach, Micros, Outcome, Record};
use super::load::{COUNTER, LIFE, parse};

/// Everything in a server, read once.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Remains {
    /// By key, in order: the payload, and whether its key expires within the time of a session.
    pub(super) payloads: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) immortal: usize,
}

impl Remains {
    pub(super) async fn of(server: &RedisServer) -> Self {
        let mut connection: MultiplexedConnection = server.connection().await;
        let mut remains = Self::default();
        for key in server.scan().await {
            let mut look = redis::pipe();
            look.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
            let (payload, left): (Option<Vec<u8>>, i64) =
                look.query_async(&mut connection).await.unwrap();
            let Some(payload) = payload else { continue };
            if !(0..=EXPIRE).contains(&left) && left != GONE {
                remains.immortal += 1;
            }
            remains.payloads.push((key, payload));
        }
        remains
    }

    /// Whether anything was stored, changed or lost since `before`. A stub whose time has passed is
    /// none of that: in a load that runs for longer than they stay, some go at every moment.
    pub(super) fn differs_from(&self, before: &Self) -> bool {
        let is_stub = |(_, payload): &&(Vec<u8>, Vec<u8>)| {
            let payload: Value = serde_json::from_slice(payload).unwrap_or_default();
            payload.get("e").is_none() && payload.get("x").is_some()
        };
        let [now, before] = [self, before].map(|remains| remains.payloads.iter());
        let (now, before): (HashSet<_>, HashSet<_>) = (now.collect(), before.collect());
        let lost = before.difference(&now).copied();
        let lost = lost.filter(|one| !is_stub(one)).count();
        lost > 0 || now.difference(&before).count() > 0
    }

    /// The entries of every session, stubs left out.
    fn sessions(&self) -> impl Iterator<Item = Value> {
        self.payloads.iter().filter_map(|(_, payload)| {
            let mut payload: Value = serde_json::from_slice(payload).expect("a payload is JSON");
            payload.get_mut("e").map(Value::take)
        })
    }
}

const EXPIRE: i64 = 900_000;
const GONE: i64 = -2;

/// All that was done to one life.
#[derive(Default)]
struct Life {
    created: Option<(Outcome, Option<Micros>)>,
    /// By client: number, outcome and end of each write, in order.
    writes: HashMap<u64, Vec<(u64, Outcome, Option<Micros>)>>,
    counted: Vec<Micros>,
    perhaps_counted: u64,
    destroyed: Option<Micros>,
    perhaps_destroyed: bool,
}

/// Every breach of N1 to N6 in what remains.
pub(super) fn check(records: &[Record], remains: &Remains) -> Vec<Breach> {
    let mut lives: HashMap<u64, Life> = HashMap::new();
    for record in records {
        lives.entry(record.life).or_default().add(record);
    }
    let mut found: HashMap<u64, Vec<Value>> = HashMap::new();
    for entries in remains.sessions() {
        if let Some(life) = entries[LIFE].as_u64() {
            found.entry(life).or_default().push(entries);
        }
    }
    let mut breaches = Vec::new();
    if remains.immortal > 0 {
        breaches.push(Breach::strict(
            6,
            format!("{} keys live too long", remains.immortal),
        ));
    }
    for number in found.keys().filter(|number| !lives.contains_key(number)) {
        breaches.push(Breach::strict(2, format!("life {number} was never begun")));
    }
    for (number, life) in &lives {
        let sessions = found.get(number).map_or(&[][..], Vec::as_slice);
        life.check(*number, sessions, &mut breaches);
    }
    breaches
}

impl Life {
    fn add(&mut self, record: &Record) {
        let Record { ended, outcome, .. } = *record;
        match (record.act, outcome) {
            (Act::Create, _) => self.created = Some((outcome, ended)),
            (Act::Write(sequence), _) => {
                let writes = self.writes.entry(record.client).or_default();
                writes.push((sequence, outcome, ended));
            }
            (Act::Count, Outcome::Ok) => self.counted.extend(ended),
            (Act::Count, Outcome::Unknown) => self.perhaps_counted += 1,
            (Act::Destroy, Outcome::Ok) => self.destroyed = self.destroyed.or(ended),
            (Act::Destroy, Outcome::Unknown) => self.perhaps_destroyed = true,
            (Act::Read | Act::Renew | Act::Count | Act::Destroy, _) => {}
        }
    }

    fn check(&self, number: u64, sessions: &[Value], breaches: &mut Vec<Breach>) {
        let [session] = sessions else {
            match (sessions.len(), self.created, self.destroyed) {
                (0, Some((Outcome::Ok, Some(at))), None) if !self.perhaps_destroyed => {
                    breaches.push(Breach::of(1, at, format!("life {number} is gone")));
                }
                (0, _, _) => {}
                (keys, _, destroyed) => {
                    let what = format!("life {number} has {keys} keys");
                    breaches.push(match destroyed {
                        Some(at) => Breach::of(4, at, what),
                        None => Breach::strict(4, what),
                    });
                }
            }
            return;
        };
        if let Some(at) = self.destroyed {
            let what = format!("life {number} was destroyed, and is there");
            breaches.push(Breach::of(4, at, what));
        }
        if let Some((Outcome::Fail, _)) = self.created {
            let what = format!("life {number} was not created, and is there");
            breaches.push(Breach::strict(2, what));
        }
        for (client, writes) in &self.writes {
            let shown = session[format!("c{client}")].as_str().map(parse);
            match shown {
                None => Self::check_writes(number, *client, 0, writes, breaches),
                Some(Some([life, by, sequence])) if life == number && by == *client => {
                    Self::check_writes(number, *client, sequence, writes, breaches);
                }
                Some(other) => {
                    breaches.push(Breach::strict(5, format!("life {number} holds {other:?}")));
                }
            }
        }
        self.check_counter(number, session, breaches);
    }

    /// N1 and N2 for the entry that one client writes: it holds the last number that was
    /// acknowledged, or a later one of which nobody was told.
    fn check_writes(
        number: u64,
        client: u64,
        shown: u64,
        writes: &[(u64, Outcome, Option<Micros>)],
        breaches: &mut Vec<Breach>,
    ) {
        let what = |what: &str| format!("life {number}, client {client}: {what} {shown}");
        let later = writes.iter().filter(|(sequence, ..)| *sequence > shown);
        let lost = later.filter(|(_, outcome, _)| *outcome == Outcome::Ok);
        let lost: Vec<Micros> = lost.filter_map(|(.., at)| *at).collect();
        if !lost.is_empty() {
            breaches.push(Breach {
                invariant: 1,
                lost: lost.len(),
                acknowledged: lost,
                what: what("more was stored than"),
            });
        }
        let of = |(sequence, ..): &&(u64, Outcome, _)| *sequence == shown;
        match writes.iter().find(of) {
            Some((_, Outcome::Fail, _)) => {
                breaches.push(Breach::strict(2, what("not applied was")))
            }
            None if shown != 0 => breaches.push(Breach::strict(2, what("nobody has written"))),
            _ => {}
        }
    }

    fn check_counter(&self, number: u64, session: &Value, breaches: &mut Vec<Breach>) {
        let shown = session[COUNTER].as_u64().unwrap_or(0);
        let least = self.counted.len() as u64;
        let most = least + self.perhaps_counted;
        let what = format!("life {number} counted {shown}, not {least} to {most}");
        if shown > most {
            breaches.push(Breach::strict(2, what));
        } else if shown < least {
            breaches.push(Breach {
                invariant: 1,
                lost: (least - shown) as usize,
                acknowledged: self.counted.clone(),
                what,
            });
        }
    }
}

#[test]
fn a_stub_may_go_and_nothing_else_may_change() {
    let remains = |payloads: &[(&str, &str)]| Remains {
        payloads: payloads
            .iter()
            .map(|(key, payload)| (key.as_bytes().to_vec(), payload.as_bytes().to_vec()))
            .collect(),
        immortal: 0,
    };
    let (session, stub) = (("a", r#"{"e":{}}"#), ("b", r#"{"x":1}"#));
    let both = remains(&[session, stub]);
    assert!(!both.differs_from(&both));
    assert!(
        !remains(&[session]).differs_from(&both),
        "the stub has gone"
    );
    assert!(remains(&[stub]).differs_from(&both), "the session has gone");
    assert!(both.differs_from(&remains(&[session])), "a stub has come");
    let changed = ("a", r#"{"e":{"n":1}}"#);
    assert!(remains(&[changed, stub]).differs_from(&both));
}
