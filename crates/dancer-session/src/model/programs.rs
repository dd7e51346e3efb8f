//! Twenty things that happen to a session, each told as three requests of four steps.

use super::faulty::Net;
use super::step::{Step, Which};

/// A name, and what each of the requests does, in words that [`read`] knows.
pub(super) type Program = (&'static str, [&'static str; 3]);

#[rustfmt::skip]
pub(super) const PROGRAMS: [Program; 20] = [
    ("a double click on \"Log in\"", ["get login flush touch", "get login flush newest", "get set flush get"]),
    ("a log-out while a slow form is saved", ["get set flush flush", "get destroy flush get", "get count flush touch"]),
    ("two tabs count, and a third", ["get count flush get", "get count flush get", "get count flush newest"]),
    ("renew against renew", ["get renew flush newest", "get renew flush newest", "get renew flush get"]),
    ("destroy, then set", ["get destroy set flush", "get other flush get", "get count flush newest"]),
    ("a log-in against a log-out", ["get login flush newest", "get destroy flush get", "get set flush touch"]),
    ("a log-in against the end of all sessions", ["get login flush newest", "all get set flush", "get renew flush all"]),
    ("one form in three tabs", ["get set flush get", "get set flush get", "get set flush newest"]),
    ("three forms of one page", ["get set flush get", "get other flush get", "get count flush get"]),
    ("a form that lies too long", ["get set flush newest", "wait touch expire touch", "get count flush get"]),
    ("a visitor again after the log-out", ["get destroy flush set", "get set flush newest", "newest count flush touch"]),
    ("late requests under the old id", ["get renew flush newest", "get set flush get", "touch get count flush"]),
    ("a log-in when the stub has ended", ["get renew flush wait", "get set flush get", "wait get login flush"]),
    ("two log-outs", ["get destroy flush flush", "get destroy flush get", "get set flush newest"]),
    ("the absolute limit", ["get count wait flush", "wait touch wait touch", "get login flush newest"]),
    ("a log-in whose reply is lost", ["get login lost newest", "get count flush get", "get destroy flush get"]),
    ("a log-out whose reply is lost", ["get destroy lost get", "get renew flush newest", "get count lost get"]),
    ("a log-in at which the store goes away", ["get login cut flush", "get count flush get", "get destroy cut flush"]),
    ("counting while the store goes away", ["get count cut flush", "get count missed get", "get renew cut newest"]),
    ("a store that is down for one of them", ["get set down flush", "get login flush newest", "all wait touch get"]),
];

/// The steps of one request of a program.
pub(super) fn read(who: usize, words: &str) -> Vec<Step> {
    words.split(' ').map(|word| step(who, word)).collect()
}

fn step(who: usize, word: &str) -> Step {
    match word {
        "get" => Step::Retrieve(who, Which::First),
        "newest" => Step::Retrieve(who, Which::Newest),
        "set" => Step::Set(who, "a"),
        "other" => Step::Set(who, "b"),
        "count" => Step::Update(who),
        "login" => Step::LogIn(who),
        "renew" => Step::Renew(who),
        "destroy" => Step::Destroy(who),
        "flush" => Step::Flush(who, Net::Well),
        "lost" => Step::Flush(who, Net::ReplyLost),
        "missed" => Step::Flush(who, Net::RequestLost),
        "cut" => Step::Flush(who, Net::CutAfter),
        "down" => Step::Flush(who, Net::Down),
        "touch" => Step::Touch,
        "all" => Step::DestroyAll,
        "wait" => Step::Wait(PAST_THE_STUB),
        "expire" => Step::Wait(PAST_THE_IDLE_LIMIT),
        other => panic!("no program has the word {other:?}"),
    }
}

/// Twice this is past the idle limit, and three times past the absolute one.
pub(super) const PAST_THE_STUB: u64 = 40;
pub(super) const PAST_THE_IDLE_LIMIT: u64 = 70;
