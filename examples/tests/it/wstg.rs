//! The session tests of OWASP's Web Security Testing Guide, under its own numbers and names, run on
//! the log-in example: what a program can check of each.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, SET_COOKIE};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dancer_session::Clock;
use dancer_session_tower::{SessionEngine, Settings};

use crate::browser::{Browser, COOKIE_NAME, Page, memory};
use crate::examples::login::app;
use crate::login::{is_in, log_in, log_out, try_log_in};

/// Ids are long, random, one for each session, and say nothing about the user.
#[tokio::test]
async fn wstg_sess_01_session_management_schema() {
    let app = app(memory());
    let (mut ids, mut ones) = (BTreeSet::new(), 0);
    const SESSIONS: u32 = 100;
    for _ in 0..SESSIONS {
        // The same user each time, with the same requests.
        let mut anna = Browser::new(&app);
        log_in(&mut anna).await;
        let id = anna.jar.id().unwrap();
        let bits = URL_SAFE_NO_PAD.decode(&id).unwrap();
        assert_eq!(bits.len(), 32);
        ones += bits.iter().map(|byte| byte.count_ones()).sum::<u32>();
        assert!(ids.insert(id), "an id was given twice");
    }
    // Half of the bits, give or take ten standard deviations: a constant or counted part shows.
    let half = SESSIONS * 128;
    assert!(ones.abs_diff(half) < 800, "{ones} of {} bits", half * 2);
    for place in 0..42 {
        let there: BTreeSet<_> = ids.iter().map(|id| id.as_bytes()[place]).collect();
        assert!(there.len() > 32, "place {place} has {} values", there.len());
    }
    // An id that is nearly right opens nothing.
    let mut guess = Browser::new(&app);
    let near = ids.first().unwrap();
    let other = if near.starts_with('A') { "B" } else { "A" };
    guess.jar.plant(&format!("{other}{}", &near[1..]));
    assert!(!is_in(&mut guess).await);
    guess.jar.plant(near);
    assert!(is_in(&mut guess).await);
}

/// Every cookie that the example ever sets has the attributes that are right for it.
#[tokio::test]
async fn wstg_sess_02_cookies_attributes() {
    let mut plain = Settings::default();
    plain.cookie.secure = false;
    let cases = [
        (
            Settings::default(),
            "__Host-id=",
            "HttpOnly; SameSite=Lax; Secure; Path=/",
        ),
        // What the example's own `main` does, because it serves plain HTTP.
        (plain, "id=", "HttpOnly; SameSite=Lax; Path=/"),
    ];
    for (settings, name, attributes) in cases {
        let engine = SessionEngine::in_memory(settings).unwrap();
        let pages = visit(&mut Browser::new(&app(engine))).await;
        let cookies: Vec<_> = pages.iter().map(|page| page.header(SET_COOKIE)).collect();
        let mut given = 0;
        for cookie in cookies.iter().filter(|cookie| !cookie.is_empty()) {
            let (pair, rest) = cookie.split_once("; ").unwrap();
            let value = pair.strip_prefix(name).unwrap();
            // No Domain, so it is for this host alone; and no end, so it ends with the browser.
            match value {
                "" => assert_eq!(rest, format!("{attributes}; Max-Age=0")),
                _ => assert_eq!(rest, attributes),
            }
            given += 1;
        }
        assert_eq!(given, 3, "the form, the log-in, the log-out: {cookies:?}");
    }
}

/// The pages of a whole visit, from the form to the log-out.
async fn visit(b: &mut Browser) -> Vec<Page> {
    let mut pages = vec![b.get("/").await, b.get("/log-in").await];
    let csrf = pages[1].csrf();
    pages.push(try_log_in(b, "anna", "wrong", &csrf).await);
    pages.push(b.get("/log-in").await);
    pages.push(try_log_in(b, "anna", "correct horse", &csrf).await);
    pages.push(b.get("/").await);
    let csrf = pages[5].csrf();
    pages.push(b.post("/log-out", &[("csrf", "forged")]).await);
    pages.push(b.post("/log-out", &[("csrf", &csrf)]).await);
    pages
}

/// The id changes at the log-in, and an id that somebody planted is worth nothing.
#[tokio::test]
async fn wstg_sess_03_session_fixation() {
    let app = app(memory());
    // One that the attacker made up is never adopted.
    let mut victim = Browser::new(&app);
    let made_up = "A".repeat(43);
    victim.jar.plant(&made_up);
    log_in(&mut victim).await;
    assert_ne!(victim.jar.id().unwrap(), made_up);
    assert!(is_in(&mut victim).await);
    let mut attacker = Browser::new(&app);
    attacker.jar.plant(&made_up);
    assert!(!is_in(&mut attacker).await);

    // One that the attacker got from the application itself is left behind.
    let mut attacker = Browser::new(&app);
    attacker.get("/log-in").await;
    let mut victim = attacker.clone();
    log_in(&mut victim).await;
    assert_ne!(victim.jar.id(), attacker.jar.id());
    assert!(is_in(&mut victim).await);
    assert!(!is_in(&mut attacker).await);
}

/// The id travels in the cookie and nowhere else, and no cache keeps an answer that has it.
#[tokio::test]
async fn wstg_sess_04_exposed_session_variables() {
    let app = app(memory());
    let mut anna = Browser::new(&app);
    let mut ids = BTreeSet::new();
    let pages = visit(&mut anna).await;
    for page in &pages {
        let cookie = page.header(SET_COOKIE);
        if cookie.is_empty() {
            continue;
        }
        assert_eq!(page.header(CACHE_CONTROL), "no-store");
        let value = cookie.split(['=', ';']).nth(1).unwrap();
        ids.extend((!value.is_empty()).then(|| value.to_owned()));
    }
    assert_eq!(ids.len(), 2);
    for page in &pages {
        let mut headers = page.headers.clone();
        headers.remove(SET_COOKIE);
        let seen = format!("{headers:?} {}", page.body);
        assert!(ids.iter().all(|id| !seen.contains(id)), "{seen}");
    }

    // Nor is it taken from anywhere else.
    log_in(&mut anna).await;
    let id = anna.jar.id().unwrap();
    let mut stranger = Browser::new(&app);
    for name in ["id", COOKIE_NAME] {
        let page = stranger.get(&format!("/?{name}={id}")).await;
        assert_eq!(page.leads_to().as_deref(), Some("/log-in"));
        let page = stranger.post("/log-in", &[(name, &id)]).await;
        assert_ne!(page.status, StatusCode::OK);
        assert!(!is_in(&mut stranger).await);
    }
    // What is secret is not sent in an address, where histories and logs keep it.
    let csrf = stranger.get("/log-in").await.csrf();
    let in_address = format!("/log-in?name=anna&password=correct+horse&csrf={csrf}");
    stranger.get(&in_address).await;
    assert!(!is_in(&mut stranger).await);
}

/// Forms that did not come from the visitor's own page do nothing.
#[tokio::test]
async fn wstg_sess_05_cross_site_request_forgery() {
    let app = app(memory());
    let (mut anna, mut mallory) = (Browser::new(&app), Browser::new(&app));
    let mallorys = mallory.get("/log-in").await.csrf();
    let before = anna.get("/log-in").await.csrf();
    for forged in ["", "forged", &mallorys] {
        let page = try_log_in(&mut anna, "anna", "correct horse", forged).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(!is_in(&mut anna).await);
    }
    try_log_in(&mut anna, "anna", "correct horse", &before).await;
    // The value from before the log-in is worth nothing after it.
    for forged in ["", "forged", &mallorys, &before] {
        let page = anna.post("/log-out", &[("csrf", forged)]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(is_in(&mut anna).await);
    }
    let link = anna.get("/log-out").await;
    assert_eq!(link.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(is_in(&mut anna).await);
    log_out(&mut anna).await;
    assert!(!is_in(&mut anna).await);
}

/// The log-out is on the page, ends the session on the server, and leaves nothing to go back to.
#[tokio::test]
async fn wstg_sess_06_logout_functionality() {
    let turned = Turned::default();
    let mut anna = Browser::new(&app(turned.engine(Settings::default())));
    log_in(&mut anna).await;
    let page = anna.get("/").await;
    assert!(page.body.contains("Log out"));
    // `Back` asks again.
    assert_eq!(page.header(CACHE_CONTROL), "no-store");
    let mut replay = anna.clone();
    log_out(&mut anna).await;
    assert_eq!(anna.jar.id(), None);
    assert!(!is_in(&mut anna).await);
    // The old cookie, at once and when the stub is forgotten.
    assert!(!is_in(&mut replay.clone()).await);
    turned.pass(3600);
    assert!(!is_in(&mut replay).await);
}

/// Who does nothing is logged out, and in the end who does something too; the server decides.
#[tokio::test]
async fn wstg_sess_07_session_timeout() {
    let (idle, absolute) = (900, 3600);
    let turned = Turned::default();
    let settings = Settings {
        expire: Duration::from_secs(idle),
        lifetime: Some(Duration::from_secs(absolute)),
        ..Settings::default()
    };
    let app = app(turned.engine(settings));

    let mut idler = Browser::new(&app);
    log_in(&mut idler).await;
    for _ in 0..2 {
        turned.pass(idle - 1);
        assert!(is_in(&mut idler).await, "each use starts the time again");
    }
    turned.pass(idle);
    // The browser still sends its cookie.
    assert!(idler.jar.id().is_some());
    assert!(!is_in(&mut idler).await);

    let mut busy = Browser::new(&app);
    log_in(&mut busy).await;
    for _ in 0..5 {
        turned.pass(absolute / 6);
        assert!(is_in(&mut busy).await);
    }
    turned.pass(absolute / 6);
    assert!(!is_in(&mut busy).await);
}

/// What a visitor can put into the session without a log-in does not open the members' page.
#[tokio::test]
async fn wstg_sess_08_session_puzzling() {
    let mut mallory = Browser::new(&app(memory()));
    // A failed log-in keeps the name, to fill in the form again.
    let csrf = mallory.get("/log-in").await.csrf();
    try_log_in(&mut mallory, "anna", "wrong", &csrf).await;
    assert!(!is_in(&mut mallory).await);
    let page = mallory.get("/log-in").await;
    assert!(page.body.contains(r#"value="anna""#));
    assert!(!is_in(&mut mallory).await);
    // Fields that the form does not have are no entries.
    let csrf = page.csrf();
    let form = [
        ("name", "mallory"),
        ("password", "wrong"),
        ("csrf", &csrf),
        ("user", "anna"),
        ("logged_in_at", "1"),
    ];
    mallory.post("/log-in", &form).await;
    assert!(!is_in(&mut mallory).await);
    assert!(mallory.get("/ended").await.leads_to().is_some());
    assert!(!is_in(&mut mallory).await);
}

/// The id never travels unencrypted nor to another host, and one that was stolen all the same is
/// dead when its owner has logged in again.
#[tokio::test]
async fn wstg_sess_09_session_hijacking() {
    let app = app(memory());
    let mut anna = Browser::new(&app);
    let cookie = log_in(&mut anna).await.header(SET_COOKIE);
    // Browsers take a cookie with this prefix over HTTPS only, and only for one host.
    assert!(cookie.starts_with("__Host-"), "{cookie}");
    assert!(cookie.contains("; Secure") && cookie.contains("; HttpOnly"));
    assert!(!cookie.contains("Domain"), "{cookie}");

    let mut thief = anna.clone();
    assert!(is_in(&mut thief).await);
    let csrf = anna.get("/").await.csrf();
    try_log_in(&mut anna, "anna", "correct horse", &csrf).await;
    assert!(is_in(&mut anna).await);
    assert!(!is_in(&mut thief).await);
    // Nor does the thief get the new id by asking with the old one.
    thief.get("/ended").await;
    thief.get("/log-in").await;
    assert_ne!(thief.jar.id(), anna.jar.id());
    assert!(!is_in(&mut thief).await);
    assert!(is_in(&mut anna).await);
}

/// The cookie holds no claims that could be read or forged: it is no JSON Web Token.
#[tokio::test]
async fn wstg_sess_10_json_web_tokens() {
    let app = app(memory());
    let mut anna = Browser::new(&app);
    log_in(&mut anna).await;
    let id = anna.jar.id().unwrap();
    assert!(!id.contains('.'));
    let bits = URL_SAFE_NO_PAD.decode(&id).unwrap();
    assert!(!bits.starts_with(b"{"));
    assert!(bits.windows(4).all(|part| part != b"anna"));

    // One that says `alg: none`, and one that carries the right id along.
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    for claims in [r#"{"user":"anna"}"#, &format!(r#"{{"jti":"{id}"}}"#)] {
        let claims = URL_SAFE_NO_PAD.encode(claims);
        let mut mallory = Browser::new(&app);
        mallory.jar.plant(&format!("{none}.{claims}."));
        assert!(!is_in(&mut mallory).await);
    }
    let mut mallory = Browser::new(&app);
    mallory.jar.plant(&format!("{none}.{id}."));
    assert!(!is_in(&mut mallory).await);
}

/// Two log-ins of one user are two sessions, and each ends by itself. A list of them, their common
/// end, and a limit on how many there may be come with the index of sessions by owner.
#[tokio::test]
async fn wstg_sess_11_concurrent_sessions() {
    let app = app(memory());
    let (mut desk, mut phone) = (Browser::new(&app), Browser::new(&app));
    log_in(&mut desk).await;
    log_in(&mut phone).await;
    assert_ne!(desk.jar.id(), phone.jar.id());
    assert!(is_in(&mut desk).await && is_in(&mut phone).await);
    log_out(&mut desk).await;
    assert!(!is_in(&mut desk).await);
    assert!(is_in(&mut phone).await);
    log_out(&mut phone).await;
    assert!(!is_in(&mut phone).await);
}

/// A clock that the test turns.
#[derive(Default)]
struct Turned(Arc<AtomicU64>);

impl Turned {
    fn engine(&self, settings: Settings) -> SessionEngine {
        let (start, passed) = (SystemTime::now(), Arc::clone(&self.0));
        let clock = Clock::new(move || start + Duration::from_secs(passed.load(Ordering::SeqCst)));
        SessionEngine::builder(settings)
            .clock(clock)
            .in_memory()
            .unwrap()
    }

    fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}
