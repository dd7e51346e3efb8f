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
    app
    configured
    cookies
    dropin
    ended
    faults
    flush
    fork
    lazy
    redis
    session
    settings
    starman
    update
}

fn run(name: &str) {
    let [lib, arch] = include();
    let output = Command::new("perl")
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
