//! What goes over the wire, shown to who wants to see it.

use std::io::Write as _;
use std::time::Instant;

use redis::Value;

use super::fault::Fault;

/// Shows it on standard error with `debug`, else to who listens at TRACE level.
#[derive(Debug, Clone, Copy)]
pub(super) struct Telling {
    pub(super) debug: bool,
}

impl Telling {
    /// What was sent at `started`, and what came back.
    pub(super) fn tell(self, started: Instant, what: impl FnOnce() -> (String, String)) {
        if !self.debug && !tracing::enabled!(tracing::Level::TRACE) {
            return;
        }
        let time = started.elapsed();
        let (sent, received) = what();
        if self.debug {
            // Who has closed STDERR wants sessions all the same.
            drop(writeln!(
                std::io::stderr(),
                "dancer-session: {sent} -> {received} in {time:.1?}"
            ));
        } else {
            tracing::trace!(sent, received, ?time, "redis");
        }
    }
}

/// A reply without anything that nobody may see.
pub(super) fn summary(answer: &Result<Value, Fault>) -> String {
    match answer {
        Ok(Value::BulkString(bytes)) => format!("<{} bytes>", bytes.len()),
        Ok(Value::Nil) => "nothing".to_owned(),
        Ok(Value::Okay) => "OK".to_owned(),
        Ok(Value::Int(number)) => number.to_string(),
        Ok(Value::SimpleString(word)) => word.clone(),
        Ok(Value::Array(replies)) => format!("<{} replies>", replies.len()),
        Ok(_) => "an answer of a strange kind".to_owned(),
        Err(fault) => fault.to_string(),
    }
}
