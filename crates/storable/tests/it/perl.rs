//! A real Perl in a child process, asked line by line, and the folder of its programs.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the Perl programs of these tests are.
pub(crate) fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "perl"]
        .iter()
        .collect()
}

/// `differential.pl`, which answers one line to each line. It ends with this value.
pub(crate) struct Perl {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Perl {
    pub(crate) fn start() -> Self {
        let mut child = Command::new("perl")
            .arg(folder().join("differential.pl"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is no `perl` program: install perl");
        let answers = child.stdout.take().expect("the output is a pipe");
        Self {
            child,
            answers: BufReader::new(answers),
        }
    }

    pub(crate) fn ask(&mut self, request: &str) -> String {
        let requests = self.child.stdin.as_mut().expect("the input is a pipe");
        writeln!(requests, "{request}").expect("Perl takes a request");
        let mut answer = Vec::new();
        let len = self
            .answers
            .read_until(b'\n', &mut answer)
            .expect("Perl answers");
        assert!(len > 0, "Perl has ended at {request:.200}");
        // Perl's own messages may quote bytes of the input.
        String::from_utf8_lossy(&answer)
            .trim_end_matches('\n')
            .to_owned()
    }
}

impl Drop for Perl {
    fn drop(&mut self) {
        // Without input the program ends; a test that fails must not wait for it, though.
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a random test starts, and what to set to see the same again.
pub(crate) fn seed() -> u64 {
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64
    };
    let seed = std::env::var("STORABLE_SEED").map_or_else(
        |_| now() % (1 << 40),
        |seed| seed.parse().expect("STORABLE_SEED is a number"),
    );
    println!("STORABLE_SEED={seed}");
    seed
}

/// The first number, or the second in the long form of the tests.
pub(crate) fn short_or_long<T>(short: T, long: T) -> T {
    match std::env::var_os("DANCER_SESSION_LONG") {
        None => short,
        Some(_) => long,
    }
}

pub(crate) fn from_hex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "hex has an even length");
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("hex") as u8;
    hex.as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
