//! One run of the program, which does not outlive its test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A running program, and what it says on STDERR. Killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    /// In a mutex only so that clients in several threads can share a program.
    lines: Mutex<Receiver<String>>,
}

impl Program {
    /// Starts it with exactly this environment.
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Program {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dancer-session"))
            .args(arguments)
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = child.stderr.take().expect("it is a pipe");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Nobody listens any more: the pipe is emptied all the same.
                drop(sender.send(line));
            }
        });
        Program {
            child,
            lines: Mutex::new(lines),
        }
    }

    /// The next line on STDERR.
    pub(crate) fn line(&mut self) -> String {
        let lines = self.lines.get_mut().expect(NOT_POISONED);
        let line = lines.recv_timeout(PATIENCE);
        line.expect("the program says something more")
    }

    pub(crate) fn interrupt(&self) {
        let pid = self.child.id().to_string();
        let killed = Command::new("sh")
            .args(["-c", r#"kill -s INT "$1""#, "kill", &pid])
            .status();
        assert!(killed.expect("sh starts").success());
    }

    /// Waits for its end: the exit status, and the lines that nobody has read so far.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                let lines = self.lines.get_mut().expect(NOT_POISONED);
                // Ends with the pipe, that is, now.
                return (status.code(), lines.iter().collect());
            }
            assert!(begun.elapsed() < PATIENCE, "the program does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // An error means that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

const NOT_POISONED: &str = "it is never locked";
