//! `again.pl`: a real Perl that freezes, or thaws and freezes again.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::perl::{self, from_hex, to_hex};

/// What the program prints in this mode when it reads these lines.
pub(crate) fn run(arguments: &[&str], seed: u32, lines: &[String]) -> Vec<String> {
    let mut child = Command::new("perl")
        .arg(perl::folder().join("again.pl"))
        .args(arguments)
        .env("PERL_HASH_SEED", seed.to_string())
        .env("PERL_PERTURB_KEYS", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is no `perl` program: install perl");
    let mut input = child.stdin.take().unwrap();
    let lines = lines.join("\n");
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    let output = String::from_utf8(output.stdout).unwrap();
    output.lines().map(str::to_owned).collect()
}

/// What Perl freezes of each expression, in native order.
pub(crate) fn frozen(expressions: &[&str]) -> Vec<Vec<u8>> {
    let lines: Vec<_> = expressions.iter().map(|line| (*line).to_owned()).collect();
    let frozen = run(&["freeze"], 0, &lines);
    assert_eq!(frozen.len(), expressions.len());
    frozen.iter().map(|line| from_hex(line)).collect()
}

/// What an expression gives for these bytes, thawed as `$root`.
pub(crate) fn ask(bytes: &[u8], expression: &str) -> String {
    run(&["ask", &to_hex(bytes), expression], 0, &[]).concat()
}
