//! What a server can do that not every server can, found out once for each connection: the next one
//! may lead to another server.

use redis::Value;

/// Asks a server who it is; it changes nothing, and every user may.
pub(super) const HELLO: &[u8] = b"*1\r\n$5\r\nHELLO\r\n";

/// What one server can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Skills {
    /// `SET … IFEQ`: it stores if the value is still the expected one, without a script.
    pub(super) conditional_set: bool,
    /// It tells of changes of what a script has read, and of that script's own: see
    /// [`Tracking`](super::tracking::Tracking).
    pub(super) tells_of_scripts: bool,
}

impl Skills {
    /// By the answer to [`HELLO`]. Whoever gives none that can be read is taken for an old one.
    pub(super) fn told_by(hello: &Value) -> Self {
        Self {
            conditional_set: has_conditional_set(hello).unwrap_or(false),
            // That can only be tried.
            tells_of_scripts: false,
        }
    }
}

fn has_conditional_set(hello: &Value) -> Option<bool> {
    let least = match field(hello, "server")?.as_str() {
        "redis" => (8, 4),
        "valkey" => (8, 1),
        _ => return None,
    };
    let version = field(hello, "version")?;
    let mut numbers = version.split('.').map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?) >= least)
}

/// What stands under a name, in either version of the protocol.
fn field(hello: &Value, name: &str) -> Option<String> {
    let value = match hello {
        Value::Array(items) => {
            let pair = items.chunks_exact(2).find(|pair| is(&pair[0], name))?;
            &pair[1]
        }
        Value::Map(pairs) => &pairs.iter().find(|(key, _)| is(key, name))?.1,
        _ => return None,
    };
    text(value).map(str::to_owned)
}

fn is(value: &Value, name: &str) -> bool {
    text(value) == Some(name)
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_it_from_their_version_on() {
        for (server, version, expected) in [
            ("redis", "6.2.0", false),
            ("redis", "7.0.15", false),
            ("redis", "8.2.9", false),
            ("redis", "8.4.0", true),
            ("redis", "10.0.0", true),
            ("valkey", "8.0.3", false),
            ("valkey", "8.1.0", true),
            ("another", "9.9.9", false),
            ("redis", "next", false),
            ("redis", "9", false),
        ] {
            let text = |text: &str| Value::BulkString(text.into());
            let pairs = [("server", server), ("version", version), ("proto", "2")];
            let old = pairs
                .iter()
                .flat_map(|(key, value)| [text(key), text(value)]);
            let new = pairs.iter().map(|(key, value)| (text(key), text(value)));
            for hello in [Value::Array(old.collect()), Value::Map(new.collect())] {
                let skills = Skills::told_by(&hello);
                assert_eq!(skills.conditional_set, expected, "{server} {version}");
            }
        }
        for strange in [Value::Nil, Value::Okay, Value::Array(vec![Value::Nil])] {
            assert!(!Skills::told_by(&strange).conditional_set);
        }
    }
}
