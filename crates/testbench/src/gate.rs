//! Holds a request of the Dancer application between its read and its write.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

/// Where a `/held_…` route of `perl/app.pl` waits. One gate holds one request.
#[derive(Debug)]
pub struct Gate {
    path: PathBuf,
}

impl Gate {
    pub(crate) fn new(path: PathBuf) -> Gate {
        Gate { path }
    }

    /// The route, such as `/held_count`, with what makes it wait here.
    pub fn before(&self, route: &str) -> String {
        format!("{route}?gate={}", self.path.display())
    }

    /// Waits until the request has read.
    pub async fn reached(&self) {
        while !self.beside("read").exists() {
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Lets it write.
    pub fn open(&self) {
        fs::write(self.beside("write"), "").expect("the gate's directory is there");
    }

    /// As Perl puts it: the name and the ending.
    fn beside(&self, ending: &str) -> PathBuf {
        Path::new(&format!("{}.{ending}", self.path.display())).to_owned()
    }
}
