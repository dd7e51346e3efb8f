//! The distribution, packed, unpacked elsewhere, built, installed, and used without any of that.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use testbench::RedisServer;

use crate::library::distribution;

/// Runs a program to its end; what it prints.
fn run(directory: &Path, program: &str, arguments: &[&str], more: &[(&str, &str)]) -> String {
    let output = Command::new(program)
        .current_dir(directory)
        .args(arguments)
        .envs(more.iter().copied())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}:\n{text}\n{errors}"
    );
    text
}

/// What git would pack, and not what an earlier `make` has left here.
fn copy(from: &Path, to: &Path) {
    let manifest = fs::read_to_string(from.join("MANIFEST")).expect("there is a MANIFEST");
    for name in manifest.lines() {
        let copy = to.join(name);
        fs::create_dir_all(copy.parent().expect("it is in a directory")).expect("a directory");
        fs::copy(from.join(name), copy).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// The only directory in `place` whose name begins so.
fn entry(place: &Path, start: &str) -> PathBuf {
    let entries = fs::read_dir(place).expect("it can be listed");
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        path.is_dir() && name.is_some_and(|name| name.starts_with(start))
    };
    let found: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(named)
        .collect();
    assert_eq!(found.len(), 1, "{start} in {}: {found:?}", place.display());
    found[0].clone()
}

const USE: &str = r#"
    use Dancer::Session::Redis;
    use Dancer qw(:script);
    set redis_session => { sock => $ARGV[0] };
    my $session = Dancer::Session::Redis->create;
    $session->update(counter => sub { ($_[0] // 0) + 41 });
    print Dancer::Session::Redis->retrieve($session->id)->{counter} + 1;
"#;

#[test]
fn packed_built_and_installed_it_works_from_any_directory() {
    let place = tempfile::tempdir().expect("a directory");
    let workspace = distribution().join("..");
    let checkout = place.path().join("checkout");
    copy(&distribution(), &checkout);
    symlink(&workspace, checkout.join("rust")).expect("a link to the sources");
    run(&checkout, "perl", &["Makefile.PL", "PROFILE=dev"], &[]);
    run(&checkout, "make", &["dist", "DIST_CP=cp"], &[]);

    let elsewhere = place.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("a directory");
    let packed = checkout.join("Dancer-Session-Redis-1.0.tar.gz");
    let packed = packed.to_str().expect("a path of text");
    run(&elsewhere, "tar", &["xzf", packed], &[]);
    let unpacked = entry(&elsewhere, "Dancer-Session-Redis-");
    // Not where cargo has built the library that the other tests use at this moment: it would be
    // gone while it is linked anew.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("distribution");
    let target = target.to_str().expect("a path of text");
    // And with one job: beside it there are tests with deadlines.
    let built = [("CARGO_TARGET_DIR", target), ("CARGO_BUILD_JOBS", "1")];
    let base = format!("INSTALL_BASE={}", place.path().join("installed").display());
    run(
        &unpacked,
        "perl",
        &["Makefile.PL", "PROFILE=dev", &base],
        &built,
    );
    run(&unpacked, "make", &[], &built);
    run(&unpacked, "make", &["install"], &built);
    drop(fs::remove_dir_all(&elsewhere));
    drop(fs::remove_dir_all(&checkout));

    let server = RedisServer::start();
    let sock = server.sock().to_str().expect("a path of text");
    let installed = place
        .path()
        .join("installed/lib/perl5")
        .display()
        .to_string();
    let environment = [("PERL5LIB", installed.as_str()), ("PATH", "/usr/bin:/bin")];
    let said = run(
        Path::new("/"),
        "/usr/bin/perl",
        &["-e", USE, sock],
        &environment,
    );
    assert_eq!(said, "42");
}

#[test]
fn the_manifest_names_each_file() {
    let checked = "use ExtUtils::Manifest qw(fullcheck); $ExtUtils::Manifest::Quiet = 1; \
                   my ($missing, $extra) = fullcheck(); print for map { \"$_\\n\" } @$missing, @$extra";
    let said = run(&distribution(), "perl", &["-e", checked], &[]);
    assert_eq!(said, "");
}
