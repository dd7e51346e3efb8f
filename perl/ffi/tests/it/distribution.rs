//! Runs the tests of `perl/t`, each as a test of its own.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::library::{distribution, include};

/// Makes a test of each file, and a list of them.
macro_rules! perl_tests {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*

        const FILES: &[&str] = &[$(stringify!($name)),*];
    };
}

perl_tests! {
    answers
    app
    configured
    cookies
    dropin
    ended
    faults
    flush
    fork
    frozen
    lazy
    owners
    redis
    session
    settings
    starman
    update
}

fn run(name: &str) {
    run_by(Command::new("perl"), name);
}

/// Runs a test file; `command` is Perl, or what runs Perl.
fn run_by(mut command: Command, name: &str) {
    let [lib, arch] = include();
    let output = command
        .current_dir(distribution())
        .arg("-I")
        .arg(lib)
        .arg("-I")
        .arg(arch)
        .arg(format!("t/{name}.t"))
        .env_remove("PLACK_ENV")
        .output()
        .expect("perl is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}.t:\n{text}\n{errors}");
    // Whatever it returns.
    let failed = text.lines().any(|line| line.starts_with("not ok "));
    assert!(!failed, "{name}.t:\n{text}\n{errors}");
    let ran = text.lines().any(|line| line.starts_with("ok "));
    assert!(ran, "{name}.t has tested nothing:\n{text}\n{errors}");
}

/// No byte beyond its end, none before it was written, none after it was given back: in the long form,
/// since valgrind takes long.
#[test]
fn the_border_is_clean_under_valgrind() {
    if std::env::var_os("DANCER_SESSION_LONG").is_none() {
        return;
    }
    for name in ["session", "dropin", "flush", "update", "frozen"] {
        let mut valgrind = Command::new("valgrind");
        let known = distribution().join("ffi/tests/perl.supp");
        valgrind
            .args(["--quiet", "--error-exitcode=9", "--trace-children=no"])
            .arg(format!("--suppressions={}", known.display()))
            .arg("perl");
        run_by(valgrind, name);
    }
}

#[test]
fn each_test_of_the_distribution_is_run_here() {
    let files = fs::read_dir(distribution().join("t")).expect("t/ is there");
    let names: BTreeSet<_> = files
        .map(|file| file.expect("its files can be listed").file_name())
        .filter_map(|name| name.to_str()?.strip_suffix(".t").map(str::to_owned))
        .collect();
    let known: BTreeSet<_> = FILES.iter().map(ToString::to_string).collect();
    assert_eq!(names, known);
}
