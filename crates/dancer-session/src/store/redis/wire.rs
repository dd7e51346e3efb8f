//! The bytes to a server and back, for who waits for them in the calling thread; each call has a
//! deadline. (With TLS it is each call of the socket's that has it, of which TLS may make several.) The one for many tasks is [`stream`](super::stream).
//!
//! To sleep until a reply comes, and to be woken for it, takes longer than a server nearby needs for
//! the reply. So who reads looks for a moment whether it is there, and lets others have the core in
//! between; only then it sleeps. Where that has been in vain, it sleeps at once, and looks only now
//! and then whether the server has come nearer.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use redis::{ConnectionAddr, ErrorKind, RedisResult};
use rustls::{ClientConnection, StreamOwned};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::looks::Looks;
use super::stream;

/// For so long a reply is looked for: what being woken would cost.
const MOMENT: Duration = Duration::from_micros(20);

/// A connection's bytes.
pub(super) struct Wire {
    stream: Stream,
    /// Whether the kernel lets us sleep until there is something; else it says that there is nothing.
    sleeps: bool,
    /// How long such a sleep may take; asking for another time costs a call of the kernel.
    patience: Duration,
    looks: Looks,
}

/// Those of the standard library: a server that has gone is an error to its TCP streams, and to its Unix
/// streams since Rust 1.89, and no signal, which would end a program in Perl. TLS writes by another
/// call: with it a program should ignore SIGPIPE.
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    /// Connects; looking up the name of a host takes as long as it takes.
    pub(super) fn open(addr: &ConnectionAddr, by: Instant) -> RedisResult<Self> {
        let stream = match addr {
            ConnectionAddr::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
            ConnectionAddr::Tcp(host, port) => Stream::Tcp(tcp(host, *port, by)?),
            ConnectionAddr::TcpTls { host, port, .. } => {
                let (name, trusted) = stream::tls(host)?;
                let socket = tcp(host, *port, by)?;
                let tls =
                    ClientConnection::new(Arc::new(trusted), name).map_err(io::Error::other)?;
                Stream::Tls(Box::new(StreamOwned::new(tls, socket)))
            }
            _ => return Err((ErrorKind::InvalidClientConfig, "an address of another kind").into()),
        };
        Ok(Self::over(stream))
    }

    /// Takes over a stream whose calls sleep, as they do at first.
    fn over(stream: Stream) -> Self {
        Self {
            stream,
            sleeps: true,
            patience: Duration::ZERO,
            looks: Looks::default(),
        }
    }

    /// Reads what there is, and waits for it until `by`; 0: the server has closed the connection.
    pub(super) fn read(&mut self, room: &mut [u8], by: Instant) -> io::Result<usize> {
        if self.looks.are_due() {
            self.let_sleep(false)?;
            let found = self.look(room, by)?;
            self.looks.learn(found.is_some());
            if let Some(read) = found {
                return Ok(read);
            }
        }
        self.let_sleep(true)?;
        self.patiently(by, |stream| stream.both().read(room))
    }

    /// Looks for a moment whether something comes.
    fn look(&mut self, room: &mut [u8], by: Instant) -> io::Result<Option<usize>> {
        let begun = Instant::now();
        if begun >= by {
            return Err(no_reply());
        }
        loop {
            match self.stream.both().read(room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if begun.elapsed() >= MOMENT {
                        return Ok(None);
                    }
                    // Perhaps to the server.
                    thread::yield_now();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map(Some),
            }
        }
    }

    /// Writes all of it. When this returns, it has left the process.
    pub(super) fn write(&mut self, mut bytes: &[u8], by: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.if_possible_at_once(by, |stream| stream.both().write(bytes))? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => bytes = &bytes[written..],
            }
        }
        match self.stream {
            Stream::Unix(_) | Stream::Tcp(_) => Ok(()),
            // Of what it has taken it may have kept some.
            Stream::Tls(_) => self.if_possible_at_once(by, |stream| stream.both().flush()),
        }
    }

    fn if_possible_at_once<T>(
        &mut self,
        by: Instant,
        mut call: impl FnMut(&mut Stream) -> io::Result<T>,
    ) -> io::Result<T> {
        if !self.sleeps {
            // Whether it is too late already, who reads the reply finds out.
            match call(&mut self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.let_sleep(true)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => self.let_sleep(true)?,
                done => return done,
            }
        }
        self.patiently(by, call)
    }

    /// Makes a call that may sleep until `by`, or a little longer.
    fn patiently<T>(
        &mut self,
        by: Instant,
        mut call: impl FnMut(&mut Stream) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            self.be_patient(by)?;
            match call(&mut self.stream) {
                // The kernel says of a time that has run out that it would have to wait.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(no_reply()),
                // A signal came, which Perl handles later.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn be_patient(&mut self, by: Instant) -> io::Result<()> {
        let left = left(by)?;
        if left < self.patience * 7 / 8 || left > self.patience * 9 / 8 {
            self.stream.set_patience(left)?;
            self.patience = left;
        }
        Ok(())
    }

    fn let_sleep(&mut self, sleeps: bool) -> io::Result<()> {
        if self.sleeps != sleeps {
            self.stream.let_sleep(sleeps)?;
            self.sleeps = sleeps;
        }
        Ok(())
    }
}

/// Connects to the first of a name's addresses that answers.
fn tcp(host: &str, port: u16, by: Instant) -> io::Result<TcpStream> {
    let mut last = None;
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(by)?) {
            Ok(stream) => {
                // Each command leaves as soon as it is there.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("the name has no address")))
}

trait ReadWrite: Read + Write {}
impl<S: Read + Write> ReadWrite for S {}

impl Stream {
    fn both(&mut self) -> &mut dyn ReadWrite {
        match self {
            Self::Unix(stream) => stream,
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => stream,
        }
    }

    fn set_patience(&self, time: Duration) -> io::Result<()> {
        let time = Some(time);
        let tcp = match self {
            Self::Unix(stream) => {
                stream.set_read_timeout(time)?;
                return stream.set_write_timeout(time);
            }
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => stream.get_ref(),
        };
        tcp.set_read_timeout(time)?;
        tcp.set_write_timeout(time)
    }

    fn let_sleep(&self, sleeps: bool) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_nonblocking(!sleeps),
            Self::Tcp(stream) => stream.set_nonblocking(!sleeps),
            Self::Tls(stream) => stream.get_ref().set_nonblocking(!sleeps),
        }
    }
}

/// The time until `by`, which must not have passed.
fn left(by: Instant) -> io::Result<Duration> {
    let left = by.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(no_reply()),
        false => Ok(left),
    }
}

pub(super) fn no_reply() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no reply in time")
}

/// The same for who expects to be told when to come again, which is never needed.
pub(super) struct AsIfAsync {
    pub(super) wire: Wire,
    pub(super) by: Instant,
}

impl AsyncRead for AsIfAsync {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let by = self.by;
        let read = self.wire.read(buffer.initialize_unfilled(), by);
        Poll::Ready(read.map(|read| buffer.advance(read)))
    }
}

impl AsyncWrite for AsIfAsync {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let by = self.by;
        let written = self.wire.write(bytes, by);
        Poll::Ready(written.map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
impl From<UnixStream> for Wire {
    fn from(stream: UnixStream) -> Self {
        Self::over(Stream::Unix(stream))
    }
}
