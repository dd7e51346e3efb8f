//! Any command to Redis, on a connection that the sessions don't use; its reply as Perl's data.

use dancer_session::redis::{self, Value};
use dancer_session::{Error, SessionEngine};
use serde::ser::{Serialize, SerializeSeq as _, Serializer};

use crate::message::{Failure, Parts, Reply};

/// Sends a command, whose name and arguments are all that is left of the request.
pub(crate) async fn send(engine: &SessionEngine, mut parts: Parts<'_>) -> Result<Reply, Failure> {
    let name = parts.text()?;
    let mut connection = engine.redis().await?;
    let mut command = redis::Cmd::new();
    // `CLIENT` and `CLIENT GETNAME` are both names.
    for word in name.split_ascii_whitespace() {
        command.arg(word);
    }
    for argument in parts {
        command.arg(argument);
    }
    let place = engine.place();
    match connection.send_packed_command(&command).await {
        Ok(Value::ServerError(error)) => Err(Failure::command(words(&error))),
        Ok(value) => match storable::Document::of(&[Shown(&value)]).and_then(|it| it.encode()) {
            Ok(frozen) => Ok(Reply::new("reply").with(frozen)),
            Err(error) => Err(Failure::refused(format!("{name}: {error}"))),
        },
        Err(error) => Err(Error::unknown(format!("{name} at {place}: {error}")).into()),
    }
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
