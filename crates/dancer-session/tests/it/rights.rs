//! The rights that the README asks for, and whether anything was refused under them (R31).

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use dancer_session::{Layout, Secret, Settings};
use testbench::RedisServer;

/// The user with the documented rights.
pub(crate) const USER: &str = "app";
const PASSWORD: &str = "pw";

/// What the README says that this user needs, for database 0, with the keys of these settings.
fn documented(settings: &Settings) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (_, from) = readme
        .split_once("The user that the engine logs in as")
        .unwrap();
    let (paragraph, _) = from.split_once("\n\n").unwrap();
    let quoted = paragraph.split('`').skip(1).step_by(2);
    let words = quoted.flat_map(str::split_whitespace);
    let commands = words.filter(|word| word.starts_with('+') && *word != "+select");
    let commands: Vec<_> = commands.map(str::to_owned).collect();
    assert!(commands.len() > 5, "{paragraph}");
    let keys = match settings.layout {
        Layout::Native => format!("~{}*", settings.prefix),
        _ => "~*".to_owned(),
    };
    [vec![keys], commands].concat()
}

/// A server with that user; the settings log in as it, unless they have another one.
pub(crate) fn server(settings: &mut Settings) -> RedisServer {
    let rights = documented(settings);
    let mut user: Vec<&str> = vec!["--user", USER, "on", ">pw"];
    user.extend(rights.iter().map(String::as_str));
    let server = RedisServer::start_with(&user);
    settings.sock = Some(server.sock().to_owned());
    if settings.username.is_none() {
        settings.username = Some(USER.into());
        settings.password = Some(Secret::from(PASSWORD));
    }
    server
}

/// Settings that log in as a user who may do everything.
pub(crate) fn of_everything() -> Settings {
    Settings {
        username: Some("default".into()),
        password: Some(Secret::from("any")),
        ..Settings::default()
    }
}

/// How many entries the server's log of refusals has; `None`: it does not answer.
pub(crate) fn refused(server: &RedisServer) -> Option<usize> {
    let mut stream = UnixStream::connect(server.sock()).ok()?;
    let patience = Some(std::time::Duration::from_secs(5));
    stream.set_read_timeout(patience).ok()?;
    stream.write_all(b"ACL LOG\r\n").ok()?;
    let mut reply = [0; 64];
    let length = stream.read(&mut reply).ok()?;
    let line = String::from_utf8_lossy(&reply[..length]).into_owned();
    let count = line.strip_prefix('*')?.split_once("\r\n")?.0;
    count.parse().ok()
}

#[tokio::test]
async fn r31_what_is_refused_is_noticed() {
    let mut settings = Settings::default();
    let server = server(&mut settings);
    assert_eq!(refused(&server), Some(0));
    let engine = dancer_session::SessionEngine::init(settings).await.unwrap();
    let _ = engine.create().await.unwrap();
    assert_eq!(refused(&server), Some(0));
    let keys = dancer_session::redis::cmd("KEYS").arg("*").to_owned();
    let _ = engine.send(&keys, None).await;
    assert_eq!(refused(&server), Some(1));
}
