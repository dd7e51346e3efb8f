//! Keeps one `redis-server` process from outliving us, however we end.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A small shell that starts and signals the server on our orders.
///
/// The orders go through a pipe that only we hold. When it closes, because this was dropped or
/// because our process was killed, the shell kills the server and removes its directory.
#[derive(Debug)]
pub(crate) struct Supervisor {
    shell: Child,
    answers: BufReader<ChildStdout>,
}

impl Supervisor {
    /// A supervisor of a server with these arguments, which is not started yet.
    pub(crate) fn new(directory: &Path, arguments: &[String]) -> Supervisor {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "supervisor"])
            .arg(directory)
            .args(arguments)
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
        }
    }

    /// Starts the server and returns its process id; it does not answer yet.
    pub(crate) fn launch(&mut self) -> u32 {
        let answer = self.order("launch");
        answer
            .parse()
            .unwrap_or_else(|_| panic!("there is no `redis-server` program: install redis-server"))
    }

    /// Sends the server a signal, by its name without `SIG`.
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

/// SIGPIPE is ignored because an answer to a process that was killed must not end the shell
/// before it has killed the server.
const SCRIPT: &str = r#"
trap '' PIPE
directory=$1 pid=
shift
while read -r order signal; do
    case $order in
        launch)
            command -v redis-server >/dev/null || { echo missing; continue; }
            redis-server "$@" >>"$directory/log" 2>&1 &
            pid=$!
            echo "$pid" ;;
        signal) kill -s "$signal" "$pid"; echo done ;;
        wait) wait "$pid"; pid=; echo done ;;
    esac
done
[ -z "$pid" ] || kill -s KILL "$pid"
wait
rm -rf "$directory"
"#;
