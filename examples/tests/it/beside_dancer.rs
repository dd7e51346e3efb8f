//! The part of a site in Rust shares its sessions, live, with the part that is still Dancer's.

use std::fs;
use std::net::SocketAddr;

use dancer_session_tower::SessionEngine;
use testbench::{DancerApp, RedisServer, Visitor};
use tokio::net::TcpListener;

use crate::examples::beside_dancer::{app, settings};

/// The name of the cookie, here and there.
const COOKIE: &str = "shop";

/// A site in two parts, and one visitor of both.
struct Site {
    dancer: DancerApp,
    rust: SocketAddr,
    visitor: Visitor,
    _server: RedisServer,
}

impl Site {
    async fn open() -> Self {
        let server = RedisServer::start();
        let dancer = DancerApp::start_with(&server, &[("SESSION_NAME", COOKIE)]);
        let config = dancer.directory().join("config.yml");
        let sock = server.sock().display();
        let text = format!(
            "appname: shop\nlayout: main\nsession: Redis\nsession_name: {COOKIE}\n\
             session_secure: 0\nsession_same_site: Lax\nredis_session:\n    sock: '{sock}'\n"
        );
        fs::write(&config, text).unwrap();
        let settings = settings(config.to_str().unwrap()).unwrap();
        let app = app(SessionEngine::init(settings).await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rust = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, app).await });
        Self {
            dancer,
            rust,
            visitor: Visitor::default(),
            _server: server,
        }
    }

    async fn dancer(&self, path: &str) -> String {
        self.visitor.get(self.dancer.address(), path).await
    }

    async fn rust(&self) -> String {
        self.visitor.get(self.rust, "/").await
    }

    fn id(&self) -> Option<String> {
        self.visitor.cookie(COOKIE)
    }
}

#[tokio::test]
async fn both_count_in_one_session() {
    let site = Site::open().await;
    assert_eq!(site.dancer("/count").await, "1");
    let id = site.id();
    assert_eq!(
        site.rust().await,
        "visit 2 of nobody\nin the session: counter\n"
    );
    assert_eq!(site.dancer("/count").await, "3");
    // What Perl alone can use stays as it was, and is no obstacle.
    let dancer = site.dancer.address();
    site.visitor.post(dancer, "/object", &[]).await;
    let page = site.rust().await;
    assert!(page.starts_with("visit 4 of nobody\n"), "{page}");
    assert!(
        page.contains("basket, ") && page.contains(", when"),
        "{page}"
    );
    assert_eq!(site.dancer("/object").await, "intact");
    assert_eq!(site.dancer("/count").await, "5");
    assert_eq!(site.id(), id);
}

#[tokio::test]
async fn a_session_may_begin_on_either_side() {
    let site = Site::open().await;
    assert!(site.rust().await.starts_with("visit 1 of"));
    let id = site.id();
    assert_eq!(site.dancer("/count").await, "2");
    assert_eq!(site.dancer("/id").await, id.clone().unwrap());
    assert_eq!(site.id(), id);
}

#[tokio::test]
async fn dancer_follows_a_log_in_to_the_new_id() {
    let site = Site::open().await;
    site.dancer("/count").await;
    let (before, old) = (site.id().unwrap(), Visitor::default());
    old.set_cookie(COOKIE, &before);
    let form = [("name", "anna")];
    assert_eq!(
        site.visitor.post(site.rust, "/login", &form).await,
        "hello anna\n"
    );
    let after = site.id().unwrap();
    assert_ne!(after, before);
    assert_eq!(after.len(), 40);
    assert_eq!(site.dancer("/whoami").await, "anna");
    assert_eq!(site.dancer("/id").await, after);
    assert_eq!(site.dancer("/count").await, "2");
    assert!(site.rust().await.starts_with("visit 3 of anna\n"));
    // Who has the old id has nothing.
    let dancer = site.dancer.address();
    assert_eq!(old.get(dancer, "/whoami").await, "nobody");
    assert_eq!(old.get(site.rust, "/").await, "this session has ended\n");
}

#[tokio::test]
async fn a_log_out_on_either_side_is_one_on_both() {
    let site = Site::open().await;
    let form = [("name", "anna")];
    site.visitor.post(site.rust, "/login", &form).await;
    assert_eq!(site.dancer("/whoami").await, "anna");
    let old = Visitor::default();
    old.set_cookie(COOKIE, &site.id().unwrap());
    assert_eq!(site.visitor.post(site.rust, "/logout", &[]).await, "bye\n");
    assert_eq!(site.id(), None);
    for visitor in [&site.visitor, &old] {
        let dancer = site.dancer.address();
        assert_eq!(visitor.get(dancer, "/whoami").await, "nobody");
    }

    let dancer = site.dancer.address();
    site.visitor.post(dancer, "/login", &form).await;
    assert!(site.rust().await.starts_with("visit 1 of anna\n"));
    site.visitor.post(dancer, "/logout", &[]).await;
    assert!(site.rust().await.starts_with("visit 1 of nobody\n"));
}
