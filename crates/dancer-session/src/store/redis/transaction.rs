//! How a long payload is replaced: with `WATCH`, `MULTI` and `EXEC`. A script would have to take both
//! payloads and the one that is there into Lua, which goes over each byte of all three while all other
//! clients wait; this takes one more round trip instead.

use std::time::{Duration, Instant};

use redis::Value;

use super::RedisStore;
use super::command::Command;
use super::fault::{Action, Fault, Outcome};
use super::pool::Lent;
use crate::store::Replace;
use crate::{Error, Key};

/// From this length on, in bytes.
pub(super) const LONG: usize = 16 * 1024;

impl RedisStore {
    /// Replaces a payload in a transaction. `None`: nothing was replaced, and the script has to find
    /// out what is the matter.
    pub(super) async fn replace_long(
        &self,
        key: &Key,
        read: &[u8],
        payload: &[u8],
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Option<Replace>, Error> {
        let Some(live) = self.link.current() else {
            return Ok(None);
        };
        // The script is to have the time for its own try.
        let soon = halfway(by);
        let Some(lent) = self.link.lend(&live, soon).await else {
            return Ok(None);
        };
        let Some((lent, there)) = begin(lent, key, soon).await else {
            return Ok(None);
        };
        if there.as_deref() == Some(read) {
            let command = Command::new("SET", key).key(key).payload(payload).arg("XX");
            let command = match ttl {
                Some(ttl) => command.expiring_in(ttl),
                None => command.arg("KEEPTTL"),
            };
            return self.end(lent, &command, key, by).await;
        }
        let discard = Command::new("DISCARD", key);
        if lent.send(&discard, soon).await.is_ok() {
            lent.give_back();
        }
        Ok(Some(match there {
            None => Replace::Gone,
            Some(there) => Replace::Changed(there.into()),
        }))
    }

    /// Carries out the change, if nobody else has made one since [`begin`].
    async fn end(
        &self,
        lent: Lent<'_>,
        change: &Command<'_>,
        key: &Key,
        by: Instant,
    ) -> Result<Option<Replace>, Error> {
        let exec = Command::new("EXEC", key);
        let (_queued, done) = tokio::join!(lent.send_ahead(change, by), lent.send(&exec, by));
        let stored = match done {
            // Somebody else has changed it.
            Ok(Value::Nil) => Ok(None),
            Ok(Value::Array(replies)) => match <[Value; 1]>::try_from(replies) {
                Ok([Value::Okay]) => Ok(Some(Replace::Replaced)),
                Ok([Value::Nil]) => Ok(Some(Replace::Gone)),
                Ok([Value::ServerError(error)]) => Err(Fault::Refused(error)),
                Ok(_) | Err(_) => Err(Fault::Strange),
            },
            Ok(_) => Err(Fault::Strange),
            Err(fault) => Err(fault),
        };
        let fault = match stored {
            Ok(stored) => {
                lent.give_back();
                return Ok(stored);
            }
            Err(fault) => fault,
        };
        let row = fault.row();
        if row.misconfigured {
            lent.lend_no_more();
        }
        match row.outcome {
            Outcome::NotApplied => Ok(None),
            Outcome::Unknown => Err(self.error(change, &fault)),
        }
    }
}

/// Reads what is there and has the server remember if it changes from now on. The transaction is open
/// already: a server that has none must not take what is sent next for a plain command.
async fn begin<'p>(lent: Lent<'p>, key: &Key, by: Instant) -> Option<(Lent<'p>, Option<Vec<u8>>)> {
    let watch = Command::new("WATCH", key).key(key);
    let get = Command::new("GET", key).key(key);
    let multi = Command::new("MULTI", key);
    let (watched, there, opened) = tokio::join!(
        lent.send_ahead(&watch, by),
        lent.send_ahead(&get, by),
        lent.send(&multi, by)
    );
    match (watched, there, opened) {
        (Ok(Value::Okay), Ok(Value::BulkString(there)), Ok(Value::Okay)) => {
            Some((lent, Some(there)))
        }
        (Ok(Value::Okay), Ok(Value::Nil), Ok(Value::Okay)) => Some((lent, None)),
        (Err(fault), _, _) | (_, _, Err(fault)) if is_final(&fault) => {
            lent.lend_no_more();
            None
        }
        _ => None,
    }
}

/// Whether the server will say the same again: it knows no transactions, or not for this user.
fn is_final(fault: &Fault) -> bool {
    fault.is_answer() && fault.row().action == Action::GiveUp
}

fn halfway(by: Instant) -> Instant {
    let now = Instant::now();
    now + by.saturating_duration_since(now) / 2
}
