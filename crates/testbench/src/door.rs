//! Where a server listens, and what it and its clients must be told for that.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::certificates;

/// Where a server listens besides its unix socket.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Door {
    Unix,
    Tcp(u16),
    Tls(u16),
}

impl Door {
    pub(crate) fn url(self, socket: &Path) -> String {
        match self {
            Door::Unix => format!("unix://{}", socket.display()),
            Door::Tcp(port) => format!("redis://127.0.0.1:{port}"),
            Door::Tls(port) => format!("rediss://localhost:{port}"),
        }
    }

    pub(crate) fn address(self) -> Option<SocketAddr> {
        match self {
            Door::Unix => None,
            Door::Tcp(port) | Door::Tls(port) => Some((Ipv4Addr::LOCALHOST, port).into()),
        }
    }

    /// The arguments of a server that works in this directory.
    pub(crate) fn arguments(self, directory: &Path, socket: &Path) -> Vec<String> {
        let path = |name: &str| directory.join(name).display().to_string();
        let plain_port = match self {
            Door::Tcp(port) => port,
            Door::Unix | Door::Tls(_) => 0,
        };
        let mut arguments = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
            .map(str::to_owned)
            .to_vec();
        let mut set = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        set("--port", plain_port.to_string());
        set("--dir", directory.display().to_string());
        set("--unixsocket", socket.display().to_string());
        if let Door::Tls(port) = self {
            set("--tls-port", port.to_string());
            set("--tls-auth-clients", "no".to_owned());
            set("--tls-ca-cert-file", path(certificates::AUTHORITY));
            set("--tls-cert-file", path(certificates::SERVER));
            set("--tls-key-file", path(certificates::SERVER_KEY));
        }
        arguments
    }
}

/// A loopback port that was free a moment ago.
///
/// Below the range from which the system serves outgoing connections: otherwise a client that
/// tries to reconnect could be given the port of a server that is just restarting.
pub(crate) fn free_port() -> u16 {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    // Test processes run side by side with neighbouring ids: let them begin far apart.
    let first = std::process::id().wrapping_mul(61);
    loop {
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + (first.wrapping_add(tried) % 12_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
