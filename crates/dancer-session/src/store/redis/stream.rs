//! The stream of bytes to a server, logged in: TCP, TLS or a socket of the file system.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::future::select_ok;
use redis::aio::{AsyncStream, MultiplexedConnection};
use redis::{Client, ConnectionAddr, ErrorKind, RedisError, RedisResult};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_rustls::TlsConnector;

/// Bytes to a server and back.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// What comes over it is not yet what the server has said.
    Layered(Pin<Box<dyn AsyncStream + Send + Sync>>),
}

impl Stream {
    /// Whether [`read_at_once`](Self::read_at_once) can read anything.
    pub(super) fn reads_at_once(&self) -> bool {
        !matches!(self, Self::Layered(_))
    }

    /// Reads what has come by now, without the runtime: that asks the kernel when nothing else is ready, or
    /// after many tasks, and a task that gives way to let it do so makes it wake another thread.
    pub(super) fn read_at_once(&self, room: &mut [u8]) -> io::Result<usize> {
        let socket = match self {
            Self::Tcp(stream) => SockRef::from(stream),
            Self::Unix(stream) => SockRef::from(stream),
            Self::Layered(_) => return Err(io::ErrorKind::WouldBlock.into()),
        };
        Read::read(&mut &*socket, room)
    }

    fn inner(&mut self) -> Pin<&mut (dyn AsyncStream + Send + Sync)> {
        match self {
            Self::Tcp(stream) => Pin::new(stream) as Pin<&mut TcpStream>,
            Self::Unix(stream) => Pin::new(stream) as Pin<&mut UnixStream>,
            Self::Layered(stream) => stream.as_mut(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().inner().poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().inner().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().inner().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().inner().poll_shutdown(context)
    }
}

/// Connects to where a client would, and logs in as it would.
pub(super) async fn connect(client: &Client) -> RedisResult<Stream> {
    let stream = open(client.get_connection_info().addr()).await?;
    log_in(client, stream).await
}

/// Logs in over a stream. The library knows how one does; the stream is taken back when it has.
pub(super) async fn log_in<S>(client: &Client, stream: S) -> RedisResult<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let lent = Lent(Arc::new(Mutex::new(stream)));
    let settings = client.get_connection_info().redis_settings();
    let login = MultiplexedConnection::new(settings, Lent(Arc::clone(&lent.0)));
    drop(login.await?);
    let ours = Arc::into_inner(lent.0).ok_or_else(kept)?;
    Ok(ours.into_inner().unwrap_or_else(PoisonError::into_inner))
}

async fn open(addr: &ConnectionAddr) -> RedisResult<Stream> {
    match addr {
        ConnectionAddr::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
        ConnectionAddr::Tcp(host, port) => Ok(Stream::Tcp(tcp(host, *port).await?)),
        ConnectionAddr::TcpTls { host, port, .. } => {
            let (name, trusted) = tls(host)?;
            let plain = tcp(host, *port).await?;
            let tls = TlsConnector::from(Arc::new(trusted));
            let layered = tls.connect(name, plain).await?;
            Ok(Stream::Layered(Box::pin(layered)))
        }
        _ => Err((ErrorKind::InvalidClientConfig, "an address of another kind").into()),
    }
}

/// Connects to that of a name's addresses which answers first.
async fn tcp(host: &str, port: u16) -> RedisResult<TcpStream> {
    let addresses = lookup_host((host, port)).await?;
    let attempts = addresses.map(|address| Box::pin(TcpStream::connect(address)));
    let (stream, _slower) = select_ok(attempts).await?;
    // A batch of commands leaves as soon as it is there.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Who has to be there, and whom this machine trusts to say that it is.
pub(super) fn tls(host: &str) -> RedisResult<(ServerName<'static>, ClientConfig)> {
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    Ok((name.to_owned(), authorities()?))
}

fn authorities() -> RedisResult<ClientConfig> {
    let mut found = rustls_native_certs::load_native_certs();
    if let Some(error) = found.errors.pop() {
        return Err(io::Error::other(error).into());
    }
    let mut roots = RootCertStore::empty();
    for certificate in found.certs {
        roots.add(certificate).map_err(io::Error::other)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    Ok(config.with_no_client_auth())
}

fn kept() -> RedisError {
    (ErrorKind::Client, "the stream is still in use").into()
}

/// A stream that somebody else uses for a while.
struct Lent<S>(Arc<Mutex<S>>);

impl<S: Unpin> Lent<S> {
    fn with<T>(&self, f: impl FnOnce(Pin<&mut S>) -> T) -> T {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f(Pin::new(&mut *stream))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lent<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_read(context, buffer))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lent<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_flush(context))
    }

    /// Never: it is not theirs.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
