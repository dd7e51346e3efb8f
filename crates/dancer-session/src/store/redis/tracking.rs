//! Words of the server about keys that have changed since they were read over a connection.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, RedisResult, Value};

use crate::cache::Cache;

/// Has connections tell a cache what has changed.
#[derive(Clone)]
pub(super) struct Tracking(Arc<Cache>);

impl Tracking {
    pub(super) fn of(cache: &Arc<Cache>) -> Self {
        Self(Arc::clone(cache))
    }

    /// What one connection calls with each word that comes, in the order of words and replies.
    pub(super) fn listener(&self) -> impl Fn(PushInfo) -> Result<(), ()> + Send + Sync + 'static {
        let listener = Listener(Arc::clone(&self.0));
        move |word| {
            listener.hear(&word);
            Ok(())
        }
    }

    /// Asks for words about every key that is read over this connection, also about what is changed
    /// over it: without these (`NOLOOP`) the server would forget, at each change of ours, that the
    /// key was read, and a value read before the change could come in after one read after it.
    pub(super) async fn begin(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let mut command = redis::cmd("CLIENT");
        command.arg("TRACKING").arg("ON");
        command.query_async(connection).await
    }

    /// Nobody will tell of what was read so far.
    pub(super) fn ended(&self) {
        self.0.forget_all();
    }
}

/// Lives as long as its connection: with it ends whatever was read over that.
struct Listener(Arc<Cache>);

impl Listener {
    fn hear(&self, word: &PushInfo) {
        match word.kind {
            PushKind::Invalidate => match word.data.first() {
                Some(Value::Array(keys)) => keys.iter().for_each(|key| self.forget(key)),
                // Without keys it is about all of them: the database was emptied.
                _ => self.0.forget_all(),
            },
            PushKind::Disconnection => self.0.forget_all(),
            _ => {}
        }
    }

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
