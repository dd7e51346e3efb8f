//! One connection through the proxy, in both directions.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::sleep;

use super::Network;
use super::fault::{Fate, Fault};

/// One connection; both sides are closed at the end, whatever the reason.
pub(super) async fn serve(mut client: TcpStream, server: PathBuf, network: &Network) {
    tokio::select! {
        biased;
        () = network.sky.wait_for(|now| now.refuse) => {}
        _ = relay(&mut client, server, network) => {}
    }
}

async fn relay(client: &mut TcpStream, server: PathBuf, network: &Network) -> io::Result<()> {
    let mut server = UnixStream::connect(server).await?;
    client.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let relay = Relay {
        network,
        reply: Mutex::default(),
    };
    tokio::select! {
        end = relay.carry_requests(from_client, to_server) => end,
        end = relay.carry_replies(from_server, to_client) => end,
    }
}

/// The two directions of one connection.
struct Relay<'a> {
    network: &'a Network,
    reply: Mutex<Reply>,
}

/// The reply that comes next.
#[derive(Default)]
struct Reply {
    fate: Option<Fate>,
    watched: bool,
    /// How much of it has passed.
    passed: usize,
}

impl Relay<'_> {
    async fn carry_requests(
        &self,
        mut client: impl AsyncRead + Unpin,
        mut server: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let Network { sky, orders } = self.network;
        let mut buffer = vec![0; PIECE];
        loop {
            let request = receive(&mut client, &mut buffer).await?;
            sky.travel().await;
            let fate = orders.judge(request);
            if let Some(fate) = fate
                && let Fault::CutRequest(length) = fate.fault
            {
                sky.write(&mut server, &request[..length]).await?;
                return self.cut(fate);
            }
            {
                let mut reply = self.reply();
                reply.watched = orders.note(request);
                if fate.is_some() {
                    (reply.fate, reply.passed) = (fate, 0);
                }
            }
            sky.write(&mut server, request).await?;
        }
    }

    async fn carry_replies(
        &self,
        mut server: impl AsyncRead + Unpin,
        mut client: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let sky = &self.network.sky;
        let mut buffer = vec![0; PIECE];
        loop {
            let piece = receive(&mut server, &mut buffer).await?;
            let delay = sky.now().delay;
            // The timer has milliseconds: a sleep of none takes one.
            if !delay.is_zero() {
                sleep(delay).await;
            }
            sky.travel().await;
            if self.reply().watched {
                self.network.orders.note_reply(piece.len());
            }
            let Some(fate) = self.reply().fate else {
                sky.write(&mut client, piece).await?;
                continue;
            };
            match fate.fault {
                Fault::CutReply(length) => {
                    let left = length - self.reply().passed;
                    if left <= piece.len() {
                        sky.write(&mut client, &piece[..left]).await?;
                        return self.cut(fate);
                    }
                    self.reply().passed += piece.len();
                    sky.write(&mut client, piece).await?;
                    continue;
                }
                Fault::LoseReply | Fault::CutRequest(_) => return self.cut(fate),
                Fault::Malform => {
                    sky.write(&mut client, &[&b"?"[..], &piece[1..]].concat())
                        .await?;
                }
                Fault::Duplicate => sky.write(&mut client, &piece.repeat(2)).await?,
                Fault::Extra(more) => sky.write(&mut client, &[piece, more].concat()).await?,
            }
            self.reply().fate = None;
            self.happened(fate);
        }
    }

    /// Ends the connection.
    fn cut(&self, fate: Fate) -> io::Result<()> {
        self.happened(fate);
        Ok(())
    }

    fn happened(&self, fate: Fate) {
        let Network { sky, orders } = self.network;
        if fate.closes {
            sky.change(|now| now.refuse = true);
        }
        orders.happened();
    }

    fn reply(&self) -> MutexGuard<'_, Reply> {
        self.reply.lock().expect("no one panics with the reply")
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
