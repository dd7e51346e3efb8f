//! The header that carries the id: golden for every preset, impossible ones refused at the start.

use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use dancer_session::{CookieSettings, Duplicates, SameSite, Settings};
use dancer_session_tower::SessionEngine;
use proptest::prelude::*;

use crate::app::{app, ask, given, set_cookie};

async fn first_answer(cookie: CookieSettings) -> Response<Body> {
    let settings = Settings {
        cookie,
        ..Settings::default()
    };
    let engine = SessionEngine::in_memory(settings).unwrap();
    ask(&app(&engine), "/count", None).await
}

#[tokio::test]
async fn r19_the_header_is_golden_for_every_preset() {
    for (cookie, golden) in presets() {
        let (pair, attributes) = set_cookie(&first_answer(cookie).await).unwrap();
        let (name, id) = pair.split_once('=').unwrap();
        assert_eq!(id.len(), 43);
        assert_eq!(format!("{name}=ID; {attributes}"), golden);
    }
}

#[rustfmt::skip] // one preset, one golden line
fn presets() -> Vec<(CookieSettings, &'static str)> {
    let base = CookieSettings::default;
    vec![
        (base(),
            "__Host-id=ID; HttpOnly; SameSite=Lax; Secure; Path=/"),
        (CookieSettings { same_site: SameSite::Strict, ..base() },
            "__Host-id=ID; HttpOnly; SameSite=Strict; Secure; Path=/"),
        (CookieSettings { same_site: SameSite::None, ..base() },
            "__Host-id=ID; HttpOnly; SameSite=None; Secure; Path=/"),
        (CookieSettings { secure: false, ..base() },
            "id=ID; HttpOnly; SameSite=Lax; Path=/"),
        (CookieSettings { domain: Some("example.com".into()), ..base() },
            "__Secure-id=ID; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com"),
        (CookieSettings { expires: Some(Duration::from_secs(7200)), ..base() },
            "__Host-id=ID; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=7200"),
        (CookieSettings { http_only: false, ..base() },
            "__Host-id=ID; SameSite=Lax; Secure; Path=/"),
        (CookieSettings { name: Some("dancer.session".into()), ..base() },
            "dancer.session=ID; HttpOnly; SameSite=Lax; Secure; Path=/"),
        (CookieSettings {
            name: Some("__Secure-shop".into()),
            domain: Some("shop.example".into()),
            expires: Some(Duration::from_secs(400 * 86_400)),
            ..base()
        },
            "__Secure-shop=ID; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=shop.example; \
             Max-Age=34560000"),
    ]
}

/// What a browser does with such a cookie, by draft-ietf-httpbis-rfc6265bis, section 5.7.
fn a_browser_takes(cookie: &CookieSettings) -> bool {
    let name = cookie.name().to_ascii_lowercase();
    let host_only = cookie.domain.is_none();
    let rules = [
        !name.starts_with("__secure-") || cookie.secure,
        !name.starts_with("__host-") || (cookie.secure && host_only),
        !name.starts_with("__http-") || (cookie.secure && cookie.http_only),
        !name.starts_with("__host-http-") || cookie.http_only,
        cookie.same_site != SameSite::None || cookie.secure,
    ];
    rules.into_iter().all(|rule| rule)
}

#[test]
fn r20_cookies_that_browsers_refuse_are_refused_at_the_start() {
    let names = [
        None,
        Some("id"),
        Some("__Host-id"),
        Some("__hOST-id"),
        Some("__Secure-id"),
        Some("__SECURE-id"),
        Some("__Http-id"),
        Some("__Host-Http-id"),
        Some("Host-id"),
    ];
    let (mut taken, mut refused) = (0, 0);
    for name in names {
        for bits in 0..24 {
            let cookie = CookieSettings {
                name: name.map(str::to_owned),
                secure: bits & 1 == 0,
                http_only: bits & 2 == 0,
                domain: (bits & 4 == 0).then(|| "example.com".to_owned()),
                same_site: [SameSite::Strict, SameSite::Lax, SameSite::None][bits / 8],
                ..CookieSettings::default()
            };
            let settings = Settings {
                cookie: cookie.clone(),
                ..Settings::default()
            };
            match SessionEngine::in_memory(settings) {
                Ok(_) => {
                    assert!(a_browser_takes(&cookie), "not refused: {cookie:?}");
                    taken += 1;
                }
                Err(error) => {
                    assert!(!a_browser_takes(&cookie), "refused: {cookie:?}");
                    assert!(
                        error.is_settings() && error.to_string().contains("session_"),
                        "{error}"
                    );
                    refused += 1;
                }
            }
        }
    }
    assert_eq!(taken + refused, 9 * 24);
    assert!(taken > 50 && refused > 50, "{taken} and {refused}");
}

/// A `Set-Cookie` header as a browser reads it (RFC 6265, section 5.2).
#[derive(Debug, PartialEq, Default)]
struct Read {
    name: String,
    value: String,
    domain: Option<String>,
    path: Option<String>,
    max_age: Option<u64>,
    secure: bool,
    http_only: bool,
    same_site: Option<String>,
}

fn read(header: &str) -> Read {
    let mut parts = header.split(';');
    let (name, value) = parts.next().unwrap().split_once('=').unwrap();
    let mut read = Read {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
        ..Read::default()
    };
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim().to_owned();
        match name.trim().to_ascii_lowercase().as_str() {
            "domain" => read.domain = Some(value.trim_start_matches('.').to_ascii_lowercase()),
            "path" => read.path = Some(value),
            "max-age" => read.max_age = value.parse().ok(),
            "secure" => read.secure = true,
            "httponly" => read.http_only = true,
            "samesite" => read.same_site = Some(value),
            other => panic!("an attribute {other:?} that nobody set"),
        }
    }
    read
}

proptest! {
    /// Whatever the settings: refused, or a browser reads back what they say.
    #[test]
    fn r21_every_header_reads_back_as_it_was_meant(
        name in proptest::option::of(".{0,140}|[!-~]{1,140}"),
        domain in proptest::option::of(".{0,20}|[a-zA-Z0-9.-]{1,260}"),
        expires in proptest::option::of(any::<u64>().prop_map(|n| n % 100_000_000)),
        secure: bool,
        http_only: bool,
    ) {
        let cookie = CookieSettings {
            name,
            domain,
            expires: expires.map(Duration::from_secs),
            secure,
            http_only,
            ..CookieSettings::default()
        };
        let settings = Settings { cookie: cookie.clone(), ..Settings::default() };
        prop_assume!(SessionEngine::in_memory(settings).is_ok());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let response = runtime.block_on(first_answer(cookie.clone()));
        let header = response.headers()["set-cookie"].as_bytes();
        prop_assert!(header.len() <= 4096);
        prop_assert!(header.iter().all(|byte| matches!(byte, b' '..=b'~')));
        let read = read(std::str::from_utf8(header).unwrap());
        prop_assert_eq!(read.value.len(), 43);
        let meant = Read {
            name: cookie.name().to_owned(),
            value: read.value.clone(),
            domain: cookie.domain.map(|domain| domain.trim_start_matches('.').to_ascii_lowercase()),
            path: Some("/".into()),
            max_age: cookie.expires.map(|expires| expires.as_secs()),
            secure,
            http_only,
            same_site: Some("Lax".into()),
        };
        prop_assert_eq!(read, meant);
    }
}

#[tokio::test]
async fn r17_a_cookie_with_an_expiry_slides_and_one_without_does_not() {
    for (expires, again) in [(None, false), (Some(Duration::from_secs(60)), true)] {
        let cookie = CookieSettings {
            expires,
            ..CookieSettings::default()
        };
        let engine = SessionEngine::in_memory(Settings {
            cookie,
            ..Settings::default()
        })
        .unwrap();
        let app = app(&engine);
        let cookie = given(&ask(&app, "/count", None).await);
        for path in ["/read", "/count"] {
            let next = ask(&app, path, Some(&cookie)).await;
            assert_eq!(set_cookie(&next).is_some(), again, "{path}");
        }
        assert_eq!(
            set_cookie(&ask(&app, "/nothing", Some(&cookie)).await),
            None
        );
    }
}

#[tokio::test]
async fn r23_two_different_cookies_are_none_or_the_last() {
    for (duplicates, expected) in [(Duplicates::Refuse, "1"), (Duplicates::LastWins, "2")] {
        let cookie = CookieSettings {
            duplicates: Some(duplicates),
            ..CookieSettings::default()
        };
        let engine = SessionEngine::in_memory(Settings {
            cookie,
            ..Settings::default()
        })
        .unwrap();
        let app = app(&engine);
        let ours = given(&ask(&app, "/count", None).await);
        let theirs = format!("__Host-id={}", "A".repeat(43));
        let both = format!("{theirs}; {ours}");
        let answer = ask(&app, "/count", Some(&both)).await;
        assert_eq!(crate::app::body(answer).await, expected);
    }
}

#[tokio::test]
async fn r24_only_a_log_out_removes_the_cookie_and_as_it_was_set() {
    let cookie = CookieSettings {
        domain: Some("example.com".into()),
        ..CookieSettings::default()
    };
    let engine = SessionEngine::in_memory(Settings {
        cookie,
        ..Settings::default()
    })
    .unwrap();
    let app = app(&engine);
    let (cookie, given) = set_cookie(&ask(&app, "/count", None).await).unwrap();
    let out = ask(&app, "/log-out", Some(&cookie)).await;
    let (removed, attributes) = set_cookie(&out).unwrap();
    assert_eq!(
        (removed.as_str(), attributes),
        ("__Secure-id=", format!("{given}; Max-Age=0"))
    );
    // Neither unknown ids nor malformed ones are removed: the client may be asked by many servers.
    for other in [
        format!("__Secure-id={}", "A".repeat(43)),
        "__Secure-id=".into(),
        "__Secure-id=x".into(),
    ] {
        for path in ["/read", "/log-out"] {
            let answer = ask(&app, path, Some(&other)).await;
            assert_eq!(set_cookie(&answer), None, "{other} {path}");
        }
    }
}
