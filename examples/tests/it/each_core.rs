//! Visitors whose connections are served by different threads have one session all the same.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use dancer_session_tower::Settings;
use testbench::RedisServer;

use crate::examples::each_core::{listeners, serve};

#[test]
fn a_visitor_is_counted_whichever_thread_serves() {
    let server = RedisServer::start();
    let settings = Settings {
        sock: Some(server.sock().to_owned()),
        ..Settings::default()
    };
    let listeners = listeners(([127, 0, 0, 1], 0).into(), 2).unwrap();
    let address = listeners[0].local_addr().unwrap();
    assert_eq!(listeners[1].local_addr().unwrap(), address);
    thread::spawn(move || serve(listeners, &settings));

    let first = ask(address, "");
    let cookie = first
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .and_then(|cookie| cookie.split(';').next())
        .unwrap();
    // Each with a connection of its own: that all of them go to one thread happens once in 2 to the 39th.
    for visit in 2..=40 {
        let answer = ask(address, &format!("Cookie: {cookie}\r\n"));
        assert!(answer.ends_with(&format!("visit {visit}\n")), "{answer}");
    }
}

fn ask(address: SocketAddr, cookie: &str) -> String {
    let mut line = TcpStream::connect(address).unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{cookie}Connection: close\r\n\r\n");
    line.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).unwrap();
    answer
}
