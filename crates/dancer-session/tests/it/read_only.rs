//! A session that stands in the place of one that can't be had (R33).

use dancer_session::{Flushed, SessionEngine, Settings};

#[tokio::test]
async fn r33_it_is_read_and_every_change_of_it_is_refused_again_and_again() {
    let engine = SessionEngine::in_memory(Settings::default()).unwrap();
    let look = engine.read_only();
    assert!(look.is_read_only() && look.is_empty() && look.id().is_none() && !look.is_ended());
    assert_eq!(look.get::<u64>("n").unwrap(), None);
    assert_eq!(look.flush().await.unwrap(), Flushed::Unchanged);

    let sets = engine.read_only();
    sets.set("n", 1).unwrap();
    let renews = engine.read_only();
    renews.renew();
    let clears = engine.read_only();
    clears.clear();
    let destroys = engine.read_only();
    destroys.destroy();
    for session in [sets, renews, clears, destroys] {
        for _ in 0..2 {
            let error = session.flush().await.unwrap_err();
            assert!(error.is_unavailable() && !error.is_unknown(), "{error}");
            assert!(!session.is_destroyed() && session.id().is_none());
        }
        assert!(engine.convert(&session).await.unwrap_err().is_refused());
        session.discard();
    }
    // A log-out that failed is not forgotten because the request has failed, too.
    let destroys = engine.read_only();
    destroys.destroy();
    destroys.discard();
    assert!(destroys.close().await.is_err());
    assert!(!engine.anonymous().is_read_only());
}
