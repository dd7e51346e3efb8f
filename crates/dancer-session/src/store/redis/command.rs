//! One command as it goes to the server, and as a log may show it.

use std::fmt;
use std::time::Duration;

use crate::Key;

/// A command that knows which of its arguments nobody may see.
#[derive(Debug)]
pub(super) struct Command<'k> {
    name: &'static str,
    /// As it goes over the wire (RESP), but for the gap in front, into which its head goes.
    wire: Vec<u8>,
    /// Where it begins in `wire`.
    begin: usize,
    /// The key it is about, for messages.
    about: &'k Key,
    /// By position: what each argument is, for the log.
    kinds: [Kind; MOST],
    keys: [Option<&'k Key>; MOST_KEYS],
    count: usize,
    /// Whether the caller can do with another command if the server takes no changes.
    gentler: bool,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Plain,
    Key,
    Payload,
}

/// Arguments of the longest command that changes anything: `EVALSHA hash 2 key key` and five more.
const MOST: usize = 10;
/// Those among them that are keys.
const MOST_KEYS: usize = 2;

impl<'k> Command<'k> {
    /// A command named `name`, about `key`; the key is not yet an argument.
    pub(super) fn new(name: &'static str, key: &'k Key) -> Self {
        Self::shown_as(name, name, key)
    }

    /// A command that logs and errors call otherwise than the server does.
    pub(super) fn shown_as(name: &'static str, word: &'static str, key: &'k Key) -> Self {
        Self::empty(name, key).arg(word)
    }

    /// A command that begins as many others do.
    pub(super) fn begun(name: &'static str, beginning: &Beginning, key: &'k Key) -> Self {
        let mut command = Self::empty(name, key);
        command.wire.extend_from_slice(&beginning.wire);
        command.count = beginning.count;
        command
    }

    fn empty(name: &'static str, key: &'k Key) -> Self {
        // Enough for what carries no payload.
        let mut wire = Vec::with_capacity(128);
        wire.extend_from_slice(&[0; GAP]);
        Self {
            name,
            wire,
            begin: GAP,
            about: key,
            kinds: [Kind::Plain; MOST],
            keys: [None; MOST_KEYS],
            count: 0,
            gentler: false,
        }
    }

    pub(super) fn key(mut self, key: &'k Key) -> Self {
        if let Some(slot) = self.keys.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(key);
        }
        self.push(key.as_str().as_bytes(), Kind::Key)
    }

    /// Makes room for payloads of so many bytes together, and what stands around them: growing costs
    /// more.
    pub(super) fn with_room_for(mut self, payloads: usize) -> Self {
        self.wire.reserve_exact(payloads + 128);
        self
    }

    /// An argument that only its length is told of.
    pub(super) fn payload(self, payload: &[u8]) -> Self {
        self.push(payload, Kind::Payload)
    }

    pub(super) fn arg(self, word: &str) -> Self {
        self.push(word.as_bytes(), Kind::Plain)
    }

    pub(super) fn number(self, number: usize) -> Self {
        let mut digits = [0; DIGITS];
        self.push(decimal(number as u64, &mut digits), Kind::Plain)
    }

    /// A time as Redis takes it: whole milliseconds.
    pub(super) fn milliseconds(self, time: Duration) -> Self {
        let mut digits = [0; DIGITS];
        let digits = decimal(time.as_millis().try_into().unwrap_or(u64::MAX), &mut digits);
        self.push(digits, Kind::Plain)
    }

    /// A command in whose place the caller can send one that changes nothing.
    pub(super) fn or_gentler(mut self) -> Self {
        self.gentler = true;
        self
    }

    pub(super) fn has_gentler_form(&self) -> bool {
        self.gentler
    }

    fn push(mut self, argument: &[u8], kind: Kind) -> Self {
        append(argument, &mut self.wire);
        // Of a longer one, which only reads, the log shows the beginning.
        if let Some(slot) = self.kinds.get_mut(self.count) {
            *slot = kind;
        }
        self.count += 1;
        self.write_head()
    }

    /// Says in front of the arguments how many there are.
    fn write_head(mut self) -> Self {
        // As nearly always.
        if let Ok(digit @ 1..10) = u8::try_from(self.count) {
            self.begin = GAP - 4;
            self.wire[self.begin..GAP].copy_from_slice(&[b'*', b'0' + digit, b'\r', b'\n']);
            return self;
        }
        let mut head = [0; GAP];
        let count = line(b'*', self.count, &mut head);
        self.begin = GAP - count.len();
        self.wire[self.begin..GAP].copy_from_slice(count);
        self
    }

    /// The command as it goes over the wire.
    pub(super) fn packed(&self) -> &[u8] {
        &self.wire[self.begin..]
    }

    /// The whole command, with fingerprints for keys and lengths for payloads.
    pub(super) fn in_full(&self) -> String {
        let mut line = String::new();
        let mut keys = self.keys.iter().flatten();
        for (argument, kind) in self.arguments().zip(self.kinds) {
            if !line.is_empty() {
                line.push(' ');
            }
            let key = matches!(kind, Kind::Key).then(|| keys.next()).flatten();
            match (kind, key) {
                (_, Some(key)) => line.push_str(&format!("{}…", key.fingerprint())),
                (Kind::Plain, None) if argument.len() <= SHA1_CHARS => {
                    line.push_str(&String::from_utf8_lossy(argument));
                }
                _ => line.push_str(&format!("<{} bytes>", argument.len())),
            }
        }
        line
    }

    fn arguments(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.wire[GAP..];
        std::iter::from_fn(move || {
            let end = rest.iter().position(|byte| *byte == b'\r')?;
            let length: usize = std::str::from_utf8(&rest[1..end]).ok()?.parse().ok()?;
            let begin = end + END.len();
            let argument = rest.get(begin..begin + length)?;
            rest = &rest[begin + length + END.len()..];
            Some(argument)
        })
    }
}

/// The first arguments of a command, as they go over the wire: the same in many.
#[derive(Debug)]
pub(super) struct Beginning {
    wire: Vec<u8>,
    count: usize,
}

impl Beginning {
    pub(super) fn new(arguments: &[&str]) -> Self {
        let mut wire = Vec::new();
        for argument in arguments {
            append(argument.as_bytes(), &mut wire);
        }
        let count = arguments.len();
        Self { wire, count }
    }
}

/// An argument as it goes over the wire.
fn append(argument: &[u8], wire: &mut Vec<u8>) {
    let mut head = [0; GAP];
    let length = line(b'$', argument.len(), &mut head);
    wire.reserve(length.len() + argument.len() + END.len());
    wire.extend_from_slice(length);
    wire.extend_from_slice(argument);
    wire.extend_from_slice(END);
}

const END: &[u8] = b"\r\n";
/// Room for a line with a number: `*`, the number of arguments, and the end of the line.
const GAP: usize = DIGITS + 3;
/// As many as the largest number has.
const DIGITS: usize = 20;

/// `$17` and the end of that line, at the end of `room`.
fn line(kind: u8, number: usize, room: &mut [u8; GAP]) -> &[u8] {
    let mut digits = [0; DIGITS];
    let digits = decimal(number as u64, &mut digits);
    let begin = GAP - END.len() - digits.len() - 1;
    room[begin] = kind;
    room[begin + 1..GAP - END.len()].copy_from_slice(digits);
    room[GAP - END.len()..].copy_from_slice(END);
    &room[begin..]
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

    #[test]
    fn a_command_is_packed_as_the_library_packs_it() {
        let id = SessionId::parse("12345678901234567890123456789012", Layout::Dancer).unwrap();
        let key = Key::bare(&id);
        let payload = b"a\r\n$3\r\n".repeat(300);
        for arguments in 0..12 {
            let command = Command::new("GETEX", &key).key(&key);
            let command = (0..arguments).fold(command, |command, _| command.payload(&payload));
            let command = command.arg("PX").milliseconds(Duration::from_secs(900));
            let mut theirs = redis::cmd("GETEX");
            theirs.arg(key.as_str());
            for _ in 0..arguments {
                theirs.arg(&payload);
            }
            theirs.arg("PX").arg(900_000);
            assert_eq!(command.packed(), theirs.get_packed_command());
            assert_eq!(command.arguments().count(), arguments + 4);
        }
        let most = Command::new("PEXPIRE", &key).milliseconds(Duration::MAX);
        assert!(most.packed().ends_with(b"$20\r\n18446744073709551615\r\n"));
    }
}
