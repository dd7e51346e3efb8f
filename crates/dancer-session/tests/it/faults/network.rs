//! The network: nobody there at the start, a black hole, slow and chopped lines.

use std::time::{Duration, Instant};

use dancer_session::{SessionEngine, Settings};
use testbench::{Ending, Proxy, RedisServer};

use super::load::TIMEOUT;
use super::scene::{Scene, seeds};

/// An engine can be made when its server is there, and not before; made before an outage, it is
/// good for the time after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_a_server_that_listens_later_is_found() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server).await;
    let settings = Settings {
        server: Some(proxy.url()),
        timeout: TIMEOUT,
        ..Settings::default()
    };
    server.stop(Ending::Crash);
    let begun = Instant::now();
    let error = SessionEngine::init(settings.clone()).await.unwrap_err();
    assert!(error.is_unavailable() && begun.elapsed() < 2 * TIMEOUT);
    server.launch();
    assert!(SessionEngine::init(settings).await.is_ok());
    for seed in seeds() {
        let scene = Scene::new("F01 nobody listens", seed, &[]).await;
        let report = scene.run(
            async |scene| scene.proxy.refuse(true),
            async |scene| scene.proxy.refuse(false),
        );
        report.await.nothing_lost();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f02_a_black_hole_loses_nothing() {
    for seed in seeds() {
        let scene = Scene::new("F02 black hole", seed, &[]).await;
        let report = scene.run(
            async |scene| scene.proxy.black_hole(true),
            async |scene| scene.proxy.black_hole(false),
        );
        let report = report.await;
        report.nothing_lost();
        assert!(report.available < 50.0, "nothing passes: {}", report.line);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f05_a_slow_and_chopped_network_loses_nothing() {
    for seed in seeds() {
        let scene = Scene::new("F05 slow and chopped", seed, &[]).await;
        let report = scene.run(
            async |scene| {
                scene.proxy.chop(true);
                scene.proxy.jitter(Duration::from_millis(200));
                scene.proxy.stall(Some((100, Duration::from_secs(1))));
            },
            async |scene| {
                scene.proxy.chop(false);
                scene.proxy.jitter(Duration::ZERO);
                scene.proxy.stall(None);
            },
        );
        report.await.nothing_lost();
    }
}
