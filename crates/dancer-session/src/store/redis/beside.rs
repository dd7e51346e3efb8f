//! Connections besides the one that the sessions use, for whatever else an application has to do:
//! nothing that is done with them disturbs a session.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, RedisResult, Value};
use tokio::sync::Mutex;
use tokio::time::timeout_at;

use super::fault::Fault;
use super::line::{Line, Threads, shared};

/// Each is made when it is first asked for.
#[derive(Default)]
pub(super) struct Beside {
    handle: Mutex<Option<MultiplexedConnection>>,
    line: Mutex<Option<Line>>,
}

/// Longer than anybody waits.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

impl Beside {
    /// The same connection at each call, as long as it answers.
    pub(super) async fn handle(
        &self,
        client: &Client,
        threads: Threads,
        by: Instant,
    ) -> RedisResult<MultiplexedConnection> {
        let mut handle = self.handle.lock().await;
        // Taken out while it is tried: if it hangs, the next call makes a new one.
        if let Some(mut there) = handle.take()
            && redis::cmd("PING")
                .query_async::<()>(&mut there)
                .await
                .is_ok()
        {
            return Ok(handle.insert(there).clone());
        }
        let new = shared(client, threads, by).await?;
        Ok(handle.insert(new).clone())
    }

    /// Sends one command. What finds a dead connection, and so did not leave, makes a new one, and so does
    /// a `PING` whatever happened; after any other command nobody knows what became of it.
    pub(super) async fn send(
        &self,
        client: &Client,
        threads: Threads,
        command: &Cmd,
        (connected, answered): (Instant, Option<Instant>),
    ) -> Result<Value, Fault> {
        let answered = answered.unwrap_or_else(|| Instant::now() + FOREVER);
        let Ok(mut line) = timeout_at(answered.into(), self.line.lock()).await else {
            return Err(Fault::NoConnection(
                "another command took until the deadline".into(),
            ));
        };
        let packed = command.get_packed_command();
        if let Some(there) = line.take() {
            match there.send(packed.as_slice(), answered).await {
                Err(Fault::NeverLeft(_)) => {}
                Err(Fault::Broken(_)) if is_ping(command) => {}
                Err(fault) => return Err(fault),
                Ok(reply) => {
                    *line = Some(there);
                    return Ok(reply);
                }
            }
        }
        let new = Line::connect(client, threads, None, connected).await;
        let (new, _) = new.map_err(|error| Fault::NoConnection(error.to_string()))?;
        let reply = new.send(packed.as_slice(), answered).await?;
        *line = Some(new);
        Ok(reply)
    }
}

fn is_ping(command: &Cmd) -> bool {
    let first = command.args_iter().next();
    matches!(first, Some(redis::Arg::Simple(word)) if word.eq_ignore_ascii_case(b"PING"))
}
