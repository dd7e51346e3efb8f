//! Callers that do not wait. In the calling thread nobody can give up before the answer.

use std::time::Duration;

use dancer_session::{Flushed, Settings};
use testbench::{Proxy, RedisServer};

use super::init;
use crate::bench::{get, id};

/// A flush whose caller went away is carried out to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_4_13_a_flush_once_begun_runs_to_its_end() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server).await;
    let settings = Settings {
        server: Some(proxy.url()),
        timeout: Duration::from_secs(20),
        ..Settings::default()
    };
    let engine = init(settings).await.unwrap();
    let session = engine.create().await.unwrap();
    proxy.delay(Duration::from_millis(50));
    session.set("a", 1).unwrap();
    session.renew();
    let impatient = tokio::time::timeout(Duration::from_millis(5), session.flush()).await;
    assert!(impatient.is_err(), "the caller gave up before the reply");
    // The next flush queues behind it; afterwards the hand is what was stored.
    assert_eq!(session.flush().await.unwrap(), Flushed::Unchanged);
    let again = engine.retrieve(&id(&session)).await.unwrap().unwrap();
    assert_eq!(get(&again, "a"), Some(1));
}
