//! A real `redis-server` that lives as long as its test.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};

use tempfile::TempDir;

use crate::Commands;
use crate::certificates;
use crate::door::{Door, free_port};
use crate::supervisor::{self, Program, Supervisor, new_directory};
use crate::wire::Wire;

/// A server with a directory, a unix socket and a process of its own, and without persistence.
///
/// It ends when this is dropped, and also when the test panics, aborts or is killed. Starting,
/// stopping and restarting block the thread until done.
#[derive(Debug)]
pub struct RedisServer {
    // Before the directory: fields drop in this order, and the server writes there to its end.
    supervisor: Mutex<Supervisor>,
    directory: TempDir,
    socket: PathBuf,
    door: Door,
    password: Option<String>,
    pid: AtomicU32,
    /// What the bench itself has sent since the server started.
    own: Mutex<Commands>,
}

/// How [`RedisServer::stop`] ends the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// `SIGKILL`: what was not written to disk is lost.
    Crash,
    /// `SIGTERM`, to the server the same as the command `SHUTDOWN`.
    Shutdown,
}

impl RedisServer {
    /// A server on a unix socket only.
    pub fn start() -> RedisServer {
        RedisServer::start_with(&[])
    }

    /// The same with more arguments, such as `["--appendonly", "yes"]`; they win over ours.
    ///
    /// With `--requirepass` the bench logs in by itself; [`url`](Self::url) stays without password.
    pub fn start_with(arguments: &[&str]) -> RedisServer {
        RedisServer::launch_on(Door::Unix, new_directory(), arguments)
            .unwrap_or_else(|log| panic!("redis-server does not answer. Its log:\n{log}"))
    }

    /// A server on a free loopback port, and on its unix socket too.
    pub fn start_tcp() -> RedisServer {
        start_on_free_port(Door::Tcp, new_directory)
    }

    /// A server that speaks TLS on a free loopback port, with a certificate for `localhost` and
    /// `127.0.0.1` from an authority of its own ([`ca_file`](Self::ca_file)). The unix socket is
    /// there too, and plain.
    pub fn start_tls() -> RedisServer {
        start_on_free_port(Door::Tls, directory_with_certificates)
    }

    /// The unix socket.
    pub fn sock(&self) -> &Path {
        &self.socket
    }

    /// Where a client connects: `unix://…`, `redis://127.0.0.1:…` or `rediss://localhost:…`.
    pub fn url(&self) -> String {
        self.door.url(&self.socket)
    }

    /// The loopback address, unless there is the unix socket only.
    pub fn address(&self) -> Option<SocketAddr> {
        self.door.address()
    }

    /// The certificate of the authority behind a server of [`start_tls`](Self::start_tls), as PEM.
    pub fn ca_file(&self) -> PathBuf {
        self.directory.path().join(certificates::AUTHORITY)
    }

    /// The directory the server works in: its data files, sockets and log.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The process id, a new one after each start.
    pub fn pid(&self) -> u32 {
        self.pid.load(Ordering::SeqCst)
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        supervisor::log(self.directory.path())
    }

    /// Ends the process and waits for that; everything else stays for [`launch`](Self::launch).
    pub fn stop(&self, ending: Ending) {
        let mut supervisor = self.supervisor();
        supervisor.signal(match ending {
            Ending::Crash => "KILL",
            Ending::Shutdown => "TERM",
        });
        // A paused server would not notice that it was asked to shut down.
        supervisor.signal("CONT");
        supervisor.wait();
    }

    /// Starts the stopped server again: same directory, socket, port and arguments.
    pub fn launch(&self) {
        self.try_launch()
            .unwrap_or_else(|log| panic!("redis-server does not start again. Its log:\n{log}"));
    }

    /// [`stop`](Self::stop) and [`launch`](Self::launch).
    pub fn restart(&self, ending: Ending) {
        self.stop(ending);
        self.launch();
    }

    /// Freezes the process (`SIGSTOP`): connections stay, answers do not come.
    pub fn pause(&self) {
        self.supervisor().signal("STOP");
    }

    /// Lets a paused process go on.
    pub fn resume(&self) {
        self.supervisor().signal("CONT");
    }
}

/// What the rest of the bench needs to know.
impl RedisServer {
    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    pub(crate) fn own(&self) -> MutexGuard<'_, Commands> {
        self.own.lock().expect("no one panics while counting")
    }

    /// A connection that is logged in.
    pub(crate) fn wire(&self) -> io::Result<Wire> {
        let mut wire = Wire::open(&self.socket)?;
        if let Some(password) = &self.password {
            wire.ask(&["AUTH", password])?;
            self.own().add("auth", 1);
        }
        Ok(wire)
    }
}

impl RedisServer {
    /// A server that answers, or the log of one that does not.
    fn launch_on(door: Door, directory: TempDir, extra: &[&str]) -> Result<RedisServer, String> {
        let socket = directory.path().join("redis.sock");
        let mut arguments = door.arguments(directory.path(), &socket);
        arguments.extend(extra.iter().map(|&argument| argument.to_owned()));
        let password = extra.iter().position(|&word| word == "--requirepass");
        let program = Program {
            name: "redis-server",
            packages: "redis-server",
            arguments,
            environment: Vec::new(),
        };
        let server = RedisServer {
            supervisor: Mutex::new(Supervisor::new(directory.path(), program)),
            directory,
            socket,
            door,
            password: password.map(|at| extra[at + 1].to_owned()),
            pid: AtomicU32::new(0),
            own: Mutex::default(),
        };
        server.try_launch()?;
        Ok(server)
    }

    fn try_launch(&self) -> Result<(), String> {
        let pid = self.supervisor().launch();
        self.pid.store(pid, Ordering::SeqCst);
        *self.own() = Commands::default();
        if !supervisor::comes_up(pid, || self.answers()) {
            return Err(self.log());
        }
        self.own().add("ping", 1);
        Ok(())
    }

    fn answers(&self) -> bool {
        let pong = self.wire().and_then(|mut wire| wire.ask(&["PING"]));
        pong.is_ok_and(|reply| reply == "+PONG")
    }

    fn supervisor(&self) -> MutexGuard<'_, Supervisor> {
        self.supervisor
            .lock()
            .expect("the supervisor has not failed before")
    }
}

fn start_on_free_port(door: fn(u16) -> Door, directory: fn() -> TempDir) -> RedisServer {
    for _ in 0..20 {
        match RedisServer::launch_on(door(free_port()), directory(), &[]) {
            Ok(server) => return server,
            // Someone was faster between our look at the port and the server's.
            Err(log) if log.contains("Address already in use") => {}
            Err(log) => panic!("redis-server does not answer. Its log:\n{log}"),
        }
    }
    panic!("twenty ports in a row were free, and taken a moment later");
}

fn directory_with_certificates() -> TempDir {
    let directory = new_directory();
    certificates::issue(directory.path());
    directory
}
