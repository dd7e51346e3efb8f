//! A script of the server's: known to both sides by the hash of its text.

use super::command::Command;
use crate::Key;

#[derive(Debug)]
pub(super) struct Script {
    name: &'static str,
    text: &'static str,
    hash: String,
}

impl Script {
    pub(super) fn new(name: &'static str, text: &'static str) -> Self {
        let hash = redis::Script::new(text).get_hash().to_owned();
        Self { name, text, hash }
    }

    /// The call that costs forty bytes, if the server knows the script.
    pub(super) fn by_hash<'k>(&self, keys: &[&'k Key]) -> Command<'k> {
        self.call("EVALSHA", &self.hash, keys)
    }

    /// The call that always works, and makes the server know the script.
    pub(super) fn whole<'k>(&self, keys: &[&'k Key]) -> Command<'k> {
        self.call("EVAL", self.text, keys)
    }

    fn call<'k>(&self, word: &'static str, script: &str, keys: &[&'k Key]) -> Command<'k> {
        let command = Command::shown_as(self.name, word, keys[0]);
        let command = command.arg(script).number(keys.len());
        keys.iter().fold(command, |command, key| command.key(key))
    }
}
