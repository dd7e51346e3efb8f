//! What an answer holds: the page, its JSON, its cookie.

use dancer_session::{SessionEngine, Settings};
use testbench::RedisServer;

use crate::demo::{Demo, Visitor};
use crate::http::get;

#[test]
fn html_shows_counter_and_fingerprint_but_not_the_id() {
    let redis = RedisServer::start();
    let demo = Demo::in_redis(&redis.url());
    let mut visitor = Visitor::default();
    visitor.count(&demo);
    let page = visitor.html(&demo);
    assert_eq!(page.status, 200);
    assert_eq!(page.all("content-type"), ["text/html; charset=utf-8"]);
    assert_eq!(page.all("cache-control"), ["no-store"]);
    for shown in [
        "<output>2</output> times",
        &format!("<code>{}</code>", fingerprint_in(&redis)),
        "<title>dancer-session</title>",
        ">Reload the page…</a>",
        &format!("Redis at unix:{}", redis.sock().display()),
    ] {
        assert!(page.body.contains(shown), "{shown} is not in {}", page.body);
    }
    assert!(!page.body.contains(visitor.id()));
    assert!(!page.body.contains("end with the program"));
}

#[test]
fn html_needs_nothing_from_elsewhere() {
    let demo = Demo::in_memory();
    let page = Visitor::default().html(&demo);
    let mut links = page.body.split("href=\"").skip(1);
    assert!(links.all(|rest| rest.starts_with("/\"") || rest.starts_with("data:")));
    for external in ["src=", "@import", "url("] {
        assert!(!page.body.contains(external), "{external}");
    }
}

#[test]
fn json_holds_the_same() {
    let redis = RedisServer::start();
    let demo = Demo::in_redis(&redis.url());
    let mut visitor = Visitor::default();
    let page = visitor.json(&demo);
    let left = page["seconds_left"].as_u64().expect("a number");
    assert!((890..=900).contains(&left), "{left}");
    let expected = serde_json::json!({
        "counter": 1,
        "session": fingerprint_in(&redis),
        "seconds_left": left,
        "sessions_live_in": format!("Redis at unix:{}", redis.sock().display()),
    });
    assert_eq!(page, expected);
}

#[test]
fn the_cookie_is_made_for_plain_http() {
    let demo = Demo::in_memory();
    check_cookie(&demo);
}

#[test]
fn the_cookie_of_a_configuration_is_made_for_plain_http() {
    let redis = RedisServer::start();
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("config.yml");
    let text = format!(
        "session_name: __Secure-shop\nsession_secure: 1\nsession_domain: example.com\n\
         session_same_site: None\n\
         redis_session:\n  sock: {}\n",
        redis.sock().display()
    );
    std::fs::write(&config, text).expect("it can be written");
    let demo = Demo::start(&["--config", config.to_str().expect("UTF-8")], &[]);
    check_cookie(&demo);
}

fn check_cookie(demo: &Demo) {
    let first = get(demo.address, "/", &[]);
    let [cookie] = first.all("set-cookie")[..] else {
        panic!("one cookie expected: {:?}", first.all("set-cookie"));
    };
    let mut parts: Vec<_> = cookie.split("; ").collect();
    let id = parts
        .remove(0)
        .strip_prefix("eg_session_id=")
        .expect(cookie);
    assert_eq!(id.len(), 43);
    assert!(
        id.bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c))
    );
    parts.sort_unstable();
    assert_eq!(parts, ["HttpOnly", "Path=/", "SameSite=Lax"]);

    let again = get(
        demo.address,
        "/",
        &[("Cookie", &format!("eg_session_id={id}"))],
    );
    assert!(again.body.contains("<output>2</output>"));
    assert!(again.all("set-cookie").is_empty());
}

#[test]
fn other_paths_are_not_found_and_start_no_session() {
    let demo = Demo::in_memory();
    for path in ["/x", "/favicon.ico", "//"] {
        let answer = get(demo.address, path, &[]);
        assert_eq!(
            (answer.status, &*answer.body),
            (404, "Not found\n"),
            "{path}"
        );
        assert!(answer.all("set-cookie").is_empty());
    }
}

#[tokio::test]
async fn a_session_that_has_just_ended_gets_a_friendly_line_and_no_number() {
    let redis = RedisServer::start();
    let demo = Demo::in_redis(&redis.url());
    let mut visitor = Visitor::default();
    visitor.count(&demo);
    let id = visitor.id().to_owned();

    let settings = Settings::from_url(&redis.url()).expect("a URL");
    let engine = SessionEngine::init(settings).await.expect("a Redis");
    let session = engine.retrieve(&id).await.expect("it can be read");
    let session = session.expect("it is there");
    session.destroy();
    let _ = session.flush().await.expect("it can be destroyed");

    let page = visitor.html(&demo);
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains("ended by another request"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("<output>") && !page.body.contains("Time left"));
    assert!(page.all("set-cookie").is_empty());
    let page = visitor.json(&demo);
    assert!(page["counter"].is_null() && page["seconds_left"].is_null());
}

/// The fingerprint of the one session there is: its key begins with it.
fn fingerprint_in(redis: &RedisServer) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let keys = runtime.expect("a runtime").block_on(redis.scan());
    let [key] = &keys[..] else {
        panic!("one session expected, found {}", keys.len());
    };
    let key = std::str::from_utf8(key).expect("a key is ASCII");
    key.strip_prefix("session:").expect("the prefix")[..8].to_owned()
}
