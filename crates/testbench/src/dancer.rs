//! A real Dancer application, in Perl, that keeps its sessions in a test's Redis.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::door::free_port;
use crate::supervisor::{self, Program, Supervisor, new_directory};
use crate::{Gate, RedisServer};

/// The application of `perl/app.pl`, whose routes stand there, on a port of its own.
///
/// It ends, its workers included, when this is dropped, and also when the test panics, aborts or is
/// killed. Starting blocks the thread until it answers. Each answer closes its connection.
#[derive(Debug)]
pub struct DancerApp {
    // Before the directory: fields drop in this order, and the application logs there to its end.
    _supervisor: Supervisor,
    directory: TempDir,
    address: SocketAddr,
    pid: u32,
}

impl DancerApp {
    /// An application with two workers on this server's unix socket.
    pub fn start(server: &RedisServer) -> DancerApp {
        DancerApp::start_with(server, &[])
    }

    /// The same with more environment, such as `[("WORKERS", "4"), ("SESSION_NAME", "shop")]`; it
    /// wins over ours. What the application looks at is said at the top of `perl/app.pl`.
    pub fn start_with(server: &RedisServer, environment: &[(&str, &str)]) -> DancerApp {
        DancerApp::start_on(server, &[perl().join("stand_in")], environment)
    }

    /// The same on the `Dancer::Session::Redis` of these directories, in place of the stand-in for
    /// the original module.
    pub fn start_on(
        server: &RedisServer,
        include: &[PathBuf],
        environment: &[(&str, &str)],
    ) -> DancerApp {
        for _ in 0..20 {
            match DancerApp::launch(server.sock(), include, environment) {
                Ok(app) => return app,
                // Someone was faster between our look at the port and the application's.
                Err(log) if log.contains("Address already in use") => {}
                Err(log) if log.contains("Can't locate") => {
                    panic!(
                        "the Dancer application lacks a module: install {PACKAGES}. Its log:\n{log}"
                    )
                }
                Err(log) => panic!("the Dancer application does not answer. Its log:\n{log}"),
            }
        }
        panic!("twenty ports in a row were free, and taken a moment later");
    }

    /// Where it answers, on 127.0.0.1.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process that leads all others of the application; the route `/pid` tells a worker's.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// A directory that ends with the application, for its log and its gates.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A gate of this name, which only one request should have.
    pub fn gate(&self, name: &str) -> Gate {
        Gate::new(self.directory().join(name))
    }

    /// What it has said on its STDERR so far: why a route has failed, and Perl's warnings.
    pub fn log(&self) -> String {
        supervisor::log(self.directory.path())
    }
}

impl DancerApp {
    /// An application that answers, or the log of one that does not.
    fn launch(
        sock: &Path,
        include: &[PathBuf],
        extra: &[(&str, &str)],
    ) -> Result<DancerApp, String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let directory = new_directory();
        let path = |path: &Path| path.display().to_string();
        let own = [
            ("REDIS_SOCK", path(sock)),
            ("LISTEN", address.to_string()),
            ("TMPDIR", path(directory.path())),
        ];
        let extra = extra.iter().map(|&(name, value)| (name, value.to_owned()));
        let environment = own.into_iter().chain(extra);
        let lib = perl().join("lib");
        let include = include.iter().chain([&lib]);
        let include = include.flat_map(|it| ["-I".to_owned(), path(it)]);
        let mut supervisor = Supervisor::new(
            directory.path(),
            Program {
                name: "perl",
                packages: PACKAGES,
                arguments: include.chain([path(&perl().join("app.pl"))]).collect(),
                environment: environment
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
            },
        );
        let pid = supervisor.launch();
        if !supervisor::comes_up(pid, || is_group(address, pid)) {
            return Err(supervisor::log(directory.path()));
        }
        Ok(DancerApp {
            _supervisor: supervisor,
            directory,
            address,
            pid,
        })
    }
}

/// The application, its `lib/`, which Dancer puts before all others, and the stand-in beside it.
fn perl() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("perl")
}

/// Whether the application that this process leads answers here, and no stranger on the same port.
fn is_group(address: SocketAddr, pid: u32) -> bool {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /group HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.ends_with(&format!("\r\n\r\n{pid}")))
}

/// What Debian calls what the application is made of.
const PACKAGES: &str = "perl libdancer-perl libredis-perl libplack-perl starman libdatetime-perl";
