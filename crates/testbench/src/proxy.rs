//! A network that fails on demand, between a client and a [`RedisServer`].
//!
//! A fault about single requests is a [`Fault`]: `fault` chooses the request when it passes, `relay`
//! carries the fault out. What happens to all that passes, and to all connections, is `weather`.

mod fault;
mod relay;
mod weather;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use self::fault::{Order, Orders};
use self::relay::serve;
use self::weather::Sky;
use crate::{Dice, RedisServer};

pub use self::fault::Fault;

/// Listens on a free loopback port and forwards to a server, until dropped.
///
/// Each client connection has its own to the server. Faults can be set at any time, and hold for
/// the connections that are there already.
pub struct Proxy {
    address: SocketAddr,
    network: Arc<Network>,
    accepting: JoinHandle<()>,
}

/// What all connections share.
#[derive(Default)]
struct Network {
    sky: Sky,
    orders: Orders,
}

impl Proxy {
    /// A faultless network in front of the server. It stays when the server restarts.
    pub async fn to(server: &RedisServer) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a loopback port is free");
        let address = listener.local_addr().expect("the listener has an address");
        let network = Arc::new(Network::default());
        let accepting = accept(listener, server.sock().to_owned(), Arc::clone(&network));
        Proxy {
            address,
            network,
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
        self.disturb(Fault::LoseReply, predicate, times);
    }

    /// How many replies were lost so far.
    pub fn lost_replies(&self) -> usize {
        self.hits()
    }

    /// Has this happen to the next so many requests that the predicate picks, whatever was asked for
    /// before.
    pub fn disturb(
        &self,
        fault: Fault,
        predicate: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
        times: usize,
    ) {
        self.network.orders.put(Order {
            fault,
            predicate: Box::new(predicate),
            left: times,
            closes: false,
        });
    }

    /// Has this happen once, and takes no connection any more from then on, until
    /// [`refuse(false)`](Self::refuse).
    pub fn disturb_and_close(
        &self,
        fault: Fault,
        predicate: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
    ) {
        self.network.orders.put(Order {
            fault,
            predicate: Box::new(predicate),
            left: 1,
            closes: true,
        });
    }

    /// How many faults of single requests have happened so far.
    pub fn hits(&self) -> usize {
        self.network.orders.hits.load(Ordering::SeqCst)
    }

    /// Measures the requests that the predicate picks, instead of those asked for before.
    pub fn watch(&self, predicate: impl Fn(&[u8]) -> bool + Send + Sync + 'static) {
        self.network.orders.watch(Box::new(predicate));
    }

    /// The bytes of the last request that was [watched](Self::watch), and those that have come back
    /// to its connection until the next request. `None`: there was none.
    pub fn lengths(&self) -> Option<(usize, usize)> {
        self.network.orders.lengths()
    }
}

/// What happens to everything that passes.
impl Proxy {
    /// Whether nothing passes, in both directions. Connections are accepted and stay; what is held
    /// back passes when the hole closes, as after a cut cable.
    pub fn black_hole(&self, on: bool) {
        self.network.sky.change(|now| now.black_hole = on);
    }

    /// Whether connections, old and new, are closed at once.
    pub fn refuse(&self, on: bool) {
        self.network.sky.change(|now| now.refuse = on);
    }

    /// Holds each piece of a reply back for this long; zero to end that.
    pub fn delay(&self, delay: Duration) {
        self.network.sky.change(|now| now.delay = delay);
    }

    /// Whether bytes pass one at a time, in both directions.
    pub fn chop(&self, on: bool) {
        self.network.sky.change(|now| now.chop = on);
    }

    /// Whether each piece passes in parts of a length that chance decides, in both directions.
    pub fn split(&self, on: bool) {
        self.network.sky.change(|now| now.split = on);
    }

    /// Holds each piece back for some time below this, in both directions; zero to end that.
    pub fn jitter(&self, up_to: Duration) {
        self.network.sky.change(|now| now.jitter = up_to);
    }

    /// Holds one piece in so many up for so long, in both directions; `None` to end that.
    pub fn stall(&self, stall: Option<(u64, Duration)>) {
        self.network.sky.change(|now| now.stall = stall);
    }

    /// What jitter and stalls follow; without it, the seed 0.
    pub fn seed(&self, seed: u64) {
        *self.network.sky.dice() = Dice::new(seed);
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

async fn accept(listener: TcpListener, server: PathBuf, network: Arc<Network>) {
    // Ends all connections when this task is ended.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((client, _)) = accepted {
                let network = Arc::clone(&network);
                let server = server.clone();
                connections.spawn(async move { serve(client, server, &network).await });
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
