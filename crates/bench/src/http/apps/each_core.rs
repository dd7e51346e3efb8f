//! On axum, with nothing that threads share: each has a runtime, a listener and the application with
//! its connections to Redis for itself. The kernel hands each visitor's connection to one of them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;

use axum::Router;
use socket2::{Domain, Socket, Type};

use super::{WORKERS, announce};

pub(super) fn serve<F: Future<Output = Router>>(app: impl Fn() -> F + Sync) {
    let first = listener(0);
    let port = first.local_addr().expect("it has a port").port();
    let mut listeners = vec![first];
    listeners.extend((1..WORKERS).map(|_| listener(port)));
    thread::scope(|scope| {
        for listener in listeners {
            scope.spawn(|| serve_alone(listener, app()));
        }
        // Whoever comes before a thread serves waits for it.
        announce(port);
    });
}

fn serve_alone(listener: TcpListener, app: impl Future<Output = Router>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime can be made").block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener);
        let listener = listener.expect("it does not block");
        axum::serve(listener, app.await)
            .await
            .expect("it serves on");
    });
}

/// Several can listen on one port.
fn listener(port: u16) -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are sockets left");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    socket.set_reuse_port(true).expect("a socket can do that");
    socket.set_nonblocking(true).expect("a socket can do that");
    socket.bind(&address.into()).expect("there is a free port");
    socket.listen(1024).expect("a socket can do that");
    socket.into()
}
