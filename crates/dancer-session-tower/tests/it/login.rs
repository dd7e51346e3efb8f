//! What a log-in needs: its time, flash messages, a value against forged requests.

use std::time::{Duration, SystemTime};

use dancer_session::{Flushed, Session, SessionEngine, Settings};

async fn stored(engine: &SessionEngine) -> Session {
    let session = engine.create().await.unwrap();
    session.set("before", 1).unwrap();
    let _ = session.flush().await.unwrap();
    session
}

async fn again(engine: &SessionEngine, session: &Session) -> Session {
    let id = session.id().unwrap();
    engine.retrieve(id.as_str()).await.unwrap().unwrap()
}

fn memory() -> SessionEngine {
    SessionEngine::in_memory(Settings::default()).unwrap()
}

#[tokio::test]
async fn log_in_renews_and_stamps_in_one_flush() {
    let engine = memory();
    let session = stored(&engine).await;
    let old = session.id().unwrap();
    assert_eq!(session.logged_in_at().unwrap(), None);
    session.log_in().unwrap();
    session.set("user", "anna").unwrap();
    assert_eq!(session.flush().await.unwrap(), Flushed::Renewed);
    assert_eq!(session.flush().await.unwrap(), Flushed::Unchanged);
    let again = again(&engine, &session).await;
    assert_ne!(again.id().unwrap(), old);
    assert_eq!(again.keys(), ["before", "logged_in_at", "user"]);
    let ago = SystemTime::now()
        .duration_since(again.logged_in_at().unwrap().unwrap())
        .unwrap();
    assert!(ago < Duration::from_secs(10), "{ago:?}");
}

#[tokio::test]
async fn flash_messages_are_read_once_in_order_by_kind() {
    let engine = memory();
    let session = stored(&engine).await;
    session.flash("error", "first").unwrap();
    session.flash("success", "saved").unwrap();
    session.flash("error", "second").unwrap();
    let _ = session.flush().await.unwrap();
    let next = again(&engine, &session).await;
    assert_eq!(next.take_flash("error").unwrap(), ["first", "second"]);
    assert_eq!(next.take_flash("error").unwrap(), Vec::<String>::new());
    assert_eq!(next.take_flash("nothing").unwrap(), Vec::<String>::new());
    let _ = next.flush().await.unwrap();
    let last = again(&engine, &session).await;
    assert_eq!(last.take_flash("error").unwrap(), Vec::<String>::new());
    assert_eq!(last.take_flash("success").unwrap(), ["saved"]);
    let _ = last.flush().await.unwrap();
    assert_eq!(
        again(&engine, &session).await.keys(),
        ["before"],
        "nothing is left of them"
    );
}

#[tokio::test]
async fn a_flash_that_another_request_leaves_meanwhile_is_not_lost() {
    let engine = memory();
    let session = stored(&engine).await;
    session.flash("error", "first").unwrap();
    let _ = session.flush().await.unwrap();
    let reads = again(&engine, &session).await;
    let leaves = [
        again(&engine, &session).await,
        again(&engine, &session).await,
    ];
    assert_eq!(reads.take_flash("error").unwrap(), ["first"]);
    for (n, leaves) in leaves.iter().enumerate() {
        leaves.flash("error", format!("meanwhile {n}")).unwrap();
        let _ = leaves.flush().await.unwrap();
    }
    assert_eq!(reads.flush().await.unwrap(), Flushed::Stored);
    let next = again(&engine, &session).await;
    assert_eq!(
        next.take_flash("error").unwrap(),
        ["meanwhile 0", "meanwhile 1"]
    );
}

/// Two requests that show the same messages take each of them out once.
#[tokio::test]
async fn a_flash_that_two_requests_read_goes_once() {
    let engine = memory();
    let session = stored(&engine).await;
    session.flash("error", "same").unwrap();
    let _ = session.flush().await.unwrap();
    let (a, b) = (
        again(&engine, &session).await,
        again(&engine, &session).await,
    );
    assert_eq!(
        a.take_flash("error").unwrap(),
        b.take_flash("error").unwrap()
    );
    a.flash("error", "other").unwrap();
    assert_eq!(a.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(b.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(
        again(&engine, &session).await.take_flash("error").unwrap(),
        ["other"]
    );
}

#[tokio::test]
async fn the_csrf_value_stays_until_a_renew_and_fits_nothing_else() {
    let engine = memory();
    let session = stored(&engine).await;
    assert!(
        !session.csrf_fits("").unwrap(),
        "without a secret nothing fits"
    );
    let value = session.csrf().unwrap();
    assert_eq!(value.len(), 22);
    let _ = session.flush().await.unwrap();
    let next = again(&engine, &session).await;
    assert_eq!(next.csrf().unwrap(), value);
    assert_eq!(next.flush().await.unwrap(), Flushed::Unchanged);
    assert!(next.csrf_fits(&value).unwrap());
    let other = stored(&engine).await.csrf().unwrap();
    for wrong in [
        "",
        &value[1..],
        &format!("{value}x"),
        &value.to_lowercase(),
        &other,
    ] {
        assert!(!next.csrf_fits(wrong).unwrap(), "{wrong}");
    }
    next.log_in().unwrap();
    let _ = next.flush().await.unwrap();
    let renewed = again(&engine, &next).await;
    assert!(!renewed.csrf_fits(&value).unwrap());
    assert_ne!(renewed.csrf().unwrap(), value);
}
