//! Keeps one server process from outliving us, with all that it starts, however we end.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// What is started, and how.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// The Debian packages that bring it.
    pub(crate) packages: &'static str,
    pub(crate) arguments: Vec<String>,
    /// Added to our own environment.
    pub(crate) environment: Vec<(String, String)>,
}

/// A small shell that starts and signals the server on our orders.
///
/// The orders go through a pipe that only we hold. When it closes, because this was dropped or
/// because our process was killed, the shell kills the server and removes its directory. The server
/// leads a process group, so that signals reach what it has started as well.
#[derive(Debug)]
pub(crate) struct Supervisor {
    shell: Child,
    answers: BufReader<ChildStdout>,
    name: &'static str,
    packages: &'static str,
}

impl Supervisor {
    /// A supervisor of a program that is not started yet, and that will log in this directory.
    pub(crate) fn new(directory: &Path, program: Program) -> Supervisor {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "supervisor"])
            .arg(directory)
            .arg(program.name)
            .args(program.arguments)
            .envs(program.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Out of reach of a signal to the whole group of the tests, or nobody would tidy up.
            .process_group(0)
            .spawn()
            .expect("the shell `sh` starts");
        let answers = shell.stdout.take().expect("the shell's output is a pipe");
        Supervisor {
            shell,
            answers: BufReader::new(answers),
            name: program.name,
            packages: program.packages,
        }
    }

    /// Starts the server and returns its process id; it does not answer yet.
    pub(crate) fn launch(&mut self) -> u32 {
        let answer = self.order("launch");
        let (name, packages) = (self.name, self.packages);
        answer
            .parse()
            .unwrap_or_else(|_| panic!("there is no `{name}` program: install {packages}"))
    }

    /// Sends the server and what it has started a signal, by its name without `SIG`.
    pub(crate) fn signal(&mut self, name: &str) {
        self.order(&format!("signal {name}"));
    }

    /// Waits until the server has ended.
    pub(crate) fn wait(&mut self) {
        self.order("wait");
    }

    fn order(&mut self, order: &str) -> String {
        let orders = self.shell.stdin.as_mut().expect("the pipe is still ours");
        writeln!(orders, "{order}").expect("the supervising shell takes orders");
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .expect("the supervising shell answers");
        answer.trim_end().to_owned()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // `wait` closes the pipe first. An error would mean that the shell is gone already.
        let _ = self.shell.wait();
    }
}

/// Waits until the server with this process id answers; `false` when it ends before it does.
pub(crate) fn comes_up(pid: u32, answers: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while !answers() {
        if has_ended(pid) || begun.elapsed() > PATIENCE {
            return false;
        }
        sleep(Duration::from_millis(5));
    }
    true
}

/// What the server in this directory has logged so far.
pub(crate) fn log(directory: &Path) -> String {
    let log = fs::read(directory.join("log")).unwrap_or_default();
    String::from_utf8_lossy(&log).into_owned()
}

/// In `/tmp` whatever `TMPDIR` says: the path of a unix socket has room for 107 bytes.
pub(crate) fn new_directory() -> TempDir {
    let directory = tempfile::Builder::new().prefix("tb-").tempdir_in("/tmp");
    directory.expect("a directory can be made in /tmp")
}

/// Whether the process is gone, or dead and only waits to be collected.
fn has_ended(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status.rsplit(") ").next().unwrap_or_default();
    state.is_empty() || state.starts_with(['Z', 'X'])
}

/// How long a server may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(20);

/// SIGPIPE is ignored because an answer to a process that was killed must not end the shell
/// before it has killed the server. `setsid` makes the group; until it has, there is the one process.
const SCRIPT: &str = r#"
trap '' PIPE
directory=$1 pid=
shift
tell() { kill -s "$1" -- "-$pid" || kill -s "$1" "$pid"; }
while read -r order signal; do
    case $order in
        launch)
            command -v "$1" >/dev/null || { echo missing; continue; }
            setsid "$@" >>"$directory/log" 2>&1 &
            pid=$!
            echo "$pid" ;;
        signal) tell "$signal"; echo done ;;
        wait) wait "$pid"; pid=; echo done ;;
    esac
done
[ -z "$pid" ] || tell KILL
wait
rm -rf "$directory"
"#;
