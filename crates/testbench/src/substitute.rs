//! A server that answers some commands itself, as a test wants, and lets a real one answer the rest.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::RedisServer;

/// Listens on a free loopback port until dropped; understands one command at a time on each
/// connection, also those of a pipeline.
pub struct Substitute {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What becomes of one command.
#[derive(Debug, Clone)]
pub enum Say {
    /// The real server carries it out and answers.
    Pass,
    /// This, without its `\r\n`, and the real server hears nothing of it.
    Line(String),
    /// The real server carries out this command in its place, and its answer is given.
    Instead(Vec<String>),
    /// The same, but the answer is lost, and the connection with it.
    Lost(Vec<String>),
    /// Nothing, and the connection is closed.
    HangUp,
    /// Nothing, now and later: the connection stays, and is not listened to any more.
    Nothing,
    /// The real server's answer, after so long; what comes behind it waits.
    After(Duration),
}

type Rule = dyn Fn(&[String]) -> Say + Send + Sync;

struct Shared {
    server: PathBuf,
    rule: Mutex<Arc<Rule>>,
    connections: AtomicUsize,
    asked: Mutex<Vec<String>>,
}

impl Substitute {
    /// In the place of this server, and for the time being not different from it.
    pub async fn of(server: &RedisServer) -> Substitute {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a loopback port is free");
        let address = listener.local_addr().expect("the listener has an address");
        let shared = Arc::new(Shared {
            server: server.sock().to_owned(),
            rule: Mutex::new(Arc::new(|_: &[String]| Say::Pass)),
            connections: AtomicUsize::new(0),
            asked: Mutex::default(),
        });
        Substitute {
            address,
            accepting: tokio::spawn(accept(listener, Arc::clone(&shared))),
            shared,
        }
    }

    /// Its `redis://` address.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// From now on this says what becomes of each command, on all connections. It sees the words of
    /// the command; bytes that are no text are replaced.
    pub fn rule(&self, rule: impl Fn(&[String]) -> Say + Send + Sync + 'static) {
        *self.shared.rule.lock().expect("no rule has panicked") = Arc::new(rule);
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The first words of all commands since the last call, but for those that every new connection
    /// begins with (`CLIENT`, `PING`, `HELLO`).
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.asked())
    }
}

impl Drop for Substitute {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for Substitute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Substitute").field(&self.address).finish()
    }
}

impl Shared {
    fn asked(&self) -> MutexGuard<'_, Vec<String>> {
        self.asked.lock().expect("no one panics with the words")
    }

    fn judge(&self, command: &[String]) -> Say {
        let word = &command[0];
        if !["CLIENT", "PING", "HELLO"].contains(&&**word) {
            self.asked().push(word.clone());
        }
        let rule = Arc::clone(&self.rule.lock().expect("no rule has panicked"));
        rule(command)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Ends all connections when this task is ended.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&shared);
                connections.spawn(async move { serve(client, &shared).await });
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(client: TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = BufReader::new(client);
    let mut server = BufReader::new(UnixStream::connect(&shared.server).await?);
    loop {
        let mut request = frame(&mut client).await?;
        let said = shared.judge(&words(&request));
        let lost = matches!(said, Say::Lost(_));
        match said {
            Say::Line(line) => {
                let line = format!("{line}\r\n");
                client.get_mut().write_all(line.as_bytes()).await?;
                continue;
            }
            Say::HangUp => return Ok(()),
            Say::Nothing => std::future::pending().await,
            Say::After(delay) => sleep(delay).await,
            Say::Instead(words) | Say::Lost(words) => request = packed(&words),
            Say::Pass => {}
        }
        server.get_mut().write_all(&request).await?;
        let reply = frame(&mut server).await?;
        if lost {
            return Ok(());
        }
        client.get_mut().write_all(&reply).await?;
    }
}

/// One request or reply, byte for byte.
async fn frame(from: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut parts = 1_usize;
    while parts > 0 {
        parts -= 1;
        let begun = bytes.len();
        if from.read_until(b'\n', &mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&bytes[begun..])
            .trim_end()
            .to_owned();
        let length = line
            .get(1..)
            .and_then(|length| length.parse::<usize>().ok());
        match (line.chars().next(), length) {
            (Some('*'), Some(more)) => parts += more,
            (Some('$'), Some(length)) => {
                let at = bytes.len();
                bytes.resize(at + length + 2, 0);
                from.read_exact(&mut bytes[at..]).await?;
            }
            _ => {}
        }
    }
    Ok(bytes)
}

fn packed(words: &[String]) -> Vec<u8> {
    let head = format!("*{}\r\n", words.len());
    let words = words.iter();
    let text = words.fold(head, |text, word| {
        text + &format!("${}\r\n{word}\r\n", word.len())
    });
    text.into_bytes()
}

/// The words of a request: every second line of it, unless a word has lines of its own.
fn words(request: &[u8]) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = request;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&rest[..end]).trim_end().to_owned();
        rest = &rest[end + 1..];
        if let Some(length) = line.strip_prefix('$').and_then(|text| text.parse().ok()) {
            let (word, after) = rest.split_at(length);
            words.push(String::from_utf8_lossy(word).into_owned());
            rest = &after[2..];
        }
    }
    words
}
