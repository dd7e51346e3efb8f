//! Where Perl finds the module, and the library that cargo has built for this test run.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process;

/// The directory of the distribution.
pub(crate) fn distribution() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("ffi/ is in perl/").to_owned()
}

/// The directories for Perl's `@INC`.
pub(crate) fn include() -> [PathBuf; 2] {
    let arch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("perl");
    let beside = arch.join("Dancer/Session");
    fs::create_dir_all(&beside).expect("a directory for the library");
    // By way of another name, since other tests do the same at this moment.
    let own = beside.join(format!("Redis.so.{}", process::id()));
    drop(fs::remove_file(&own));
    symlink(built(), &own).expect("a link to the library");
    fs::rename(&own, beside.join("Redis.so")).expect("the link gets its name");
    [distribution().join("lib"), arch]
}

/// Cargo puts it beside the tests, which need it.
fn built() -> PathBuf {
    let test = env::current_exe().expect("the test knows where it is");
    let library = test.with_file_name("libdancer_session_perl.so");
    assert!(library.exists(), "cargo has built no {}", library.display());
    library
}
