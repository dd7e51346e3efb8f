//! Where the Redis of some settings is, and who logs in there: `sock`, `server`, and the keys that
//! win over a URL, put together.

use std::fmt;
use std::path::PathBuf;

use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

use super::misfit::Misfit;
use super::{Secret, Settings, server};
use crate::Error;

/// Where a server is. `Display` is for people, and for messages: there is no user and no password
/// in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A port in the network.
    Tcp {
        /// A name or an IP address, IPv6 without brackets.
        host: String,
        /// The port's number.
        port: u16,
        /// Whether to speak TLS. The certificate is always verified.
        tls: bool,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, tls } => {
                let scheme = if *tls { "rediss://" } else { "" };
                let (open, close) = if host.contains(':') {
                    ("[", "]")
                } else {
                    ("", "")
                };
                write!(f, "{scheme}{open}{host}{close}:{port}")
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An address with what is said there first.
pub(super) struct Target {
    pub(super) address: Address,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) database: Option<u32>,
}

impl Target {
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
            username: None,
            password: None,
            database: None,
        }
    }

    pub(super) fn of(settings: &Settings) -> Result<Self, Misfit> {
        let found = match (&settings.sock, &settings.server) {
            (Some(sock), _) if sock.as_os_str().is_empty() => {
                return Err(Misfit::new(
                    "sock",
                    "is empty, expected the path of a socket",
                ));
            }
            (Some(sock), _) => Self::new(Address::Unix(sock.clone())),
            (None, Some(server)) => server::read(server)?,
            (None, None) => {
                return Err(Misfit::in_words(
                    "redis_session",
                    "redis_session should include either server or sock parameter, such as \
                     `server: localhost:6379` or `sock: /run/redis/redis.sock`",
                ));
            }
        };
        let target = Self {
            address: found.address,
            username: settings.username.clone().or(found.username),
            password: settings.password.clone().or(found.password),
            database: settings.database.or(found.database),
        };
        target.with_whole_login(settings)
    }

    pub(super) fn connection(self) -> Result<ConnectionInfo, Error> {
        let mut login = RedisConnectionInfo::default()
            .set_db(self.database.unwrap_or(0).into())
            .set_skip_set_lib_name();
        if let Some(username) = self.username {
            login = login.set_username(username);
        }
        if let Some(password) = self.password {
            login = login.set_password(password.expose());
        }
        let address = match self.address {
            Address::Tcp {
                host,
                port,
                tls: false,
            } => ConnectionAddr::Tcp(host, port),
            Address::Tcp {
                host,
                port,
                tls: true,
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            },
            Address::Unix(path) => ConnectionAddr::Unix(path),
        };
        // A command leaves as soon as it is there, also behind one whose reply nobody waits for.
        let tcp = TcpSettings::default().set_nodelay(true);
        match address.into_connection_info() {
            Ok(connection) => Ok(connection.set_redis_settings(login).set_tcp_settings(tcp)),
            Err(cause) => Err(Error::settings("the client refused the address").because(cause)),
        }
    }

    /// The client would drop a user without a password silently, and work as the user `default`.
    fn with_whole_login(self, settings: &Settings) -> Result<Self, Misfit> {
        if self.username.is_none() || self.password.is_some() {
            return Ok(self);
        }
        let key = if settings.username.is_some() {
            "username"
        } else {
            "server"
        };
        Err(Misfit::new(
            key,
            "names a user without a password: set `password` as well (in a URL without a user, the \
             password stands behind a colon: redis://:password@host)",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the client is told: address, user, password, database.
    fn told(settings: &Settings) -> String {
        let connection = settings.connection().unwrap();
        let (addr, login) = (connection.addr(), connection.redis_settings());
        assert!(login.skip_set_lib_name());
        format!(
            "{addr:?} {:?} {:?} {}",
            login.username(),
            login.password(),
            login.db()
        )
    }

    #[test]
    fn keys_win_over_the_url() {
        let url = Settings {
            server: Some("redis://ann:one@h:1/2".into()),
            ..Settings::default()
        };
        assert_eq!(told(&url), r#"Tcp("h", 1) Some("ann") Some("one") 2"#);
        let keys = Settings {
            username: Some("bob".into()),
            password: Some("two".into()),
            database: Some(0),
            ..url.clone()
        };
        assert_eq!(told(&keys), r#"Tcp("h", 1) Some("bob") Some("two") 0"#);
        let sock = Settings {
            sock: Some("/s".into()),
            ..url
        };
        assert_eq!(told(&sock), r#"Unix("/s") None None 0"#);
    }

    #[test]
    fn parts_of_a_url_reach_the_client() {
        let rows = [
            ("h", r#"Tcp("h", 6379) None None 0"#),
            ("[::1]:7", r#"Tcp("::1", 7) None None 0"#),
            ("redis://:p@h", r#"Tcp("h", 6379) None Some("p") 0"#),
            (
                "redis://a%40b:p%2F%C3%A9+%25@h",
                r#"Tcp("h", 6379) Some("a@b") Some("p/é+%") 0"#,
            ),
            (
                "redis://a:50%@h",
                r#"Tcp("h", 6379) Some("a") Some("50%") 0"#,
            ),
            ("unix:///a%20b?db=3", r#"Unix("/a b") None None 3"#),
        ];
        for (server, expected) in rows {
            let settings = Settings {
                server: Some(server.into()),
                ..Settings::default()
            };
            assert_eq!(told(&settings), expected, "{server}");
        }
    }

    #[test]
    fn certificates_are_verified() {
        let settings = Settings {
            server: Some("rediss://h".into()),
            ..Settings::default()
        };
        match settings.connection().unwrap().addr() {
            ConnectionAddr::TcpTls {
                host,
                port,
                insecure,
                ..
            } => {
                assert_eq!((host.as_str(), *port, *insecure), ("h", 6379, false));
            }
            other => panic!("{other:?}"),
        }
    }
}
