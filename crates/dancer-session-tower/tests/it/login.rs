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

/// A value that somebody set under the old id while the log-in was under way is worth nothing
/// afterwards, also if this request never saw it.
#[tokio::test]
async fn a_csrf_value_of_the_old_id_does_not_survive_a_log_in() {
    let engine = memory();
    let session = stored(&engine).await;
    let (logs_in, other) = (
        again(&engine, &session).await,
        again(&engine, &session).await,
    );
    logs_in.log_in().unwrap();
    let known = other.csrf().unwrap();
    assert_eq!(other.flush().await.unwrap(), Flushed::Stored);
    assert_eq!(logs_in.flush().await.unwrap(), Flushed::Renewed);
    assert!(!again(&engine, &logs_in).await.csrf_fits(&known).unwrap());
}

#[tokio::test]
async fn after_a_flush_parallel_first_pages_show_the_same_csrf_value() {
    let engine = memory();
    let session = stored(&engine).await;
    let pages = [
        again(&engine, &session).await,
        again(&engine, &session).await,
    ];
    for page in &pages {
        let _ = page.csrf().unwrap();
    }
    for page in &pages {
        assert_eq!(page.flush().await.unwrap(), Flushed::Stored);
    }
    assert_eq!(pages[0].csrf().unwrap(), pages[1].csrf().unwrap());
}

#[tokio::test]
async fn a_log_in_time_that_is_none_does_no_harm() {
    let session = memory().anonymous();
    session.set("logged_in_at", u64::MAX).unwrap();
    assert_eq!(session.logged_in_at().unwrap(), None);
    session.set("logged_in_at", "long ago").unwrap();
    assert!(session.logged_in_at().unwrap_err().is_entry());
}
