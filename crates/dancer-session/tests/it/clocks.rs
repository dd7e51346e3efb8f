//! R18: clocks that are wrong. The idle limit is the server's alone; the absolute one is wrong by as much as
//! the clock, and nothing else goes wrong.

use std::time::{Duration, SystemTime};

use dancer_session::{Clock, Flushed, Layout, SessionEngine, Settings};
use testbench::RedisServer;

use crate::bench::{get, id};

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// An engine whose clock is ahead by so many seconds, or behind.
async fn engine(server: &RedisServer, layout: Layout, ahead: i64) -> SessionEngine {
    let settings = Settings {
        sock: Some(server.sock().to_owned()),
        layout,
        expire: Duration::from_secs(HOUR),
        lifetime: Some(Duration::from_secs(2 * DAY)),
        timeout: Duration::from_secs(20),
        ..Settings::default()
    };
    let by = Duration::from_secs(ahead.unsigned_abs());
    let clock = Clock::new(move || match ahead {
        0.. => SystemTime::now() + by,
        _ => SystemTime::now() - by,
    });
    let builder = SessionEngine::builder(settings).clock(clock);
    builder.init().await.unwrap()
}

#[tokio::test]
async fn r18_a_clock_that_is_wrong_ends_no_session_by_idling() {
    let server = RedisServer::start();
    for layout in [Layout::Native, Layout::Dancer] {
        let right = engine(&server, layout, 0).await;
        for ahead in [-(DAY as i64), -(HOUR as i64), HOUR as i64, DAY as i64] {
            let wrong = engine(&server, layout, ahead).await;
            let session = right.create().await.unwrap();
            session.set("a", 1).unwrap();
            session.set_owner("user:42").unwrap();
            let _ = session.flush().await.unwrap();
            // Whatever the one with the wrong clock does with it.
            let theirs = wrong.retrieve(&id(&session)).await.unwrap().unwrap();
            let left = theirs.time_left().unwrap();
            assert_eq!(left, Duration::from_secs(HOUR), "{ahead} s ahead");
            theirs.set("b", 2).unwrap();
            assert_eq!(theirs.flush().await.unwrap(), Flushed::Stored);
            theirs.renew();
            assert_eq!(theirs.flush().await.unwrap(), Flushed::Renewed);
            let ours = right.retrieve(&id(&theirs)).await.unwrap().unwrap();
            assert_eq!((get(&ours, "a"), get(&ours, "b")), (Some(1), Some(2)));
            assert_eq!(wrong.sessions_of("user:42").await.unwrap().len(), 1);
            assert_eq!(wrong.destroy_all("user:42").await.unwrap(), 1);
            let gone = right.retrieve(&id(&theirs)).await.unwrap();
            assert!(gone.is_none_or(|gone| gone.is_ended()));
        }
    }
}

#[tokio::test]
async fn r18_the_absolute_limit_is_wrong_by_as_much_as_the_clock() {
    let server = RedisServer::start();
    for layout in [Layout::Native, Layout::Dancer] {
        let right = engine(&server, layout, 0).await;
        let session = right.create().await.unwrap();
        // Half an hour is left of its two days, for this one.
        let ahead = engine(&server, layout, (2 * DAY - HOUR / 2) as i64).await;
        let theirs = ahead.retrieve(&id(&session)).await.unwrap().unwrap();
        let left = theirs.time_left().unwrap();
        assert!(left <= Duration::from_secs(HOUR / 2), "{left:?}");
        assert!(left >= Duration::from_secs(HOUR / 2 - 60), "{left:?}");
        // For this one it has ended, and then it has.
        let far = engine(&server, layout, (2 * DAY + HOUR) as i64).await;
        assert!(far.retrieve(&id(&session)).await.unwrap().is_none());
    }
}
