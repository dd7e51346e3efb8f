//! Where the names of hosts are looked up.

use std::net::{SocketAddr, ToSocketAddrs as _};

use redis::RedisFuture;
use redis::io::AsyncDNSResolver;

/// Looks names up in the calling thread: tokio would start one for it, since the system's own
/// function makes its caller wait.
pub(super) struct OnThisThread;

impl AsyncDNSResolver for OnThisThread {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        host: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        let found = (host, port).to_socket_addrs();
        Box::pin(async move {
            let addresses: Box<dyn Iterator<Item = SocketAddr> + Send> = Box::new(found?);
            Ok(addresses)
        })
    }
}
