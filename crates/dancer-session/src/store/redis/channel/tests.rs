use std::future::Future as _;
use std::io;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::task::Context;
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex,
};
use tokio::net::UnixStream;
use tokio::runtime::Handle;
use tokio::task::yield_now;

use super::*;

pub(super) const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

fn channel() -> (Channel, DuplexStream) {
    let (ours, theirs) = duplex(64 * 1024);
    (Channel::over(Stream::Layered(Box::pin(ours)), None), theirs)
}

pub(super) fn later() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[tokio::test]
async fn r34_a_reply_before_its_command_is_nobodys() {
    for commands in [1, 2] {
        let (channel, mut server) = channel();
        server.write_all(b"+OK\r\n").await.unwrap();
        let sent = (0..commands).map(|_| channel.send(PING, later()));
        for reply in join_all(sent).await {
            assert!(matches!(reply, Err(Fault::NeverLeft(_))), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn r34_a_second_reply_to_a_command_is_nobodys() {
    let (channel, mut server) = channel();
    let answer = async {
        server.read_exact(&mut [0; PING.len()]).await.unwrap();
        server.write_all(b"+OK\r\n:1\r\n").await.unwrap();
    };
    let (first, ()) = tokio::join!(channel.send(PING, later()), answer);
    assert!(matches!(first, Ok(Value::Okay)), "{first:?}");
    let next = channel.send(PING, later()).await;
    assert!(matches!(next, Err(Fault::NeverLeft(_))), "{next:?}");
}

/// What nobody has sent yet when the server has gone is sent to nobody.
#[tokio::test]
async fn r36_nothing_leaves_for_a_server_that_has_gone() {
    for commands in [1, 2] {
        let (channel, server) = channel();
        yield_now().await;
        drop(server);
        let sent = (0..commands).map(|_| channel.send(PING, later()));
        for reply in join_all(sent).await {
            assert!(matches!(reply, Err(Fault::NeverLeft(_))), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn r36_what_left_is_told_from_what_did_not() {
    let (channel, mut server) = channel();
    let sent = tokio::spawn({
        let channel = channel.clone();
        async move { channel.send(PING, later()).await }
    });
    let mut command = [0; 14];
    server.read_exact(&mut command).await.unwrap();
    assert_eq!(command, *PING);
    drop(server);
    assert!(matches!(sent.await.unwrap(), Err(Fault::Broken(_))));
    let unsent = channel.send(PING, later()).await;
    assert!(matches!(unsent, Err(Fault::NeverLeft(_))), "{unsent:?}");
}

/// A reply that is late goes to nobody, and the next one to whom it belongs.
#[tokio::test]
async fn r34_a_late_reply_reaches_nobody_else() {
    let (channel, mut server) = channel();
    let soon = Instant::now() + Duration::from_millis(20);
    assert!(matches!(channel.send(PING, soon).await, Err(Fault::Silent)));
    server.write_all(b"+late\r\n").await.unwrap();
    let next = tokio::spawn(async move { channel.send(PING, later()).await });
    let mut commands = [0; 28];
    server.read_exact(&mut commands).await.unwrap();
    server.write_all(b":1\r\n").await.unwrap();
    assert!(matches!(next.await.unwrap(), Ok(Value::Int(1))));
}

#[tokio::test]
async fn what_is_sent_together_leaves_together_and_in_order() {
    let (channel, mut server) = channel();
    let sent: Vec<_> = (0..100)
        .map(|n| {
            let channel = channel.clone();
            let command = format!("{n:04}");
            tokio::spawn(async move { channel.send(command.as_bytes(), later()).await })
        })
        .collect();
    let mut all = vec![0; 1000];
    let read = server.read(&mut all).await.unwrap();
    let expected: String = (0..100).map(|n| format!("{n:04}")).collect();
    assert_eq!(&all[..read], expected.as_bytes(), "in one write");
    let replies: String = (0..100).map(|n| format!(":{n}\r\n")).collect();
    server.write_all(replies.as_bytes()).await.unwrap();
    for (n, reply) in sent.into_iter().enumerate() {
        let reply = reply.await.unwrap();
        assert!(matches!(reply, Ok(Value::Int(found)) if found == n as i64));
    }
}

/// Notes how much leaves with each call.
pub(super) struct Noted {
    pub(super) stream: DuplexStream,
    pub(super) writes: Arc<Mutex<Vec<usize>>>,
}

impl AsyncRead for Noted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Noted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.lock().unwrap().push(bytes.len());
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The server works on what has been said already, while others still have something to say.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn much_leaves_before_all_have_had_their_turn() {
    const TASKS: usize = 100;
    let (stream, mut server) = duplex(64 * 1024);
    let writes = Arc::new(Mutex::new(Vec::new()));
    let noted = Noted {
        stream,
        writes: Arc::clone(&writes),
    };
    let channel = Channel::over(Stream::Layered(Box::pin(noted)), None);
    // All of them stand in line before the first one runs.
    let sent = tokio::spawn(async move {
        let one = |_| {
            let channel = channel.clone();
            tokio::spawn(async move { channel.send([b'x'; 100].as_slice(), later()).await })
        };
        (0..TASKS).map(one).collect::<Vec<_>>()
    });
    let sent = sent.await.unwrap();
    let mut all = vec![0; 100 * TASKS];
    server.read_exact(&mut all).await.unwrap();
    server.write_all(&b":1\r\n".repeat(TASKS)).await.unwrap();
    for reply in sent {
        assert!(matches!(reply.await.unwrap(), Ok(Value::Int(1))));
    }
    let writes = writes.lock().unwrap();
    // Neither all at once nor each by itself: ten times more than `ENOUGH`, and a few when nobody else
    // was ready.
    assert!((4..=20).contains(&writes.len()), "{writes:?}");
}

/// Also one that comes when nobody looks for it any more, in a piece or in two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_may_take_its_time() {
    let (ours, mut server) = StdUnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let ours = UnixStream::from_std(ours).unwrap();
    let channel = Channel::over(Stream::Unix(ours), None);
    thread::spawn(move || {
        let late = || thread::sleep(Duration::from_millis(5));
        let mut command = [0; PING.len()];
        for n in 0.. {
            if server.read_exact(&mut command).is_err() {
                return;
            }
            let at = [0, 3, 7][n % 3];
            if n % 2 == 1 {
                late();
            }
            server.write_all(&b"+PONG\r\n"[..at]).unwrap();
            if n % 4 == 1 {
                late();
            }
            server.write_all(&b"+PONG\r\n"[at..]).unwrap();
        }
    });
    for _ in 0..200 {
        assert!(channel.send(PING, later()).await.is_ok());
    }
}

#[tokio::test]
async fn its_tasks_end_with_it() {
    let (channel, server) = channel();
    let alive = || Handle::current().metrics().num_alive_tasks();
    assert!(alive() > 0);
    drop(channel);
    for _ in 0..10 {
        yield_now().await;
    }
    assert_eq!(alive(), 0, "nobody has it any more");

    drop(server);

    let (channel, server) = self::channel();
    drop(server);
    for _ in 0..10 {
        yield_now().await;
    }
    assert_eq!(alive(), 0, "the server has closed it");
    drop(channel);
}

/// Also with commands that nobody waits for any more, before the driver has seen them.
#[tokio::test]
async fn its_tasks_end_though_something_was_sent() {
    let (channel, _server) = channel();
    {
        let both = async { tokio::join!(channel.send(PING, later()), channel.send(PING, later())) };
        let mut both = std::pin::pin!(both);
        let polled = poll_fn(|context| Poll::Ready(both.as_mut().poll(context))).await;
        assert!(polled.is_pending());
    }
    drop(channel);
    for _ in 0..10 {
        yield_now().await;
    }
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}

/// A server that answers, but never in time, is as good as one that says nothing.
#[tokio::test]
async fn r32_what_comes_too_late_is_not_heard() {
    let (channel, mut server) = channel();
    let made = channel.heard();
    let soon = Instant::now() + Duration::from_millis(20);
    assert!(matches!(channel.send(PING, soon).await, Err(Fault::Silent)));
    server.write_all(b"+late\r\n").await.unwrap();
    // The late one has been read when the next one has left.
    let next = tokio::spawn({
        let channel = channel.clone();
        async move { channel.send(PING, later()).await }
    });
    let mut commands = [0; 28];
    server.read_exact(&mut commands).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(channel.heard(), made);
    server.write_all(b"+PONG\r\n").await.unwrap();
    assert!(next.await.unwrap().is_ok());
    assert!(channel.heard() > made);
}
