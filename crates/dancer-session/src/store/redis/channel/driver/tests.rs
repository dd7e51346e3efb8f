use std::io::Write as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::task::Waker;
use std::thread;

use tokio::io::{AsyncWriteExt as _, duplex};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::super::Channel;
use super::super::tests::{Noted, PING, later};
use super::*;
use crate::store::redis::fault::Fault;

/// A driver that nobody calls but the test; it can write at once.
async fn by_hand() -> (Driver, Channel, StdUnixStream) {
    let (ours, server) = StdUnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let ours = UnixStream::from_std(ours).unwrap();
    ours.writable().await.unwrap();
    let (channel, driver) = Channel::and_driver(Stream::Unix(ours), None);
    (driver, channel, server)
}

/// Also when it is left over after as many as are handed out at a time, and somebody has a command by then.
#[tokio::test]
async fn r34_one_reply_more_than_commands_is_nobodys() {
    let (stream, mut server) = duplex(1024);
    let (channel, mut driver) = Channel::and_driver(Stream::Layered(Box::pin(stream)), None);
    let context = &mut Context::from_waker(Waker::noop());
    let send = || {
        let (reply, answer) = oneshot::channel();
        channel.push(PING, later(), reply).unwrap();
        answer
    };
    let sent: [_; AT_ONCE] = std::array::from_fn(|_| send());
    assert!(Pin::new(&mut driver).poll(context).is_pending());
    let replies = b":1\r\n".repeat(AT_ONCE + 1);
    server.write_all(&replies).await.unwrap();
    assert!(Pin::new(&mut driver).poll(context).is_pending());
    for mut answer in sent {
        assert!(matches!(answer.try_recv(), Ok(Ok(Value::Int(1)))));
    }
    let mut next = [send(), send()];
    assert!(Pin::new(&mut driver).poll(context).is_ready());
    for answer in &mut next {
        let reply = answer.try_recv().unwrap();
        assert!(matches!(reply, Err(Fault::NeverLeft(_))), "{reply:?}");
    }
}

/// A server that has nothing to do gets at once what there is; while it is at work, others have their
/// turn first.
#[tokio::test]
async fn a_server_does_not_wait_for_work() {
    let (stream, mut server) = duplex(1024);
    let writes = Arc::new(Mutex::new(Vec::new()));
    let noted = Noted {
        stream,
        writes: Arc::clone(&writes),
    };
    let (channel, mut driver) = Channel::and_driver(Stream::Layered(Box::pin(noted)), None);
    let context = &mut Context::from_waker(Waker::noop());
    let mut sent = Vec::new();
    let mut send = |length| {
        let (reply, answer) = oneshot::channel();
        let command = vec![b'x'; length];
        channel.push(command.as_slice(), later(), reply).unwrap();
        sent.push(answer);
    };
    let left = || std::mem::take(&mut *writes.lock().unwrap());

    driver.alone = ALONE;
    send(1);
    send(2);
    assert!(Pin::new(&mut driver).poll(context).is_pending());
    assert_eq!(left(), [3]);
    assert_eq!(driver.alone, 0);

    send(4);
    assert!(Pin::new(&mut driver).poll(context).is_pending());
    assert!(left().is_empty(), "the server has work");
    send(8);
    assert!(Pin::new(&mut driver).poll(context).is_pending());
    assert_eq!(left(), [12], "it gives way once");

    server.write_all(&b":1\r\n".repeat(4)).await.unwrap();
    assert!(Pin::new(&mut driver).poll(context).is_pending());
    send(16);
    assert!(Pin::new(&mut driver).poll(context).is_pending());
    assert_eq!(left(), [16]);
    assert!(sent[..4].iter_mut().all(|answer| answer.try_recv().is_ok()));
}

/// Those who get them have something to send, perhaps, which the server can work on.
#[tokio::test]
async fn few_replies_are_handed_out_at_once() {
    let (stream, mut server) = duplex(1024);
    let (channel, mut driver) = Channel::and_driver(Stream::Layered(Box::pin(stream)), None);
    let context = &mut Context::from_waker(Waker::noop());
    let mut sent: Vec<_> = (0..2 * AT_ONCE + 1)
        .map(|_| {
            let (reply, answer) = oneshot::channel();
            channel.push(PING, later(), reply).unwrap();
            answer
        })
        .collect();
    assert!(Pin::new(&mut driver).poll(context).is_pending());
    let replies = b":1\r\n".repeat(sent.len());
    server.write_all(&replies).await.unwrap();
    for handed_out in [AT_ONCE, AT_ONCE, 1] {
        assert!(Pin::new(&mut driver).poll(context).is_pending());
        let mut got = sent.drain(..handed_out);
        assert!(got.all(|mut answer| answer.try_recv().is_ok()));
        drop(got);
        assert!(sent.iter_mut().all(|answer| answer.try_recv().is_err()));
    }
}

/// It is there before the runtime could tell, which has no turn here.
#[tokio::test]
async fn a_look_needs_no_runtime() {
    let (mut driver, channel, mut server) = by_hand().await;
    let context = &mut Context::from_waker(Waker::noop());
    let mut answer = pin!(channel.send(PING, later()));
    assert!(answer.as_mut().poll(context).is_pending());
    for piece in [b"+PO".as_slice(), b"NG\r\n"] {
        server.write_all(piece).unwrap();
        assert!(Pin::new(&mut driver).poll(context).is_pending());
        assert!(answer.as_mut().poll(context).is_pending());
        driver.look().unwrap();
        assert!(driver.found);
    }
    assert!(Pin::new(&mut driver).poll(context).is_pending());
    assert!(answer.as_mut().poll(context).is_ready());
    assert!(!driver.found, "it was the reply");
}

/// What it looks for is there, too; but the server can work on the other meanwhile.
#[tokio::test]
async fn a_look_ends_when_somebody_has_something_to_send() {
    let (mut driver, channel, mut server) = by_hand().await;
    let context = &mut Context::from_waker(Waker::noop());
    let mut answer = pin!(channel.send(PING, later()));
    assert!(answer.as_mut().poll(context).is_pending());
    assert!(Pin::new(&mut driver).poll(context).is_pending());
    server.write_all(b"+PONG\r\n").unwrap();
    let mut other = pin!(channel.send(PING, later()));
    assert!(other.as_mut().poll(context).is_pending());
    driver.look().unwrap();
    assert!(!driver.found);
    driver.shared.state().out.clear();
    driver.look().unwrap();
    assert!(driver.found, "nobody has anything to send");
}

/// A look keeps its thread from others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_looks_while_all_threads_are_busy() {
    let (mut driver, _channel, _server) = by_hand().await;
    driver.alone = ALONE;
    assert!(!driver.may_look());
    driver.alone = ALONE + 1;
    for busy in [false, true, false] {
        let works = Arc::new(AtomicBool::new(busy));
        for _ in 0..2 {
            let works = Arc::clone(&works);
            tokio::spawn(async move {
                while works.load(Ordering::Relaxed) {
                    yield_now().await;
                }
            });
        }
        let begun = Instant::now();
        while driver.may_look() == busy {
            assert!(begun.elapsed() < Duration::from_secs(20), "busy: {busy}");
            thread::sleep(Duration::from_millis(1));
        }
        works.store(false, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn the_only_thread_never_looks() {
    let (mut driver, _channel, _server) = by_hand().await;
    driver.alone = ALONE + 1;
    assert!(!driver.may_look());
}
