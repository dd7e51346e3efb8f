//! A connection that stays open, over which one question is asked after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::Page;

pub(super) struct Line(BufReader<TcpStream>);

pub(super) struct Answer {
    pub(super) number: u64,
    pub(super) cookie: Option<String>,
}

impl Line {
    pub(super) fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port));
        let stream = stream.expect("the application listens");
        stream.set_nodelay(true).expect("a socket can do that");
        Self(BufReader::new(stream))
    }

    /// `cookie`: as it stands in the request; with an empty one the request has none.
    pub(super) fn ask(&mut self, page: Page, cookie: &str) -> Answer {
        let path = page.path();
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n");
        if !cookie.is_empty() {
            request.push_str("Cookie: ");
            request.push_str(cookie);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        let sent = self.0.get_mut().write_all(request.as_bytes());
        sent.expect("the application reads");
        self.answer()
    }

    fn answer(&mut self) -> Answer {
        let status = self.line();
        assert!(
            status.starts_with("HTTP/1.1 200"),
            "expected status 200, not {status}"
        );
        let (mut length, mut cookie) = (0, None);
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim_end().parse().expect("a length is a number");
            } else if name.eq_ignore_ascii_case("set-cookie") {
                let pair = value.split(';').next().unwrap_or_default();
                cookie = Some(pair.trim_end().to_owned());
            }
        }
        let mut body = vec![0; length];
        let read = self.0.read_exact(&mut body);
        read.expect("the answer is as long as it says");
        let number = std::str::from_utf8(&body).ok();
        let number = number.and_then(|text| text.trim_end().parse().ok());
        Answer {
            number: number.expect("the answer is a number"),
            cookie,
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::with_capacity(128);
        let read = self.0.read_line(&mut line);
        let read = read.expect("the application answers with text");
        assert_ne!(read, 0, "the application has closed the connection");
        line
    }
}
