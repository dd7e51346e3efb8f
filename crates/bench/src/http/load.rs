//! The visitors: connections that stay open, each with visitors of its own, so that it knows what
//! every answer must be.

use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::round::Timed;

/// What a client knows of its session.
#[derive(Debug, Clone, Default)]
pub(super) struct Visitor {
    /// As it stands in the request; empty where there are no sessions.
    cookie: String,
    /// What the counter stood at.
    visits: u64,
}

/// All visitors of one application, in shares that take one connection each.
pub(super) struct Visitors {
    port: u16,
    shares: Vec<Vec<Visitor>>,
    sessions: bool,
}

/// Which path is asked for, and what it does to the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Count,
    Read,
}

impl Page {
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Count => "/count",
            Self::Read => "/read",
        }
    }
}

impl Visitors {
    /// Visits the application for the first time with each, and a second time to see that it knows
    /// them again.
    pub(super) async fn introduce(
        port: u16,
        sessions: bool,
        connections: usize,
        count: usize,
    ) -> Self {
        let mut shares = Vec::new();
        for _ in 0..connections {
            let mut line = Line::open(port).await;
            let mut share = Vec::new();
            for _ in 0..count / connections {
                let mut visitor = Visitor::default();
                let first = line.ask(Page::Count, "").await;
                if sessions {
                    assert_eq!(first.number, 1);
                    visitor.cookie = first.cookie.expect("a new visitor gets a cookie");
                    let second = line.ask(Page::Count, &visitor.cookie).await;
                    assert_eq!(second.number, 2);
                    visitor.visits = 2;
                }
                share.push(visitor);
            }
            shares.push(share);
        }
        Self {
            port,
            shares,
            sessions,
        }
    }

    /// Visitors taken at random ask for this page, for so long.
    pub(super) async fn visit(&mut self, page: Page, length: Duration) -> Timed {
        let (port, sessions) = (self.port, self.sessions);
        let mut tasks = JoinSet::new();
        for mut share in self.shares.drain(..) {
            tasks.spawn(async move {
                let mut line = Line::open(port).await;
                let mut timed = Timed::default();
                let mut random = fastrand::Rng::new();
                let begun = Instant::now();
                while begun.elapsed() < length {
                    let nth = random.usize(..share.len());
                    let visitor = &mut share[nth];
                    let start = Instant::now();
                    let answer = line.ask(page, &visitor.cookie).await;
                    timed.record(start, 1);
                    if page == Page::Count {
                        visitor.visits += 1;
                    }
                    assert!(!sessions || answer.number == visitor.visits);
                }
                (share, timed)
            });
        }
        let mut all = Timed::default();
        while let Some(done) = tasks.join_next().await {
            let (share, timed) = done.expect("a visitor saw what it expected");
            self.shares.push(share);
            all.add(timed);
        }
        all
    }
}

struct Line(BufStream<TcpStream>);

struct Answer {
    number: u64,
    cookie: Option<String>,
}

impl Line {
    async fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await;
        let stream = stream.expect("the application listens");
        stream.set_nodelay(true).expect("a socket can do that");
        Self(BufStream::new(stream))
    }

    async fn ask(&mut self, page: Page, cookie: &str) -> Answer {
        let path = page.path();
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n");
        if !cookie.is_empty() {
            request.push_str("Cookie: ");
            request.push_str(cookie);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        let sent = self.0.write_all(request.as_bytes()).await;
        sent.expect("the application reads");
        self.0.flush().await.expect("the application reads");
        self.answer().await
    }

    async fn answer(&mut self) -> Answer {
        let mut line = String::with_capacity(128);
        let (mut length, mut cookie) = (0, None);
        self.line(&mut line).await;
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        loop {
            self.line(&mut line).await;
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
        let read = self.0.read_exact(&mut body).await;
        read.expect("the answer is as long as it says");
        let number = std::str::from_utf8(&body).ok();
        let number = number.and_then(|text| text.trim_end().parse().ok());
        Answer {
            number: number.expect("the answer is a number"),
            cookie,
        }
    }

    async fn line(&mut self, line: &mut String) {
        line.clear();
        let read = self.0.read_line(line).await;
        let read = read.expect("the application answers with text");
        assert_ne!(read, 0, "the application has closed the connection");
    }
}
