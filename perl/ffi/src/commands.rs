//! Any command to Redis, on a connection that the sessions don't use; its reply as Perl's data.

use std::time::Duration;

use dancer_session::SessionEngine;
use dancer_session::redis::{self, Value};
use serde::ser::{Serialize, SerializeSeq as _, Serializer};

use crate::message::{Failure, Parts, Reply};

/// Sends a command, whose name and arguments are all that is left of the request.
pub(crate) async fn send(engine: &SessionEngine, mut parts: Parts<'_>) -> Result<Reply, Failure> {
    let name = parts.text()?;
    if has_many_answers(name) {
        return Err(Failure::refused(format!(
            "{name} has more than one answer, which this connection can't tell apart: use another \
             client for it"
        )));
    }
    let mut command = redis::Cmd::new();
    // `CLIENT` and `CLIENT GETNAME` are both names.
    for word in name.split_ascii_whitespace() {
        command.arg(word);
    }
    for argument in parts {
        command.arg(argument);
    }
    match engine.send(&command, patience(engine, name)).await? {
        Value::ServerError(error) => Err(Failure::command(words(&error))),
        value => match frozen(&value) {
            Ok(frozen) => Ok(Reply::new("reply").with(frozen)),
            Err(error) => Err(Failure::refused(format!("{name}: {error}"))),
        },
    }
}

/// After these the answers would no longer be those to the commands.
fn has_many_answers(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let name = name.as_str();
    name.ends_with("SUBSCRIBE")
        || matches!(
            name,
            "MONITOR" | "CLIENT REPLY" | "HELLO" | "SYNC" | "PSYNC"
        )
}

/// Commands whose answer may take its time, by how their names begin: those that wait for
/// something, that run a program, or that look at all there is.
const SLOW: [&str; 15] = [
    "BLMOVE", "BLMPOP", "BLPOP", "BRPOP", "BZ", "DEBUG", "EVAL", "FCALL", "FLUSH", "KEYS",
    "MIGRATE", "SAVE", "SORT", "WAIT", "XREAD",
];

/// How long to wait for an answer.
fn patience(engine: &SessionEngine, name: &str) -> Option<Duration> {
    let name = name.to_ascii_uppercase();
    let slow = SLOW.iter().any(|slow| name.starts_with(slow));
    (!slow).then_some(engine.settings().timeout)
}

/// The limits of sessions don't hold for what the application asks for.
fn frozen(value: &Value) -> Result<Vec<u8>, storable::Error> {
    let limits = storable::Limits {
        size: usize::MAX,
        nodes: usize::MAX,
        ..storable::Limits::default()
    };
    storable::Document::of_with(&[Shown(value)], limits)?.encode()
}

fn words(error: &redis::ServerError) -> String {
    let details = error.details().unwrap_or_default();
    format!("{} {details}", error.code())
}

/// A reply as Perl has it: a number, a string of bytes, `undef`, or an array of these.
struct Shown<'a>(&'a Value);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Nil => serializer.serialize_unit(),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Okay => serializer.serialize_bytes(b"OK"),
            Value::SimpleString(text) => serializer.serialize_bytes(text.as_bytes()),
            Value::BulkString(bytes) => serializer.serialize_bytes(bytes),
            Value::ServerError(error) => serializer.serialize_bytes(words(error).as_bytes()),
            Value::Array(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&Shown(value))?;
                }
                list.end()
            }
            // What else there is, a server only sends to who asks for its newer protocol.
            other => serializer.serialize_bytes(format!("{other:?}").as_bytes()),
        }
    }
}
