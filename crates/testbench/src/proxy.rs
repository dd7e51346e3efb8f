//! A network that fails on demand, between a client and a [`RedisServer`].
//!
//! A fault about single requests is a [`Fate`]: [`Faults::judge`] chooses it when the request
//! passes, [`Relay::carry_replies`] carries it out when the reply comes. A new fault of that kind
//! is a new variant. A fault of the whole network is a field of [`Weather`].

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::RedisServer;

/// Listens on a free loopback port and forwards to a server, until dropped.
///
/// Each client connection has its own to the server. Faults can be set at any time, and hold for
/// the connections that are there already.
pub struct Proxy {
    address: SocketAddr,
    faults: Arc<Faults>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A faultless network in front of the server. It stays when the server restarts.
    pub async fn to(server: &RedisServer) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a loopback port is free");
        let address = listener.local_addr().expect("the listener has an address");
        let faults = Arc::new(Faults::default());
        let accepting = accept(listener, server.sock().to_owned(), Arc::clone(&faults));
        Proxy {
            address,
            faults,
            accepting: tokio::spawn(accepting),
        }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a `redis://` address.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Loses the replies to the next so many requests that the predicate picks, whatever was asked
    /// for before: such a request reaches the server, which acts on it, but when the reply comes it
    /// is thrown away and the connection is closed.
    ///
    /// The predicate sees the bytes as they arrive, usually one request or one pipeline at a time.
    /// Replies to earlier requests of a pipeline are lost with it.
    pub fn lose_replies(
        &self,
        predicate: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
        times: usize,
    ) {
        *self.faults.losing() = Some(Losing {
            predicate: Box::new(predicate),
            left: times,
        });
    }

    /// How many replies were lost so far.
    pub fn lost_replies(&self) -> usize {
        self.faults.lost.load(Ordering::SeqCst)
    }

    /// Whether nothing passes, in both directions. Connections are accepted and stay; what is held
    /// back passes when the hole closes, as after a cut cable.
    pub fn black_hole(&self, on: bool) {
        self.faults.weather.send_modify(|now| now.black_hole = on);
    }

    /// Whether connections, old and new, are closed at once.
    pub fn refuse(&self, on: bool) {
        self.faults.weather.send_modify(|now| now.refuse = on);
    }

    /// Holds each piece of a reply back for this long; zero to end that.
    pub fn delay(&self, delay: Duration) {
        self.faults.weather.send_modify(|now| now.delay = delay);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Proxy { address, .. } = self;
        f.debug_tuple("Proxy").field(address).finish()
    }
}

#[derive(Default)]
struct Faults {
    weather: watch::Sender<Weather>,
    losing: Mutex<Option<Losing>>,
    lost: AtomicUsize,
}

/// What the whole network is like at the moment.
#[derive(Default)]
struct Weather {
    refuse: bool,
    black_hole: bool,
    delay: Duration,
}

struct Losing {
    predicate: Box<Predicate>,
    left: usize,
}

type Predicate = dyn Fn(&[u8]) -> bool + Send + Sync;

/// What will happen to the next reply on a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Deliver,
    Lose,
}

impl Faults {
    fn losing(&self) -> MutexGuard<'_, Option<Losing>> {
        self.losing.lock().expect("no predicate has panicked")
    }

    fn judge(&self, request: &[u8]) -> Fate {
        match self.losing().as_mut() {
            Some(losing) if losing.left > 0 && (losing.predicate)(request) => {
                losing.left -= 1;
                Fate::Lose
            }
            _ => Fate::Deliver,
        }
    }

    /// Waits for weather of this kind.
    async fn wait_for(&self, wanted: fn(&Weather) -> bool) {
        let mut weather = self.weather.subscribe();
        let seen = weather.wait_for(wanted).await;
        seen.expect("the sender is in `self`");
    }
}

async fn accept(listener: TcpListener, server: PathBuf, faults: Arc<Faults>) {
    // Ends all connections when this task is ended.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                let faults = Arc::clone(&faults);
                let server = server.clone();
                connections.spawn(async move { serve(client, server, &faults).await });
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection; both sides are closed at the end, whatever the reason.
async fn serve(mut client: TcpStream, server: PathBuf, faults: &Faults) {
    tokio::select! {
        biased;
        () = faults.wait_for(|now| now.refuse) => {}
        _ = relay(&mut client, server, faults) => {}
    }
}

async fn relay(client: &mut TcpStream, server: PathBuf, faults: &Faults) -> io::Result<()> {
    let mut server = UnixStream::connect(server).await?;
    client.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let relay = Relay {
        faults,
        next_reply: Mutex::new(Fate::Deliver),
    };
    tokio::select! {
        end = relay.carry_requests(from_client, to_server) => end,
        end = relay.carry_replies(from_server, to_client) => end,
    }
}

/// The two directions of one connection.
struct Relay<'a> {
    faults: &'a Faults,
    next_reply: Mutex<Fate>,
}

impl Relay<'_> {
    async fn carry_requests(
        &self,
        mut client: impl AsyncRead + Unpin,
        mut server: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let mut buffer = vec![0; PIECE];
        loop {
            let request = receive(&mut client, &mut buffer).await?;
            self.faults.wait_for(|now| !now.black_hole).await;
            let fate = self.faults.judge(request);
            if fate != Fate::Deliver {
                *self.next_reply() = fate;
            }
            server.write_all(request).await?;
        }
    }

    async fn carry_replies(
        &self,
        mut server: impl AsyncRead + Unpin,
        mut client: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let mut buffer = vec![0; PIECE];
        loop {
            let reply = receive(&mut server, &mut buffer).await?;
            let delay = self.faults.weather.borrow().delay;
            sleep(delay).await;
            self.faults.wait_for(|now| !now.black_hole).await;
            let fate = *self.next_reply();
            match fate {
                Fate::Deliver => client.write_all(reply).await?,
                Fate::Lose => {
                    self.faults.lost.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
            }
        }
    }

    fn next_reply(&self) -> MutexGuard<'_, Fate> {
        self.next_reply.lock().expect("no one panics with the fate")
    }
}

/// The next bytes that come, or an error when there will be none.
async fn receive(mut from: impl AsyncRead + Unpin, buffer: &mut [u8]) -> io::Result<&[u8]> {
    match from.read(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        length => Ok(&buffer[..length]),
    }
}

/// Enough to see an ordinary request whole.
const PIECE: usize = 64 * 1024;
