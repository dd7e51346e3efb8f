//! A script of the server's: known to both sides by the hash of its text.

use super::command::{Beginning, Command};
use crate::Key;

#[derive(Debug)]
pub(super) struct Script {
    name: &'static str,
    text: &'static str,
    /// How every call by hash begins.
    by_hash: Beginning,
    keys: usize,
}

impl Script {
    /// `keys`: how many it takes.
    pub(super) fn new(name: &'static str, text: &'static str, keys: usize) -> Self {
        let script = redis::Script::new(text);
        let hash = script.get_hash();
        Self {
            name,
            text,
            by_hash: Beginning::new(&["EVALSHA", hash, &keys.to_string()]),
            keys,
        }
    }

    /// The call that costs forty bytes, if the server knows the script.
    pub(super) fn by_hash<'k>(&'k self, keys: &[&'k Key]) -> Command<'k> {
        self.with(Command::begun(self.name, &self.by_hash, keys[0]), keys)
    }

    /// The call that always works, and makes the server know the script.
    pub(super) fn whole<'k>(&self, keys: &[&'k Key]) -> Command<'k> {
        let command = Command::shown_as(self.name, "EVAL", keys[0]);
        self.with(command.arg(self.text).number(self.keys), keys)
    }

    fn with<'k>(&self, command: Command<'k>, keys: &[&'k Key]) -> Command<'k> {
        debug_assert_eq!(keys.len(), self.keys, "{} takes so many keys", self.name);
        keys.iter().fold(command, |command, key| command.key(key))
    }
}
