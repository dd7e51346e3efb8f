//! How a long payload is replaced: with `WATCH`, `MULTI` and `EXEC`. A script would have to take both
//! payloads and the one that is there into Lua, which goes over each byte of all three while all other
//! clients wait; this takes one more round trip instead.
//!
//! Only success is believed. Where anything else comes of it and nothing has been changed, the script says
//! why, over the connection that everything else goes over; a lost answer to `EXEC` is unknown.

use std::time::{Duration, Instant};

use redis::Value;

use super::RedisStore;
use super::command::Command;
use super::fault::{Action, Fault, Outcome, words};
use super::pool::Lent;
use crate::{Error, Key};

/// From this length on, in bytes.
pub(super) const LONG: usize = 16 * 1024;

/// One that was in vain is tried again: also a read that extends a session is a change to who watches it.
const TRIES: usize = 2;

impl RedisStore {
    /// Replaces a payload in a transaction. `false`: nothing was replaced, and the script is to do it, or
    /// to say why not.
    pub(super) async fn replace_long(
        &self,
        key: &Key,
        read: &[u8],
        payload: &[u8],
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<bool, Error> {
        let command = Command::new("SET", key).key(key).payload(payload).arg("XX");
        let command = command.expiring_in_or_keeping(ttl);
        let Some(live) = self.link.current() else {
            return Ok(false);
        };
        // The script is to have time, too.
        let soon = halfway(by);
        let Some(mut lent) = self.link.lend(&live, soon).await else {
            return Ok(false);
        };
        for _ in 0..TRIES {
            match begin(&mut lent, key, soon).await {
                Ok(Some(there)) if there == read => {}
                Ok(_) => {
                    // What is there, another server may have said that is not the shared connection's.
                    lent.give_back();
                    return Ok(false);
                }
                Err(fault) => {
                    if is_final(&fault) {
                        lent.lend_no_more();
                    }
                    return Ok(false);
                }
            }
            match end(&mut lent, &command, key, by).await {
                Ok(Done::Stored) => {
                    lent.give_back();
                    return Ok(true);
                }
                Ok(Done::Gone) => {
                    lent.give_back();
                    return Ok(false);
                }
                Ok(Done::Touched) => {}
                Err(fault) => {
                    // Nor is an answer that nobody knows asked for at each further try.
                    let strange = fault.is_answer() || matches!(fault, Fault::Strange);
                    let unknown = strange && fault.row().outcome == Outcome::Unknown;
                    if is_forbidden(&fault) || unknown {
                        lent.lend_no_more();
                    } else if fault.row().what == "EXECABORT" {
                        lent.open = false;
                        lent.give_back();
                    }
                    return match fault.row().outcome {
                        Outcome::NotApplied => Ok(false),
                        Outcome::Unknown => Err(self.error(&command, &fault)),
                    };
                }
            }
        }
        lent.give_back();
        Ok(false)
    }
}

/// Reads what is there and has the server remember if it changes from now on. The transaction is open
/// already: a server that has none must not take what is sent next for a plain command.
async fn begin(lent: &mut Lent<'_>, key: &Key, by: Instant) -> Result<Option<Vec<u8>>, Fault> {
    let discard = Command::new("DISCARD", key);
    let watch = Command::new("WATCH", key).key(key);
    let get = Command::new("GET", key).key(key);
    let multi = Command::new("MULTI", key);
    let (discarded, watched, there, opened) = tokio::join!(
        async {
            match lent.open {
                true => lent.send_ahead(&discard, by).await,
                false => Ok(Value::Okay),
            }
        },
        lent.send_ahead(&watch, by),
        lent.send_ahead(&get, by),
        lent.send(&multi, by)
    );
    for answer in [discarded, watched, opened] {
        if answer? != Value::Okay {
            return Err(Fault::Strange);
        }
    }
    lent.open = true;
    match there {
        Ok(Value::BulkString(there)) => Ok(Some(there)),
        // Or one that is no string: nothing that a flush can replace.
        Ok(Value::Nil) | Err(Fault::Refused(_)) => Ok(None),
        Ok(_) => Err(Fault::Strange),
        Err(fault) => Err(fault),
    }
}

/// What became of a transaction.
enum Done {
    Stored,
    /// The key is not there.
    Gone,
    /// Somebody has changed the key, or its expiry.
    Touched,
}

/// Carries out the change, unless the key was touched since [`begin`].
async fn end(
    lent: &mut Lent<'_>,
    change: &Command<'_>,
    key: &Key,
    by: Instant,
) -> Result<Done, Fault> {
    let exec = Command::new("EXEC", key);
    let (_queued, done) = tokio::join!(lent.send_ahead(change, by), lent.send(&exec, by));
    let done = match done? {
        Value::Nil => Done::Touched,
        Value::Array(replies) => match <[Value; 1]>::try_from(replies) {
            Ok([Value::Okay]) => Done::Stored,
            Ok([Value::Nil]) => Done::Gone,
            Ok([Value::ServerError(error)]) => return Err(Fault::Refused(error)),
            Ok(_) | Err(_) => return Err(Fault::Strange),
        },
        _ => return Err(Fault::Strange),
    };
    lent.open = false;
    Ok(done)
}

/// Whether the server will say the same again: it knows no transactions, or not for this user.
fn is_final(fault: &Fault) -> bool {
    fault.is_answer() && fault.row().action == Action::GiveUp
}

/// Whether the user lacks a right. Of one to `EXEC` itself, the server says that in its words about a
/// transaction that was discarded.
fn is_forbidden(fault: &Fault) -> bool {
    match fault {
        Fault::Refused(error) => words(error).contains("NOPERM"),
        _ => false,
    }
}

fn halfway(by: Instant) -> Instant {
    let now = Instant::now();
    now + by.saturating_duration_since(now) / 2
}
