//! Reads the setting `server`: `host:port`, `host`, or a URL.
//!
//! No message shows a URL, or a part of one, that may hold a user or a password.

use std::borrow::Cow;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use url::{Host, Url};

use super::address::{Address, Target};
use super::misfit::{Misfit, shown};

const PORT: u16 = 6379;
const FORMS: &str = "expected host:port, host, or a URL: redis://host:6379/0, \
                     rediss://host:6379/0 (TLS) or unix:///path/of/the.sock?db=0";

/// What is wrong with a `server`, without any part of it.
type Fault = String;

pub(super) fn read(server: &str) -> Result<Target, Misfit> {
    let target = if is_url(server) {
        from_url(server)
    } else {
        host_and_port(server)
    };
    target.map_err(|fault| misfit(server, &fault))
}

/// The same text if it is meant as a URL.
pub(super) fn url(text: &str) -> Result<String, Misfit> {
    if is_url(text) {
        Ok(text.into())
    } else {
        Err(misfit(text, "no URL with redis://, rediss:// or unix://"))
    }
}

/// A `server` as messages and `Debug` may show it: whole, or nothing but its scheme.
pub(super) fn redacted(server: &str) -> Cow<'_, str> {
    let bare = |url: Url| url.query().is_none() && url.fragment().is_none();
    let whole = !is_url(server) || Url::parse(server).is_ok_and(bare);
    // A URL that is cut in the wrong place, as its password is not encoded, still has its @.
    if whole && !server.contains('@') {
        return server.into();
    }
    let scheme = ["redis://", "rediss://", "unix://"]
        .into_iter()
        .find(|scheme| server.starts_with(scheme));
    format!("{}… (may hold a password)", scheme.unwrap_or_default()).into()
}

fn is_url(server: &str) -> bool {
    server.contains("://")
}

fn misfit(server: &str, fault: &str) -> Misfit {
    Misfit::new(
        "server",
        format!("is {}: {fault}; {FORMS}", shown(&redacted(server))),
    )
}

fn host_and_port(server: &str) -> Result<Target, Fault> {
    let (host, port) = match server.rsplit_once(':') {
        // Of an IPv6 address without brackets every colon is its own.
        _ if server.parse::<Ipv6Addr>().is_ok() => (server, PORT),
        Some((host, port)) if !port.ends_with(']') => (host, port_number(port)?),
        _ => (server, PORT),
    };
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    match bare.unwrap_or(host).parse::<Ipv6Addr>() {
        Ok(address) => Ok(tcp(address.to_string(), port, false)),
        Err(_) if host.starts_with('/') => Err("a path belongs into `sock`".into()),
        Err(_) => Ok(tcp(host_name(host)?, port, false)),
    }
}

fn from_url(text: &str) -> Result<Target, Fault> {
    let url = Url::parse(text)
        .map_err(|cause| format!("not a URL ({cause}; are user and password percent-encoded?)"))?;
    if url.fragment().is_some() {
        return Err("nothing may stand behind a #, and certificates are always verified".into());
    }
    match url.scheme() {
        "redis" => from_tcp_url(&url, false),
        "rediss" => from_tcp_url(&url, true),
        "unix" => from_unix_url(&url),
        _ => Err("an unknown scheme".into()),
    }
}

fn from_tcp_url(url: &Url, tls: bool) -> Result<Target, Fault> {
    if url.query().is_some() {
        return Err("nothing may stand behind a ?".into());
    }
    let host = match url.host() {
        Some(Host::Domain(name)) => host_name(name)?,
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => return Err("no host".into()),
    };
    let port = url.port().unwrap_or(PORT);
    if port == 0 {
        return Err("the port should be 1 to 65535".into());
    }
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(Target {
        username: given(percent_decoded(url.username())?),
        password: given(percent_decoded(url.password().unwrap_or_default())?).map(Into::into),
        database: match url.path().strip_prefix('/').unwrap_or_default() {
            "" => None,
            number => Some(database(number)?),
        },
        ..tcp(host, port, tls)
    })
}

fn from_unix_url(url: &Url) -> Result<Target, Fault> {
    if url.host_str().is_some_and(|host| !host.is_empty()) {
        return Err(
            "a unix URL has three slashes, no host and no user (for those are the keys \
             `username` and `password`)"
                .into(),
        );
    }
    let path = percent_decoded(url.path())?;
    if !path.starts_with('/') || path == "/" {
        return Err("no path".into());
    }
    let mut target = Target::new(Address::Unix(PathBuf::from(path)));
    for (name, value) in url.query_pairs() {
        match &*name {
            "db" => target.database = Some(database(&value)?),
            _ => return Err("behind the ? only db=… may stand".into()),
        }
    }
    Ok(target)
}

fn tcp(host: String, port: u16, tls: bool) -> Target {
    Target::new(Address::Tcp { host, port, tls })
}

fn host_name(name: &str) -> Result<String, Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if !name.is_empty() && name.chars().all(fits) {
        Ok(name.into())
    } else {
        Err("the host should be a name of A-Z a-z 0-9 . - _ or an IP address".into())
    }
}

fn port_number(text: &str) -> Result<u16, Fault> {
    let port = whole(text).and_then(|text| text.parse().ok());
    port.filter(|&port| port != 0)
        .ok_or_else(|| "the port should be 1 to 65535".into())
}

fn database(text: &str) -> Result<u32, Fault> {
    let number = whole(text).and_then(|text| text.parse().ok());
    number.ok_or_else(|| "the database should be a whole number".into())
}

/// The text if it is digits only: `parse` alone takes `+1` as well.
fn whole(text: &str) -> Option<&str> {
    text.bytes().all(|b| b.is_ascii_digit()).then_some(text)
}

/// A `%` without two hex digits stands for itself, as in browsers.
fn percent_decoded(text: &str) -> Result<String, Fault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let encoded = (*first == b'%').then(|| hex_pair(after)).flatten();
        bytes.push(encoded.unwrap_or(*first));
        rest = if encoded.is_some() {
            &after[2..]
        } else {
            after
        };
    }
    String::from_utf8(bytes).map_err(|_| "what is percent-encoded should be UTF-8".into())
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |index: usize| char::from(*bytes.get(index)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}
