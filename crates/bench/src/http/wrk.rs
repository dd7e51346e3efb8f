//! `wrk`, which visits an application while that is timed.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::{CONNECTIONS, Page};
use crate::figures::Tally;

/// The shortest that it can.
const SECONDS: u64 = 1;

/// It, and what it needs for one application.
pub(super) struct Wrk {
    script: PathBuf,
    cookies: PathBuf,
    url: String,
}

impl Wrk {
    pub(super) fn is_installed() -> bool {
        let started = Command::new("wrk")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        started.is_ok()
    }

    /// `directory`: where its files may lie.
    pub(super) fn new(directory: &Path, port: u16, cookies: &[String]) -> Self {
        let wrk = Self {
            script: directory.join("visitors.lua"),
            cookies: directory.join("cookies"),
            url: format!("http://127.0.0.1:{port}/"),
        };
        let lines: String = cookies.iter().map(|cookie| format!("{cookie}\n")).collect();
        let written = fs::write(&wrk.script, include_str!("visitors.lua"));
        written.expect("the directory is ours");
        fs::write(&wrk.cookies, lines).expect("the directory is ours");
        wrk
    }

    /// All visitors ask for this page. `stand`: what their counters stand at, if every answer is to be
    /// looked at.
    pub(super) fn visit(
        &self,
        page: Page,
        stand: Option<RangeInclusive<u64>>,
    ) -> Result<Tally, String> {
        let stand = stand.map(|stand| [stand.start().to_string(), stand.end().to_string()]);
        let output = Command::new("wrk")
            .args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{SECONDS}s")])
            .arg("-s")
            .arg(&self.script)
            .args([&self.url, "--", page.path()])
            .arg(&self.cookies)
            .args(stand.iter().flatten())
            .output()
            .expect("wrk was there before");
        let text = String::from_utf8_lossy(&output.stdout);
        tally(&text).map_err(|error| {
            let errors = String::from_utf8_lossy(&output.stderr);
            format!("{error}\n{text}{errors}")
        })
    }
}

/// What the script prints at its end; times in microseconds.
#[derive(Deserialize)]
struct Told {
    requests: u64,
    duration: u64,
    p50: u64,
    p99: u64,
    // Errors, of each kind.
    connect: u64,
    read: u64,
    write: u64,
    timeout: u64,
    status: u64,
    /// Answers with another number than could be, if they were looked at.
    unexpected: u64,
}

/// Reads what wrk has printed, of which one line is the script's.
fn tally(output: &str) -> Result<Tally, String> {
    let line = output.lines().find(|line| line.starts_with('{'));
    let told = line.ok_or("wrk was expected to print what it has done")?;
    let told: Told = serde_json::from_str(told).map_err(|error| error.to_string())?;
    if told.connect + told.read + told.write + told.timeout + told.status > 0 {
        return Err("every request was expected to be answered, with status 200".to_owned());
    }
    if told.unexpected > 0 {
        return Err(format!(
            "every answer was expected to tell what its visitor's counter stood at; {} did not",
            told.unexpected
        ));
    }
    Ok(Tally {
        operations: told.requests,
        took: told.duration as f64 / 1e6,
        p50: told.p50 as f64,
        p99: told.p99 as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As wrk prints it, with so many answers of another status, and with another number.
    fn output(status: u64, unexpected: u64) -> String {
        format!(
            r#"Running 1s test @ http://127.0.0.1:4000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.05ms  310.22us   9.10ms   93.11%
    Req/Sec    60.60k     2.11k   63.90k    80.00%
  66123 requests in 1.10s, 8.07MB read
Requests/sec:  60103.10
Transfer/sec:      7.34MB
{{"requests":66123,"duration":1100160,"p50":1020,"p99":2050,"connect":0,"read":0,"write":0,"timeout":0,"status":{status},"unexpected":{unexpected}}}
"#
        )
    }

    #[test]
    fn what_wrk_prints_is_read() {
        let right = Tally {
            operations: 66_123,
            took: 1.10016,
            p50: 1020.0,
            p99: 2050.0,
        };
        assert_eq!(tally(&output(0, 0)), Ok(right));
    }

    #[test]
    fn an_answer_that_is_no_good_is_told() {
        let error = tally(&output(1, 0)).expect_err("one was an error");
        assert!(error.contains("expected to be answered"), "{error}");
        let error = tally(&output(0, 3)).expect_err("three were wrong");
        assert!(error.contains("3 did not"), "{error}");
    }

    #[test]
    fn a_script_that_failed_is_told() {
        let error = tally("Running 1s test @ http://127.0.0.1:4000/\n");
        let error = error.expect_err("the script has said nothing");
        assert!(error.contains("expected to print"), "{error}");
    }
}
