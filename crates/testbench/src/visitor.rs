//! Asks applications on several ports with one cookie jar, as a browser does.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A visitor whose cookies hold for every port of a host; clones share them.
///
/// Its jar is a simple one: it minds names and values, and drops a cookie that was set empty.
/// Paths, domains, `Secure` and dates are for a real browser.
#[derive(Debug, Clone, Default)]
pub struct Visitor {
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
}

/// What an application has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The code, 200 when all is well.
    pub status: u16,
    /// The values of the `Set-Cookie` headers.
    pub cookies: Vec<String>,
    /// The body.
    pub text: String,
}

impl Visitor {
    /// What a GET answers, which must be a 200.
    pub async fn get(&self, address: SocketAddr, path: &str) -> String {
        ok(path, self.ask(address, "GET", path, &[]).await)
    }

    /// What a POST with this form answers, which must be a 200.
    pub async fn post(&self, address: SocketAddr, path: &str, form: &[(&str, &str)]) -> String {
        ok(path, self.ask(address, "POST", path, form).await)
    }

    /// Any answer; its cookies are taken.
    pub async fn ask(
        &self,
        address: SocketAddr,
        method: &str,
        path: &str,
        form: &[(&str, &str)],
    ) -> Answer {
        self.try_ask(address, method, path, form)
            .await
            .expect("the application answers")
    }

    /// The same of an application that may end meanwhile: an answer that was cut off is an error.
    pub async fn try_ask(
        &self,
        address: SocketAddr,
        method: &str,
        path: &str,
        form: &[(&str, &str)],
    ) -> io::Result<Answer> {
        let request = self.request(method, path, &encoded(form));
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = parse(&answer)?;
        for cookie in &answer.cookies {
            self.take(cookie);
        }
        Ok(answer)
    }

    /// The value of this cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar(|jar| jar.get(name).cloned())
    }

    /// Takes a cookie as if an application had set it.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.jar(|jar| jar.insert(name.to_owned(), value.to_owned()));
    }
}

impl Visitor {
    fn request(&self, method: &str, path: &str, body: &str) -> String {
        // The older protocol, so that the answer comes in one piece and ends the connection.
        let mut request = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n");
        let cookies = self.jar(|jar| {
            let pairs = jar.iter().map(|(name, value)| format!("{name}={value}"));
            pairs.collect::<Vec<_>>().join("; ")
        });
        if !cookies.is_empty() {
            request += &format!("Cookie: {cookies}\r\n");
        }
        if method == "POST" {
            request += "Content-Type: application/x-www-form-urlencoded\r\n";
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        request + "\r\n" + body
    }

    fn take(&self, cookie: &str) {
        let pair = cookie.split(';').next().unwrap_or_default();
        let (name, value) = pair.split_once('=').expect("a cookie has a name");
        if value.is_empty() {
            self.jar(|jar| jar.remove(name));
        } else {
            self.set_cookie(name, value);
        }
    }

    fn jar<T>(&self, look: impl FnOnce(&mut BTreeMap<String, String>) -> T) -> T {
        look(&mut self.cookies.lock().expect("no one panics with the jar"))
    }
}

fn ok(path: &str, answer: Answer) -> String {
    assert_eq!(answer.status, 200, "{path} answers {}", answer.text);
    answer.text
}

fn parse(answer: &[u8]) -> io::Result<Answer> {
    let cut_off = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, text) = answer.split_at(end.ok_or_else(cut_off)?);
    let (head, text) = (String::from_utf8_lossy(head), &text[4..]);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.and_then(|code| code.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(": "));
    let of = |wanted: &'static str| {
        let ours = headers.clone();
        let ours = ours.filter(move |(name, _)| name.eq_ignore_ascii_case(wanted));
        ours.map(|(_, value)| value.to_owned())
    };
    let length = of("content-length").next();
    if length.is_some_and(|length| length.parse() != Ok(text.len())) {
        return Err(cut_off());
    }
    Ok(Answer {
        status: status.expect("an answer begins with a status"),
        cookies: of("set-cookie").collect(),
        text: String::from_utf8_lossy(text).into_owned(),
    })
}

fn encoded(form: &[(&str, &str)]) -> String {
    let pairs = form
        .iter()
        .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            escaped.push(byte.into());
        } else {
            write!(escaped, "%{byte:02X}").expect("a string takes all");
        }
    }
    escaped
}
