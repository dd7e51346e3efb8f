//! Browsers over real HTTP: parallel requests around one log-in and one log-out (R08).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::{Router, routing::get};
use cookie_store::CookieStore;
use dancer_session::{CookieSettings, Settings};
use dancer_session_tower::{Error, Session, SessionEngine, SessionLayer};
use testbench::RedisServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use url::Url;

/// Where slow handlers wait, with their session in hand, until the test lets them go on.
#[derive(Clone, Default)]
struct Gate(Arc<Waiting>);

struct Waiting {
    arrived: AtomicUsize,
    open: Semaphore,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            arrived: AtomicUsize::new(0),
            open: Semaphore::new(0),
        }
    }
}

impl Gate {
    async fn pass(&self) {
        self.0.arrived.fetch_add(1, Ordering::SeqCst);
        drop(self.0.open.acquire().await);
    }

    async fn arrived(&self, many: usize) {
        while self.0.arrived.load(Ordering::SeqCst) < many {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn open(&self) {
        self.0.open.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

fn routes(gate: &Gate) -> Router<()> {
    Router::new()
        .route("/visit", get(visit))
        .route("/slow-visit", get(slow_visit))
        .route("/log-in", get(log_in))
        .route("/slow-log-in", get(slow_log_in))
        .route("/log-out", get(async |session: Session| session.destroy()))
        .with_state(gate.clone())
}

/// Shows what it sees, and writes.
async fn visit(session: Session) -> Result<String, Error> {
    let seen = session.get::<String>("user")?;
    session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(format!("{seen:?}"))
}

/// The same, with the session in hand while others go on.
async fn slow_visit(State(gate): State<Gate>, session: Session) -> Result<String, Error> {
    let seen = visit(session).await?;
    gate.pass().await;
    Ok(seen)
}

async fn log_in(session: Session) -> Result<(), Error> {
    session.log_in()?;
    Ok(session.set("user", "anna")?)
}

async fn slow_log_in(State(gate): State<Gate>, session: Session) -> Result<(), Error> {
    gate.pass().await;
    log_in(session).await
}

/// A cookie until the browser is closed, and one that slides.
const EXPIRES: [Option<Duration>; 2] = [None, Some(Duration::from_secs(3600))];

/// The server, and a browser that has visited it once.
struct Bench {
    _redis: RedisServer,
    gate: Gate,
    browser: Browser,
}

impl Bench {
    async fn new(expires: Option<Duration>) -> Self {
        let redis = RedisServer::start();
        let settings = Settings {
            sock: Some(redis.sock().to_owned()),
            timeout: Duration::from_secs(20),
            cookie: CookieSettings {
                secure: false,
                expires,
                ..CookieSettings::default()
            },
            ..Settings::default()
        };
        let engine = SessionEngine::init(settings).await.unwrap();
        let gate = Gate::default();
        let app = routes(&gate).layer(SessionLayer::new(engine));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let browser = Browser {
            address,
            jar: Arc::default(),
        };
        assert_eq!(browser.ask("/visit").await, "None");
        Self {
            _redis: redis,
            gate,
            browser,
        }
    }

    /// Begins this many requests with the cookie of this moment, and returns when all of them have
    /// their session in hand.
    async fn begin(&self, path: &'static str, times: usize) -> Vec<JoinHandle<String>> {
        let begun = (0..times).map(|_| {
            let browser = self.browser.clone();
            tokio::spawn(async move { browser.ask(path).await })
        });
        let begun = begun.collect();
        self.gate.arrived(times).await;
        begun
    }
}

/// A browser as far as cookies go, with a jar by the rules of RFC 6265: what an answer sets is there
/// for the next request, in the order in which answers come.
#[derive(Clone)]
struct Browser {
    address: SocketAddr,
    jar: Arc<Mutex<CookieStore>>,
}

impl Browser {
    async fn ask(&self, path: &str) -> String {
        let answer = self.answer(path).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        for line in head.lines() {
            if let Some(header) = line.strip_prefix("set-cookie: ") {
                self.take(header);
            }
        }
        body.to_owned()
    }

    /// What comes back, without taking its cookies: as when the tab was closed meanwhile.
    async fn answer(&self, path: &str) -> String {
        let cookies = self.cookies();
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{cookies}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn cookies(&self) -> String {
        let jar = self.jar.lock().unwrap();
        let pairs: Vec<_> = jar
            .get_request_values(&self.site())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if pairs.is_empty() {
            return String::new();
        }
        format!("cookie: {}\r\n", pairs.join("; "))
    }

    fn take(&self, header: &str) {
        let mut jar = self.jar.lock().unwrap();
        // An error says that a browser does not take such a cookie, or that it was one to forget.
        drop(jar.parse(header, &self.site()));
    }

    fn site(&self) -> Url {
        Url::parse(&format!("http://{}/", self.address)).unwrap()
    }

    fn id(&self) -> Option<String> {
        let jar = self.jar.lock().unwrap();
        let mut all = jar.get_request_values(&self.site());
        let id = all.find(|(name, _)| *name == "id");
        id.map(|(_, id)| id.to_owned())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r08_fifty_parallel_requests_around_one_log_in() {
    for expires in EXPIRES {
        around_log_in(expires).await;
    }
}

async fn around_log_in(expires: Option<Duration>) {
    let bench = Bench::new(expires).await;
    let before = bench.browser.id().unwrap();
    let early = bench.begin("/slow-visit", 25).await;
    assert_eq!(bench.browser.ask("/log-in").await, "");
    let after = bench.browser.id().unwrap();
    assert_ne!(after, before);
    // Some that still come with the old cookie: they were under way when the log-in was answered.
    let stale = Browser {
        jar: Arc::default(),
        ..bench.browser.clone()
    };
    stale.take(&format!("id={before}; Path=/"));
    let late = (0..25).map(|_| {
        let stale = stale.clone();
        tokio::spawn(async move { stale.ask("/visit").await })
    });
    let late: Vec<_> = late.collect();
    bench.gate.open();
    for request in early.into_iter().chain(late) {
        assert_eq!(
            request.await.unwrap(),
            "None",
            "nobody under the old id sees the new session"
        );
    }
    assert_eq!(
        bench.browser.id().unwrap(),
        after,
        "the browser ends with the new cookie"
    );
    assert_eq!(
        stale.id().unwrap(),
        before,
        "and no answer touched the old one"
    );
    assert_eq!(bench.browser.ask("/visit").await, "Some(\"anna\")");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r08_a_double_click_on_log_in_whose_first_answer_is_lost() {
    let bench = Bench::new(None).await;
    let before = bench.browser.id();
    let impatient = bench.browser.clone();
    let first = tokio::spawn(async move { impatient.answer("/slow-log-in").await });
    bench.gate.arrived(1).await;
    let second = bench.begin("/slow-log-in", 1).await;
    bench.gate.arrived(2).await;
    bench.gate.open();
    assert!(first.await.unwrap().starts_with("HTTP/1.1 200"));
    for request in second {
        let _ = request.await.unwrap();
    }
    assert_ne!(bench.browser.id(), before);
    assert_eq!(
        bench.browser.ask("/visit").await,
        "Some(\"anna\")",
        "logged in"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_slow_requests_around_one_log_out() {
    for expires in EXPIRES {
        around_log_out(expires).await;
    }
}

async fn around_log_out(expires: Option<Duration>) {
    let bench = Bench::new(expires).await;
    assert_eq!(bench.browser.ask("/log-in").await, "");
    let logged_in = bench.browser.id().unwrap();
    let slow = bench.begin("/slow-visit", 25).await;
    assert_eq!(bench.browser.ask("/log-out").await, "");
    assert_eq!(bench.browser.id(), None);
    bench.gate.open();
    for request in slow {
        // They saw what was there when they read it.
        assert_eq!(request.await.unwrap(), "Some(\"anna\")");
    }
    assert_eq!(
        bench.browser.id(),
        None,
        "no slower answer brought the cookie back"
    );
    let thief = Browser {
        jar: Arc::default(),
        ..bench.browser.clone()
    };
    thief.take(&format!("id={logged_in}; Path=/"));
    assert_eq!(
        thief.ask("/visit").await,
        "None",
        "and the id is worth nothing"
    );
    assert_eq!(bench.browser.ask("/visit").await, "None");
}
