//! Words of the server about keys that have changed since they were read over a connection.

use std::sync::Arc;
use std::time::Instant;

use redis::{PushKind, Value};

use super::channel::{self, Channel};
use super::fault::Fault;
use crate::cache::Cache;

/// Has connections tell a cache what has changed.
#[derive(Clone)]
pub(super) struct Tracking(Arc<Cache>);

impl Tracking {
    pub(super) fn of(cache: &Arc<Cache>) -> Self {
        Self(Arc::clone(cache))
    }

    /// Who listens to one connection.
    pub(super) fn listener(&self) -> Box<dyn channel::Listener> {
        Box::new(Listener(Arc::clone(&self.0)))
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

    /// Nobody will tell of what was read so far.
    pub(super) fn ended(&self) {
        self.0.forget_all();
    }
}

/// Lives as long as its connection: with it ends whatever was read over that.
struct Listener(Arc<Cache>);

impl channel::Listener for Listener {
    fn hear(&mut self, word: &Value) {
        let Value::Push { kind, data } = word else {
            return;
        };
        if *kind == PushKind::Invalidate {
            match data.first() {
                Some(Value::Array(keys)) => keys.iter().for_each(|key| self.forget(key)),
                // Without keys it is about all of them: the database was emptied.
                _ => self.0.forget_all(),
            }
        }
    }
}

impl Listener {
    fn forget(&self, key: &Value) {
        match key {
            // What is no text is none of our keys.
            Value::BulkString(key) => {
                if let Ok(key) = std::str::from_utf8(key) {
                    self.0.forget(key);
                }
            }
            Value::SimpleString(key) => self.0.forget(key),
            _ => self.0.forget_all(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.forget_all();
    }
}
