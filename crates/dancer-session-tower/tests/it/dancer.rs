//! Live, on one Redis: an application in Rust and a real one of Dancer's in Perl, on the same
//! sessions, asked by the same browser.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use dancer_session::{CookieSettings, Duplicates, Flushed, Layout, SameSite, Settings};
use dancer_session_tower::{Error, Session, SessionEngine, SessionLayer};
use serde_json::Value;
use testbench::{DancerApp, RedisServer, Visitor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

mod mixed;
mod values;

const COOKIE: &str = "dancer.session";

/// Both applications and what they share.
struct Both {
    redis: RedisServer,
    perl: DancerApp,
    rust: SocketAddr,
    engine: SessionEngine,
    serving: JoinHandle<()>,
}

impl Both {
    async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        let redis = RedisServer::start();
        let perl = DancerApp::start_with(&redis, &[("WORKERS", "4")]);
        let settings = Settings {
            sock: Some(redis.sock().to_owned()),
            layout: Layout::Dancer,
            // A loaded machine is not what is tested here.
            timeout: Duration::from_secs(20),
            // As the Dancer application has them, but for SameSite: its default is refused by
            // browsers without Secure.
            cookie: CookieSettings {
                name: Some(COOKIE.into()),
                secure: false,
                http_only: true,
                same_site: SameSite::Lax,
                duplicates: Some(Duplicates::LastWins),
                ..CookieSettings::default()
            },
            ..settings
        };
        let engine = SessionEngine::init(settings).await.unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let rust = listener.local_addr().unwrap();
        let app = routes().layer(SessionLayer::new(engine.clone()));
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            redis,
            perl,
            rust,
            engine,
            serving,
        }
    }
}

impl Both {
    /// Perl has warned of nothing, and no route of it has failed.
    fn no_complaints(&self) {
        let log = self.perl.log();
        assert!(!log.contains(" at ") && !log.contains(" line "), "{log}");
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn routes() -> Router {
    Router::new()
        .route("/count", get(count))
        .route("/get/{name}", get(read))
        .route("/set/{name}", post(set))
        .route("/whoami", get(whoami))
        .route("/login", post(log_in))
        .route("/logout", post(async |session: Session| session.destroy()))
        .route("/keys", get(keys))
}

async fn count(session: Session) -> Result<String, Error> {
    session.update("counter", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(session.get::<u64>("counter")?.unwrap_or(0).to_string())
}

async fn read(session: Session, Path(name): Path<String>) -> Result<Json<Value>, Error> {
    Ok(Json(session.get(&name)?.unwrap_or(Value::Null)))
}

async fn set(session: Session, Path(name): Path<String>) -> Result<(), Error> {
    Ok(session.set(&name, "by Rust")?)
}

async fn whoami(session: Session) -> Result<String, Error> {
    Ok(session.get("user")?.unwrap_or_else(|| "nobody".to_owned()))
}

async fn log_in(session: Session) -> Result<(), Error> {
    session.log_in()?;
    Ok(session.set("user", "anna")?)
}

async fn keys(session: Session) -> String {
    let mut keys = session.keys();
    keys.sort();
    keys.join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_goes_back_and_forth_fifty_times() {
    let both = Both::start().await;
    let visitor = Visitor::default();
    let (perl, rust) = (both.perl.address(), both.rust);
    visitor.post(perl, "/object", &[]).await;
    let id = visitor.cookie(COOKIE).unwrap();
    for turn in 0..50 {
        let (first, second) = if turn % 2 == 0 {
            (perl, rust)
        } else {
            (rust, perl)
        };
        assert_eq!(
            visitor.get(first, "/count").await,
            (2 * turn + 1).to_string()
        );
        assert_eq!(
            visitor.get(second, "/count").await,
            (2 * turn + 2).to_string()
        );
    }
    assert_eq!(
        visitor.cookie(COOKIE).unwrap(),
        id,
        "nobody needed a new id"
    );
    // The objects that Perl has put there are what they were, after fifty flushes of Rust's.
    assert_eq!(visitor.get(perl, "/object").await, "intact");
    assert_eq!(both.redis.scan().await, [id.as_bytes()]);
    let left = both.redis.pttl(&id).await;
    assert!((840_000..=900_000).contains(&left), "{left}");
    both.no_complaints();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_out_on_either_side_is_seen_by_the_other() {
    let both = Both::start().await;
    let (perl, rust) = (both.perl.address(), both.rust);
    let visitor = Visitor::default();
    visitor.post(perl, "/login", &[("name", "anna")]).await;
    assert_eq!(visitor.get(rust, "/whoami").await, "anna");
    visitor.post(perl, "/logout", &[]).await;
    assert_eq!(visitor.get(rust, "/whoami").await, "nobody");
    assert_eq!(visitor.get(perl, "/whoami").await, "nobody");

    visitor.post(perl, "/login", &[("name", "anna")]).await;
    let id = visitor.cookie(COOKIE).unwrap();
    assert_eq!(visitor.get(rust, "/whoami").await, "anna");
    visitor.post(rust, "/logout", &[]).await;
    assert_eq!(visitor.cookie(COOKIE), None, "Rust takes the cookie away");
    assert_eq!(visitor.get(perl, "/whoami").await, "nobody");
    // Also with the old id: what Perl finds there is an empty session.
    visitor.set_cookie(COOKIE, &id);
    assert_eq!(visitor.get(perl, "/whoami").await, "nobody");
    assert_eq!(visitor.get(rust, "/whoami").await, "nobody");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04b_a_log_in_in_rust_replaces_dancers_id_and_dancer_follows() {
    let both = Both::start().await;
    let (perl, rust) = (both.perl.address(), both.rust);
    let visitor = Visitor::default();
    visitor.post(perl, "/object", &[]).await;
    let old = visitor.cookie(COOKIE).unwrap();
    assert!(old.len() < 40);
    visitor.post(rust, "/login", &[]).await;
    let new = visitor.cookie(COOKIE).unwrap();
    assert!(new.len() == 40 && new.bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(visitor.get(perl, "/whoami").await, "anna");
    assert_eq!(visitor.get(perl, "/id").await, new);
    assert_eq!(visitor.get(perl, "/object").await, "intact");
    assert_eq!(visitor.get(perl, "/count").await, "1");
    assert_eq!(visitor.get(rust, "/count").await, "2");
    // Under the old id there is nothing any more, on either side.
    let thief = Visitor::default();
    for address in [rust, perl] {
        thief.set_cookie(COOKIE, &old);
        assert_eq!(thief.get(address, "/whoami").await, "nobody");
    }
    assert_eq!(visitor.get(rust, "/whoami").await, "anna");
    both.no_complaints();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_engine_keeps_beside_the_entries_is_seen_by_perl_alone() {
    let both = Both::start().await;
    let (perl, rust) = (both.perl.address(), both.rust);
    let visitor = Visitor::default();
    visitor.get(rust, "/count").await;
    assert_eq!(visitor.get(rust, "/keys").await, "counter");
    let keys = visitor.get(perl, "/keys").await;
    assert_eq!(keys, "__created\n__w\ncounter\nid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r23_both_stacks_pick_the_same_of_two_cookies() {
    let both = Both::start().await;
    let (perl, rust) = (both.perl.address(), both.rust);
    let mut ids = Vec::new();
    for name in ["anna", "bert"] {
        let visitor = Visitor::default();
        visitor.post(perl, "/login", &[("name", name)]).await;
        ids.push(visitor.cookie(COOKIE).unwrap());
    }
    let mut orderings = 0;
    for (first, second) in [(0, 1), (1, 0)] {
        let one = format!("{COOKIE}={}", ids[first]);
        let two = format!("{COOKIE}={}", ids[second]);
        for header in [
            format!("Cookie: {one}; {two}"),
            format!("Cookie: {one};{two}"),
            format!("Cookie: x=1; {one}; {two}"),
            format!("Cookie: {one}; x=1; {two}"),
            format!("Cookie: {one}; {two}; x=1"),
            format!("Cookie: {one}; {one}; {two}"),
            format!("Cookie: {one}; {two}; {two}"),
            format!("Cookie: {one}\r\nCookie: {two}"),
            format!("Cookie: {one}\r\nX: 1\r\nCookie: {two}"),
            format!("Cookie: x=1; {one}\r\nCookie: y=2; {two}"),
        ] {
            let seen = [raw(perl, &header).await, raw(rust, &header).await];
            assert_eq!(seen[0], seen[1], "{header}");
            assert_eq!(seen[0], ["anna", "bert"][second], "{header}");
            orderings += 1;
        }
    }
    assert_eq!(orderings, 20);
}

/// Who an application takes the sender of these headers for.
async fn raw(address: SocketAddr, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /whoami HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.rsplit("\r\n").next().unwrap().to_owned()
}
