//! Words of the server about keys that have changed since they were read over a connection.

use std::sync::Arc;
use std::time::Instant;

use redis::{PushKind, Value};

use super::channel::{self, Channel};
use super::fault::Fault;
use super::line::PING;
use crate::Key;
use crate::cache::Cache;

/// Has connections tell a cache what has changed.
#[derive(Clone)]
pub(super) struct Tracking {
    cache: Arc<Cache>,
    /// What names of keys begin with.
    prefix: Arc<str>,
}

impl Tracking {
    pub(super) fn of(cache: &Arc<Cache>, prefix: &str) -> Self {
        Self {
            cache: Arc::clone(cache),
            prefix: prefix.into(),
        }
    }

    /// Who listens to one connection.
    pub(super) fn listener(&self) -> Box<dyn channel::Listener> {
        Box::new(Listener(Arc::clone(&self.cache)))
    }

    /// Asks for words about every key that is read over this connection, also about what is changed
    /// over it: without these (`NOLOOP`) the server would forget, at each change of ours, that the
    /// key was read, and a value read before the change could come in after one read after it.
    pub(super) async fn begin(&self, connection: &Channel, by: Instant) -> Result<Value, Fault> {
        let mut command = redis::cmd("CLIENT");
        command.arg("TRACKING").arg("ON");
        connection
            .send(command.get_packed_command().as_slice(), by)
            .await
    }

    /// Whether the server tells of all that happens to a key that a script reads, changes and reads
    /// again: of that change, and of the next one. It is tried, with a key that nobody else knows and
    /// that ends after a millisecond; not every server that names itself Redis can be relied on for this.
    pub(super) async fn is_told_of_scripts(&self, connection: &Channel, by: Instant) -> bool {
        let Ok(key) = Key::scratch(&self.prefix) else {
            return false;
        };
        let mut eval = redis::cmd("EVAL");
        eval.arg(READ_CHANGE_READ).arg(1).arg(key.as_str());
        let mut change = redis::cmd("PEXPIRE");
        change.arg(key.as_str()).arg(1);
        let [eval, change] = [eval, change].map(|command| command.get_packed_command());
        let told = self.cache.begin_change(&key);
        // None waits for the one before; what is told of them is handled before the last.
        let (read, changed, answered) = tokio::join!(
            connection.send(eval.as_slice(), by),
            connection.send(change.as_slice(), by),
            connection.send(PING, by),
        );
        let done = matches!((read, changed), (Ok(Value::Int(_)), Ok(Value::Int(1))));
        done && answered.is_ok() && told.words() == 2
    }

    /// Nobody will tell of what was read so far.
    pub(super) fn ended(&self) {
        self.cache.forget_all();
    }
}

/// What the script of a flush does, but for the condition.
const READ_CHANGE_READ: &str = "\
redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], '', 'PX', 1000)
return redis.call('PTTL', KEYS[1])";

/// Lives as long as its connection: with it ends whatever was read over that.
struct Listener(Arc<Cache>);

impl channel::Listener for Listener {
    fn hear(&mut self, word: &Value) {
        let Value::Push { kind, data } = word else {
            return;
        };
        if *kind == PushKind::Invalidate {
            match data.first() {
                Some(Value::Array(keys)) => keys.iter().for_each(|key| match key {
                    Value::BulkString(key) => self.hear_of(key),
                    Value::SimpleString(key) => self.0.told(key),
                    _ => self.0.forget_all(),
                }),
                // Without keys it is about all of them: the database was emptied.
                _ => self.0.forget_all(),
            }
        }
    }

    fn hear_of(&mut self, key: &[u8]) {
        // What is no text is none of our keys.
        if let Ok(key) = std::str::from_utf8(key) {
            self.0.told(key);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.forget_all();
    }
}

#[cfg(test)]
mod tests;
