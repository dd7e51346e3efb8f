//! Decoding and encoding of Storable, against the C code of Perl's own module on the same bytes.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use storable::{Document, Limits};

use crate::table::{Round, Row};

/// The two sessions, by the name that the Perl side knows them by.
const SESSIONS: [&str; 2] = ["session", "large session"];

/// What is timed, by the name that the Perl side knows it by, and whose code that is.
const OPERATIONS: [(&str, &str); 4] = [
    ("mretrieve", "Perl's thaw, its C code"),
    ("thaw", "Perl's thaw"),
    ("mstore", "Perl's freeze, its C code"),
    ("freeze", "Perl's freeze"),
];

/// Measures both directions on a typical session of a Dancer application, and on a large one.
pub(crate) fn measure(quick: bool) -> Vec<Row> {
    let (rounds, length) = match quick {
        true => (5, Duration::from_millis(20)),
        false => (25, Duration::from_millis(100)),
    };
    let mut perl = Perl::start();
    let bar = ProgressBar::new((SESSIONS.len() * OPERATIONS.len() * rounds) as u64);
    let style = ProgressStyle::with_template("{msg:32} {wide_bar} {eta}");
    bar.set_style(style.expect("the template is right"));
    let mut rows = Vec::new();
    for session in SESSIONS {
        let bytes = perl.frozen(session);
        let document = checked(&mut perl, session, &bytes);
        for (operation, peer) in OPERATIONS {
            bar.set_message(format!("{session}, {operation}"));
            let reading = matches!(operation, "mretrieve" | "thaw");
            let mut ours = || {
                if reading {
                    black_box(Document::decode(black_box(&bytes)).expect("it was decoded before"));
                } else {
                    black_box(document.encode().expect("it was encoded before"));
                }
            };
            let times = rounds_of(rounds, length, &mut ours, &mut perl, operation, &bar);
            let what = if reading { "decode" } else { "encode" };
            rows.push(Row::new(
                format!("{what} a {session}"),
                bytes.len(),
                peer,
                &times,
            ));
        }
    }
    bar.finish_and_clear();
    rows
}

/// Decodes and encodes once, and has Perl say that it thaws the same.
fn checked(perl: &mut Perl, session: &str, bytes: &[u8]) -> Document {
    let document = Document::decode_with(bytes, Limits::default()).expect("Perl froze it");
    let encoded = document.encode().expect("it was small enough before");
    let same = perl.ask(&format!("same {session}={}", hex(&encoded)));
    assert_eq!(same, "same", "Perl thaws what we encode as something else");
    document
}

/// Rounds in turn, ours and Perl's, each of about this length.
fn rounds_of(
    rounds: usize,
    length: Duration,
    ours: &mut dyn FnMut(),
    perl: &mut Perl,
    operation: &str,
    bar: &ProgressBar,
) -> Vec<Round> {
    let once = |time: Duration, times: u64| time.max(Duration::from_nanos(1)) / times as u32;
    let fitting =
        |one: Duration| (length.as_nanos() / one.as_nanos().max(1)).clamp(1, 1 << 24) as u64;
    // A first, short round of each finds out how many make up a long one; it also warms up.
    let our_times = fitting(once(time(200, ours), 200));
    let perl_times = fitting(once(perl.time(operation, 200), 200));
    (0..rounds)
        .map(|_| {
            bar.inc(1);
            (
                once(time(our_times, ours), our_times),
                once(perl.time(operation, perl_times), perl_times),
            )
        })
        .collect()
}

fn time(times: u64, operation: &mut dyn FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        operation();
    }
    start.elapsed()
}

/// A Perl that does the same on its side, asked line by line.
struct Perl {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Perl {
    fn start() -> Self {
        let mut child = Command::new("perl")
            .args(["-e", include_str!("storable.pl")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is no `perl` program: install perl");
        let requests = child.stdin.take().expect("the input is a pipe");
        let answers = child.stdout.take().expect("the output is a pipe");
        Self {
            child,
            requests,
            answers: BufReader::new(answers),
        }
    }

    fn ask(&mut self, request: &str) -> String {
        writeln!(self.requests, "{request}").expect("Perl takes a request");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("Perl answers");
        answer.trim_end().to_owned()
    }

    /// The session as Perl freezes it; what is timed from now on is done to this one.
    fn frozen(&mut self, session: &str) -> Vec<u8> {
        let hex = self.ask(&format!("use {session}"));
        let digit = |byte: u8| char::from(byte).to_digit(16).expect("hex") as u8;
        hex.as_bytes()
            .chunks(2)
            .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
            .collect()
    }

    fn time(&mut self, operation: &str, times: u64) -> Duration {
        let seconds = self.ask(&format!("{operation} {times}"));
        Duration::from_secs_f64(seconds.parse().expect("Perl answers with seconds"))
    }
}

impl Drop for Perl {
    fn drop(&mut self) {
        // Errors would mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
