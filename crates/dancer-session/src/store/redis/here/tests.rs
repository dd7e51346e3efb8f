//! The connection by itself, with a server that does one thing.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use super::*;

/// A connection to a server that does this. It hangs up at the end of that.
fn to(server: impl FnOnce(UnixStream) + Send + 'static) -> Here {
    let (ours, theirs) = UnixStream::pair().unwrap();
    thread::spawn(move || server(theirs));
    Here::over(ours.into())
}

/// Waits for a `PING`.
fn hear(server: &mut UnixStream) {
    let mut command = [0; PING.len()];
    server.read_exact(&mut command).unwrap();
    assert_eq!(command, *PING);
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[test]
fn a_reply_that_is_late_is_read_however_often_it_was_looked_for() {
    let mut here = to(|mut server| {
        for n in 0..10 {
            hear(&mut server);
            thread::sleep(Duration::from_millis(10));
            server.write_all(format!(":{n}\r\n").as_bytes()).unwrap();
        }
        for n in 10..200 {
            hear(&mut server);
            server.write_all(format!(":{n}\r\n").as_bytes()).unwrap();
        }
    });
    for n in 0..200 {
        let reply = here.ask(PING, later()).unwrap();
        assert_eq!(reply, Value::Int(n));
    }
}

#[test]
fn a_deadline_passes_in_time() {
    let timeout = Duration::from_millis(300);
    for replies in [0, 1, 10] {
        let mut here = to(move |mut server| {
            for _ in 0..replies {
                hear(&mut server);
                thread::sleep(Duration::from_millis(5));
                server.write_all(b"+OK\r\n").unwrap();
            }
            // As long as the other side is there.
            drop(server.read_to_end(&mut Vec::new()));
        });
        for _ in 0..replies {
            assert_eq!(here.ask(PING, later()).unwrap(), Value::Okay);
        }
        let begun = Instant::now();
        let reply = here.ask(PING, begun + timeout);
        assert!(matches!(reply, Err(Fault::Silent)), "{reply:?}");
        assert!(begun.elapsed() < 2 * timeout, "{:?}", begun.elapsed());
        // What has passed already is not waited for.
        let reply = here.ask(PING, begun);
        assert!(matches!(reply, Err(Fault::Silent)), "{reply:?}");
    }
}

#[test]
fn replies_come_in_pieces_and_together() {
    let replies = b"$5\r\na\r\nbc\r\n:1\r\n*2\r\n$1\r\nx\r\n$-1\r\n-ERR no\r\n";
    let expected = |n: usize, reply: &Value| match n {
        0 => *reply == Value::BulkString(b"a\r\nbc".into()),
        1 => *reply == Value::Int(1),
        2 => *reply == Value::Array(vec![Value::BulkString(b"x".into()), Value::Nil]),
        _ => matches!(reply, Value::ServerError(_)),
    };
    for piece in [1, 2, 7, replies.len()] {
        let mut here = to(move |mut server| {
            for _ in 0..4 {
                hear(&mut server);
            }
            for piece in replies.chunks(piece) {
                server.write_all(piece).unwrap();
                thread::sleep(Duration::from_micros(500));
            }
        });
        let ahead: Vec<_> = (0..3)
            .map(|_| here.ask_ahead(PING, later()).unwrap())
            .collect();
        let last = here.ask(PING, later()).unwrap();
        assert!(expected(3, &last), "{last:?} in pieces of {piece}");
        for (n, mut reply) in ahead.into_iter().enumerate() {
            let reply = reply.try_recv().unwrap();
            assert!(expected(n, &reply), "{reply:?} in pieces of {piece}");
        }
    }
}

#[test]
fn what_is_large_passes_both_ways() {
    const SIZE: usize = 3 * 1024 * 1024;
    let mut here = to(|mut server| {
        for _ in 0..2 {
            hear(&mut server);
            server.write_all(b"+OK\r\n").unwrap();
            // The command fills the socket before anybody reads it.
            thread::sleep(Duration::from_millis(20));
            let mut command = vec![0; SIZE];
            server.read_exact(&mut command).unwrap();
            let reply = [b"$3145728\r\n", &command[..], b"\r\n"].concat();
            server.write_all(&reply).unwrap();
        }
    });
    let large: Vec<u8> = (0..SIZE).map(|n| n as u8).collect();
    for _ in 0..2 {
        assert_eq!(here.ask(PING, later()).unwrap(), Value::Okay);
        let reply = here.ask(large.as_slice(), later()).unwrap();
        assert!(reply == Value::BulkString(large.clone()));
    }
}

#[test]
fn r36_a_connection_that_is_closed_is_broken_and_nobody_waits_on() {
    let mut here = to(|mut server| {
        hear(&mut server);
        hear(&mut server);
        server.write_all(b"+OK\r\n$5\r\nhal").unwrap();
    });
    let mut first = here.ask_ahead(PING, later()).unwrap();
    let reply = here.ask(PING, later());
    assert!(
        matches!(&reply, Err(Fault::Broken(words)) if words.contains("closed")),
        "{reply:?}"
    );
    assert_eq!(first.try_recv().unwrap(), Value::Okay);
    let mut owed = to(drop);
    let mut reply = match owed.ask_ahead(PING, later()) {
        Ok(reply) => reply,
        // It was faster.
        Err(fault) => return assert!(matches!(fault, Fault::Broken(_)), "{fault:?}"),
    };
    assert!(matches!(owed.ask(PING, later()), Err(Fault::Broken(_))));
    assert!(reply.try_recv().is_err());
}

#[test]
fn r34_a_reply_too_many_is_nobodys() {
    let mut here = to(|mut server| {
        hear(&mut server);
        server.write_all(b"+OK\r\n+OK\r\n").unwrap();
        drop(server.read_to_end(&mut Vec::new()));
    });
    assert_eq!(here.ask(PING, later()).unwrap(), Value::Okay);
    let reply = here.ask(PING, later());
    assert!(matches!(reply, Err(Fault::Broken(_))), "{reply:?}");
}

#[test]
fn r34_what_is_no_reply_is_a_fault_of_the_connection() {
    let mut here = to(|mut server| {
        hear(&mut server);
        server.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
        drop(server.read_to_end(&mut Vec::new()));
    });
    let reply = here.ask(PING, later());
    assert!(matches!(reply, Err(Fault::Broken(_))), "{reply:?}");
}
