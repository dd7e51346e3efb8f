//! One command as it goes to the server, and as a log may show it.

use std::fmt;
use std::time::Duration;

use redis::{Arg, Cmd};

use crate::Key;

/// A command that knows which of its arguments nobody may see.
#[derive(Debug)]
pub(super) struct Command<'k> {
    name: &'static str,
    cmd: Cmd,
    /// The key it is about, for messages.
    about: &'k Key,
    /// By position: what each argument is, for the log.
    kinds: [Kind<'k>; MOST],
    count: usize,
    /// Whether the caller can do with another command if the server takes no changes.
    gentler: bool,
}

#[derive(Debug, Clone, Copy)]
enum Kind<'k> {
    Plain,
    Key(&'k Key),
    Payload,
}

/// Arguments of the longest command that changes anything: `EVALSHA hash 2 key key` and five more.
const MOST: usize = 10;

impl<'k> Command<'k> {
    /// A command named `name`, about `key`; the key is not yet an argument.
    pub(super) fn new(name: &'static str, key: &'k Key) -> Self {
        Self::shown_as(name, name, key)
    }

    /// A command that logs and errors call otherwise than the server does.
    pub(super) fn shown_as(name: &'static str, word: &'static str, key: &'k Key) -> Self {
        // Enough for the flush of a small session: growing costs more than room that is not needed.
        let mut cmd = Cmd::with_capacity(MOST, 1000);
        cmd.arg(word);
        Self {
            name,
            cmd,
            about: key,
            kinds: [Kind::Plain; MOST],
            count: 1,
            gentler: false,
        }
    }

    pub(super) fn key(self, key: &'k Key) -> Self {
        self.push(key.as_str().as_bytes(), Kind::Key(key))
    }

    /// An argument that only its length is told of.
    pub(super) fn payload(self, payload: &[u8]) -> Self {
        self.push(payload, Kind::Payload)
    }

    pub(super) fn arg(self, word: &str) -> Self {
        self.push(word.as_bytes(), Kind::Plain)
    }

    /// A time as Redis takes it: whole milliseconds.
    pub(super) fn milliseconds(self, time: Duration) -> Self {
        self.push(time.as_millis().to_string().as_bytes(), Kind::Plain)
    }

    /// A command in whose place the caller can send one that changes nothing.
    pub(super) fn or_gentler(mut self) -> Self {
        self.gentler = true;
        self
    }

    pub(super) fn has_gentler_form(&self) -> bool {
        self.gentler
    }

    fn push(mut self, argument: &[u8], kind: Kind<'k>) -> Self {
        self.cmd.arg(argument);
        // Of a longer one, which only reads, the log shows the beginning.
        if let Some(slot) = self.kinds.get_mut(self.count) {
            *slot = kind;
        }
        self.count += 1;
        self
    }

    pub(super) fn cmd(&self) -> &Cmd {
        &self.cmd
    }

    /// The whole command, with fingerprints for keys and lengths for payloads.
    pub(super) fn in_full(&self) -> String {
        let mut line = String::new();
        for (argument, kind) in self.cmd.args_iter().zip(self.kinds) {
            if !line.is_empty() {
                line.push(' ');
            }
            match (kind, argument) {
                (Kind::Key(key), _) => line.push_str(&format!("{}…", key.fingerprint())),
                (Kind::Plain, Arg::Simple(word)) if word.len() <= SHA1_CHARS => {
                    line.push_str(&String::from_utf8_lossy(word));
                }
                (_, Arg::Simple(bytes)) => line.push_str(&format!("<{} bytes>", bytes.len())),
                (_, _) => line.push_str("<?>"),
            }
        }
        line
    }
}

/// Longer plain arguments are the texts of scripts.
const SHA1_CHARS: usize = 40;

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}…", self.name, self.about.fingerprint())
    }
}
