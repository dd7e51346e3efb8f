//! One command as it goes to the server, and as a log may show it.

use std::fmt;
use std::time::Duration;

use smallvec::SmallVec;

use crate::Key;

/// What goes to the server as bytes of its own.
pub(super) trait Outgoing: Sync {
    fn write_into(&self, wire: &mut Vec<u8>);
}

impl Outgoing for [u8] {
    fn write_into(&self, wire: &mut Vec<u8>) {
        wire.extend_from_slice(self);
    }
}

/// A command that knows which of its arguments nobody may see.
#[derive(Debug)]
pub(super) struct Command<'k> {
    name: &'static str,
    /// The key it is about, for messages.
    about: &'k Key,
    /// As many as those of every request have; of the others, they lie elsewhere.
    arguments: SmallVec<[Argument<'k>; 5]>,
    /// Whether the caller can do with another command if the server takes no changes.
    gentler: bool,
}

#[derive(Debug, Clone, Copy)]
enum Argument<'k> {
    Word(&'k str),
    Number(u64),
    /// `PX` and a time in milliseconds.
    Expiry(u64),
    Key(&'k Key),
    Payload(&'k [u8]),
    /// Several at once.
    Beginning(&'k Beginning),
}

impl<'k> Command<'k> {
    /// A command named `name`, about `key`; the key is not yet an argument.
    pub(super) fn new(name: &'static str, key: &'k Key) -> Self {
        Self::shown_as(name, name, key)
    }

    /// A command that logs and errors call otherwise than the server does.
    pub(super) fn shown_as(name: &'static str, word: &'static str, key: &'k Key) -> Self {
        Self::with(name, Argument::Word(word), key)
    }

    /// A command that begins as many others do.
    pub(super) fn begun(name: &'static str, beginning: &'k Beginning, key: &'k Key) -> Self {
        Self::with(name, Argument::Beginning(beginning), key)
    }

    fn with(name: &'static str, first: Argument<'k>, key: &'k Key) -> Self {
        let mut command = Self {
            name,
            about: key,
            arguments: SmallVec::new(),
            gentler: false,
        };
        command.arguments.push(first);
        command
    }

    pub(super) fn key(self, key: &'k Key) -> Self {
        self.and(Argument::Key(key))
    }

    /// An argument that only its length is told of.
    pub(super) fn payload(self, payload: &'k [u8]) -> Self {
        self.and(Argument::Payload(payload))
    }

    pub(super) fn arg(self, word: &'k str) -> Self {
        self.and(Argument::Word(word))
    }

    pub(super) fn number(self, number: usize) -> Self {
        self.and(Argument::Number(number as u64))
    }

    /// A time as Redis takes it: whole milliseconds.
    pub(super) fn milliseconds(self, time: Duration) -> Self {
        self.and(Argument::Number(milliseconds(time)))
    }

    /// How long what is read or written is to live from now on.
    pub(super) fn expiring_in(self, time: Duration) -> Self {
        self.and(Argument::Expiry(milliseconds(time)))
    }

    /// The same, or as long as it had left.
    pub(super) fn expiring_in_or_keeping(self, time: Option<Duration>) -> Self {
        match time {
            Some(time) => self.expiring_in(time),
            None => self.arg("KEEPTTL"),
        }
    }

    fn and(mut self, argument: Argument<'k>) -> Self {
        self.arguments.push(argument);
        self
    }

    /// A command in whose place the caller can send one that changes nothing.
    pub(super) fn or_gentler(mut self) -> Self {
        self.gentler = true;
        self
    }

    pub(super) fn has_gentler_form(&self) -> bool {
        self.gentler
    }

    /// The whole command, with fingerprints for keys and lengths for payloads; of a long one, which
    /// only reads, the first arguments.
    pub(super) fn in_full(&self) -> String {
        let words = self.arguments.iter().take(MOST_SHOWN).map(Argument::shown);
        words.collect::<Vec<_>>().join(" ")
    }
}

impl Outgoing for Command<'_> {
    /// As RESP has it.
    fn write_into(&self, wire: &mut Vec<u8>) {
        let lengths = self.arguments.iter().map(Argument::room);
        wire.reserve(lengths.sum::<usize>() + LINE);
        let count = self.arguments.iter().map(Argument::count).sum();
        write_line(b'*', count, wire);
        for argument in &self.arguments {
            match argument {
                Argument::Word(word) => append(word.as_bytes(), wire),
                Argument::Number(number) => append(decimal(*number, &mut [0; DIGITS]), wire),
                Argument::Expiry(time) => {
                    append(b"PX", wire);
                    append(decimal(*time, &mut [0; DIGITS]), wire);
                }
                Argument::Key(key) => append(key.as_str().as_bytes(), wire),
                Argument::Payload(payload) => append(payload, wire),
                Argument::Beginning(beginning) => wire.extend_from_slice(&beginning.wire),
            }
        }
    }
}

impl Argument<'_> {
    /// How many arguments it stands for.
    fn count(&self) -> usize {
        match self {
            Self::Beginning(beginning) => beginning.words.len(),
            Self::Expiry(_) => 2,
            Self::Word(_) | Self::Number(_) | Self::Key(_) | Self::Payload(_) => 1,
        }
    }

    /// At most so many bytes go over the wire for it.
    fn room(&self) -> usize {
        let length = match self {
            Self::Word(word) => word.len(),
            Self::Number(_) => DIGITS,
            Self::Expiry(_) => LINE + DIGITS,
            Self::Key(key) => key.as_str().len(),
            Self::Payload(payload) => payload.len(),
            Self::Beginning(beginning) => return beginning.wire.len(),
        };
        LINE + length + END.len()
    }

    fn shown(&self) -> String {
        match self {
            Self::Word(word) if word.len() <= SHA1_CHARS => (*word).to_owned(),
            Self::Word(text) => format!("<{} bytes>", text.len()),
            Self::Number(number) => number.to_string(),
            Self::Expiry(time) => format!("PX {time}"),
            Self::Key(key) => format!("{}…", key.fingerprint()),
            Self::Payload(payload) => format!("<{} bytes>", payload.len()),
            Self::Beginning(beginning) => beginning.words.join(" "),
        }
    }
}

/// The first arguments of a command, as they go over the wire: the same in many.
#[derive(Debug)]
pub(super) struct Beginning {
    words: Vec<String>,
    wire: Vec<u8>,
}

impl Beginning {
    pub(super) fn new(words: &[&str]) -> Self {
        let mut wire = Vec::new();
        for word in words {
            append(word.as_bytes(), &mut wire);
        }
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Self { words, wire }
    }
}

/// An argument as it goes over the wire.
fn append(argument: &[u8], wire: &mut Vec<u8>) {
    write_line(b'$', argument.len(), wire);
    wire.extend_from_slice(argument);
    wire.extend_from_slice(END);
}

const END: &[u8] = b"\r\n";
/// As many as the largest number has.
const DIGITS: usize = 20;
/// The longest line with a number.
const LINE: usize = 1 + DIGITS + END.len();

/// `$17` and the end of that line.
fn write_line(kind: u8, number: usize, wire: &mut Vec<u8>) {
    // In one piece: nearly every number is as short as this.
    let (tens, ones) = ((number / 10) as u8, (number % 10) as u8);
    match number {
        0..10 => wire.extend_from_slice(&[kind, b'0' + ones, b'\r', b'\n']),
        10..100 => wire.extend_from_slice(&[kind, b'0' + tens, b'0' + ones, b'\r', b'\n']),
        _ => {
            wire.push(kind);
            wire.extend_from_slice(decimal(number as u64, &mut [0; DIGITS]));
            wire.extend_from_slice(END);
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

fn decimal(mut number: u64, digits: &mut [u8; DIGITS]) -> &[u8] {
    let mut begin = DIGITS;
    loop {
        begin -= 1;
        digits[begin] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[begin..];
        }
    }
}

/// So many arguments of a command are shown.
const MOST_SHOWN: usize = 10;
/// Longer plain arguments are the texts of scripts.
const SHA1_CHARS: usize = 40;

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}…", self.name, self.about.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Layout;
    use crate::id::SessionId;

    fn packed(command: &Command<'_>) -> Vec<u8> {
        let mut wire = Vec::new();
        command.write_into(&mut wire);
        wire
    }

    #[test]
    fn a_command_is_packed_as_the_library_packs_it() {
        let id = SessionId::parse("12345678901234567890123456789012", Layout::Dancer).unwrap();
        let key = Key::bare(&id);
        let payload = b"a\r\n$3\r\n".repeat(300);
        for arguments in 0..12 {
            let command = Command::new("GETEX", &key).key(&key);
            let command = (0..arguments).fold(command, |command, _| command.payload(&payload));
            let command = command.expiring_in(Duration::from_secs(900));
            let mut theirs = redis::cmd("GETEX");
            theirs.arg(key.as_str());
            for _ in 0..arguments {
                theirs.arg(&payload);
            }
            theirs.arg("PX").arg(900_000);
            assert_eq!(packed(&command), theirs.get_packed_command());
        }
        let most = Command::new("PEXPIRE", &key).milliseconds(Duration::MAX);
        assert!(packed(&most).ends_with(b"$20\r\n18446744073709551615\r\n"));
        let begun = Beginning::new(&["EVALSHA", "hash", "1"]);
        let command = Command::begun("flush", &begun, &key).key(&key).number(100);
        let mut theirs = redis::cmd("EVALSHA");
        theirs.arg("hash").arg(1).arg(key.as_str()).arg(100);
        assert_eq!(packed(&command), theirs.get_packed_command());
    }
}
