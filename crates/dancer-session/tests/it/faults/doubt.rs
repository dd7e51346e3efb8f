//! What only a load has found: changes that got no answer, and then another request.

use std::sync::Arc;
use std::time::Duration;

use dancer_session::{Flushed, SessionEngine, Settings};
use testbench::{Fault, Proxy, RedisServer};
use tokio::time::sleep;

use crate::bench::{get, id};

/// Applied, its reply lost, and then renewed by another request, which takes the change along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r36_a_change_that_lives_on_under_another_id_is_not_reported_as_ended() {
    let server = RedisServer::start();
    let proxy = Arc::new(Proxy::to(&server).await);
    let settings = Settings {
        server: Some(proxy.url()),
        timeout: Duration::from_secs(20),
        ..Settings::default()
    };
    let beside = Settings {
        sock: Some(server.sock().to_owned()),
        ..Settings::default()
    };
    let engine = SessionEngine::init(settings).await.unwrap();
    let direct = SessionEngine::init(beside).await.unwrap();
    let session = direct.create().await.unwrap();
    // The server knows the script from here on.
    session.set("n", 0).unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Stored);
    for update in [true, false] {
        let ours = engine.retrieve(&id(&session)).await.unwrap().unwrap();
        match update {
            true => ours
                .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
                .unwrap(),
            false => ours.set("n", 7).unwrap(),
        }
        let hits = proxy.hits();
        let picks = |request: &[u8]| request.windows(7).any(|part| part == b"EVALSHA");
        proxy.disturb_and_close(Fault::LoseReply, picks);
        let flush = tokio::spawn({
            let ours = ours.clone();
            async move { ours.flush().await }
        });
        while proxy.hits() == hits {
            sleep(Duration::from_millis(1)).await;
        }
        let theirs = direct.retrieve(&id(&session)).await.unwrap().unwrap();
        let applied = if update { Some(1) } else { Some(7) };
        assert_eq!(get(&theirs, "n"), applied, "it was carried out");
        theirs.renew();
        assert_eq!(theirs.flush().await.unwrap(), Flushed::Renewed);
        proxy.refuse(false);
        let error = flush.await.unwrap().unwrap_err();
        assert!(error.is_unknown(), "{error}");
        let renewed = direct.retrieve(&id(&theirs)).await.unwrap().unwrap();
        assert_eq!(get(&renewed, "n"), applied);
        // The next round begins under the new id.
        session.destroy();
        assert_eq!(session.flush().await.unwrap(), Flushed::Ended);
        session.renew();
        session.set("n", 0).unwrap();
        assert_eq!(session.flush().await.unwrap(), Flushed::Created);
    }
}
