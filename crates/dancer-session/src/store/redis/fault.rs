//! What can go wrong between the engine and its server: one table that says of each fault what has
//! become of the command, and what is done about it. Nothing else decides that. The same table is
//! in docs/faults.md.

use std::fmt;

use redis::{RedisError, ServerError};

/// What has become of a command that met a fault. That it was *applied* no fault says: only a
/// reply does, or the mark that is found when the engine asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It has certainly changed nothing.
    NotApplied,
    /// Nobody can tell.
    Unknown,
}

/// What is done about a fault, within the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Sent again over the same connection, a moment later.
    Again,
    /// Sent again at once, with the text of the script in place of its hash.
    AgainWhole,
    /// The connection is given up: the next one may lead to another server.
    Reconnect,
    /// The same, because every new connection logs in.
    LogIn,
    /// Reported to the caller as it is.
    GiveUp,
}

/// What a server that refuses a change still does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Still {
    /// Nothing that is known of.
    Nothing,
    /// It reads.
    Reads,
    /// It reads, and it ends what there is.
    ReadsAndEnds,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// The server's code, or the fault of the network in words.
    pub(super) what: &'static str,
    pub(super) outcome: Outcome,
    pub(super) action: Action,
    pub(super) still: Still,
    /// Whether somebody has to set the server or the settings right: waiting does not help.
    pub(super) misconfigured: bool,
}

const fn row(what: &'static str, outcome: Outcome, action: Action) -> Row {
    Row {
        what,
        outcome,
        action,
        still: Still::Nothing,
        misconfigured: false,
    }
}

impl Row {
    const fn but(mut self, still: Still) -> Self {
        self.still = still;
        self
    }

    const fn for_the_operator(mut self) -> Self {
        self.misconfigured = true;
        self
    }
}

use Action::{Again, AgainWhole, GiveUp, LogIn, Reconnect};
use Outcome::{NotApplied, Unknown};
use Still::{Reads, ReadsAndEnds};

/// What a server's error means, by its code.
#[rustfmt::skip] // one line for each code
const CODES: &[Row] = &[
    row("READONLY",    NotApplied, Reconnect).but(Reads),
    row("MASTERDOWN",  NotApplied, Reconnect),
    row("MOVED",       NotApplied, Reconnect),
    row("ASK",         NotApplied, Reconnect),
    row("TRYAGAIN",    NotApplied, Again),
    row("CLUSTERDOWN", NotApplied, Again),
    row("LOADING",     NotApplied, Again),
    row("BUSY",        NotApplied, Again),
    row("NOSCRIPT",    NotApplied, AgainWhole),
    row("NOREPLICAS",  NotApplied, GiveUp).but(Reads),
    row("MISCONF",     NotApplied, GiveUp).but(Reads),
    row("OOM",         NotApplied, GiveUp).but(ReadsAndEnds),
    row("NOAUTH",      NotApplied, LogIn).for_the_operator(),
    row("WRONGPASS",   NotApplied, LogIn).for_the_operator(),
    row("NOPERM",      NotApplied, GiveUp).but(Reads).for_the_operator(),
    row("WRONGTYPE",   NotApplied, GiveUp),
    row("EXECABORT",   NotApplied, GiveUp),
    row("CROSSSLOT",   NotApplied, GiveUp),
];

/// A code that nobody knows may come from something between us and the server.
const ANY_OTHER_CODE: Row = row("any other code", Unknown, GiveUp);

const NO_CONNECTION: Row = row("no connection in time", NotApplied, GiveUp);
const NOT_LET_IN: Row = row("not let in", NotApplied, GiveUp).for_the_operator();
const PAUSED: Row = row("circuit open", NotApplied, GiveUp);
const CROWDED: Row = row("too many in flight", NotApplied, GiveUp);
const NEVER_LEFT: Row = row("connection had ended", NotApplied, Reconnect);
const BROKEN: Row = row("connection broke", Unknown, Reconnect);
const SILENT: Row = row("no reply in time", Unknown, Reconnect);
const STRANGE: Row = row("strange reply", Unknown, Reconnect);

/// Why there is no reply to a command, or none that means yes.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// It never left: no connection could be made until the deadline.
    NoConnection(String),
    /// It never left: the server does not let this user in, or is no Redis.
    NotLetIn(String),
    /// It never left: the server was away for so long that it is not waited for at present.
    Paused(String),
    /// It never left: too many others wait already.
    Crowded,
    /// It never left: the connection had ended before.
    NeverLeft(String),
    /// The connection broke before the reply had come.
    Broken(String),
    /// The reply did not come in time.
    Silent,
    /// A reply that this command never gets.
    Strange,
    /// The server said no.
    Refused(ServerError),
}

impl Fault {
    /// What an error of the client library's means, after which nobody knows what became of a command.
    pub(super) fn of(error: &RedisError) -> Self {
        match error.is_timeout() {
            true => Self::Silent,
            false => Self::Broken(error.to_string()),
        }
    }

    /// Its line in the table.
    pub(super) fn row(&self) -> &'static Row {
        match self {
            Self::NoConnection(_) => &NO_CONNECTION,
            Self::NotLetIn(_) => &NOT_LET_IN,
            Self::Paused(_) => &PAUSED,
            Self::Crowded => &CROWDED,
            Self::NeverLeft(_) => &NEVER_LEFT,
            Self::Broken(_) => &BROKEN,
            Self::Silent => &SILENT,
            Self::Strange => &STRANGE,
            Self::Refused(error) => of(error),
        }
    }

    /// Whether the server has answered, though not as one would wish.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Whether the server does not know such a form of the command: it has done nothing.
    pub(super) fn is_syntax(&self) -> bool {
        matches!(self, Self::Refused(error) if words(error).contains("syntax error"))
    }

    /// Whether the key holds something that is no string.
    pub(super) fn is_of_another_type(&self) -> bool {
        self.row().what == "WRONGTYPE"
    }
}

/// What a code of the server's means.
pub(super) fn of_code(code: &str) -> Option<&'static Row> {
    CODES.iter().find(|row| row.what == code)
}

/// What an error of the server's means.
pub(super) fn of(error: &ServerError) -> &'static Row {
    if let Some(row) = of_code(error.code()) {
        return row;
    }
    // Inside a script, some versions wrap the error into one of their own.
    let words = error.details().unwrap_or_default();
    // This one from 7.2 on, that one before.
    let forbidden = [
        "ACL failure in script",
        "The user executing the script can't",
    ];
    if forbidden.iter().any(|start| words.starts_with(start)) {
        return of_code("NOPERM").unwrap_or(&ANY_OTHER_CODE);
    }
    let mut inside = words.split(|c: char| !c.is_ascii_uppercase());
    match error.code() == "ERR" && words.contains("script") {
        true => inside.find_map(of_code).unwrap_or(&ANY_OTHER_CODE),
        false => &ANY_OTHER_CODE,
    }
}

/// A server's error in its own words, without the arguments that it sometimes repeats.
pub(super) fn words(error: &ServerError) -> String {
    let detail = error.details().unwrap_or_default();
    let detail = detail.split(", with args").next().unwrap_or_default();
    format!("{} {detail}", error.code())
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConnection(cause) | Self::NotLetIn(cause) => f.write_str(cause),
            Self::Paused(cause) => {
                write!(
                    f,
                    "unavailable for a while, and not asked again yet: {cause}"
                )
            }
            Self::Crowded => f.write_str("too many operations wait for the server already"),
            Self::NeverLeft(cause) => write!(f, "the connection had ended before: {cause}"),
            Self::Broken(cause) => write!(f, "the connection broke: {cause}"),
            Self::Silent => f.write_str("no reply in time"),
            Self::Strange => f.write_str("an answer that this command never gets"),
            Self::Refused(error) => write!(f, "the server refused: {}", words(error)),
        }
    }
}

#[cfg(test)]
mod tests;
