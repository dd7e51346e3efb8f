//! Cookies, in and out. Coming in they are read byte by byte, because what a lenient parser accepts
//! as our cookie is somebody else's; going out they are written by a library.

use std::fmt;

use cookie::time::Duration;
use cookie::{Cookie, SameSite as Site};
use dancer_session::{CookieSettings, Duplicates, SameSite, SessionId};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use memchr::{memchr, memchr_iter};
use smallvec::SmallVec;

/// The value of our cookie. A copy, since its header is part of a buffer of the connection's; without an
/// allocation if it is as long as an id.
pub(crate) struct Presented(SmallVec<[u8; 48]>);

impl Presented {
    pub(crate) fn as_str(&self) -> &str {
        // It is, or it would not be here.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Shows how long it is, and not what.
impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

/// The value of our cookie in a request.
///
/// All `Cookie` headers count. Names are compared byte by byte, without any decoding. What is
/// malformed or no UTF-8 is passed over.
pub(crate) fn presented(
    headers: &HeaderMap,
    name: &str,
    duplicates: Duplicates,
) -> Option<Presented> {
    let mut found: Option<&[u8]> = None;
    for header in headers.get_all(COOKIE) {
        for value in pairs(header.as_bytes()).filter_map(|pair| value_of(pair, name.as_bytes())) {
            let differs = found.is_some_and(|other| other != value);
            if duplicates == Duplicates::Refuse && differs {
                tracing::warn!(cookie = name, "duplicate_cookie");
                return None;
            }
            found = Some(value);
        }
    }
    let value = found?;
    std::str::from_utf8(value).ok()?;
    Some(Presented(value.into()))
}

/// What stands between the semicolons.
fn pairs(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr_iter(b';', header).chain([header.len()]);
    ends.scan(0, |start, end| {
        let pair = &header[*start..end];
        *start = end + 1;
        Some(pair)
    })
}

fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (left, right) = pair.split_at(memchr(b'=', pair)?);
    (trim(left) == name).then(|| trim(&right[1..]))
}

/// Without spaces and tabs at both ends, and with everything else: Unicode has more kinds of blanks
/// than cookies have.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The header that gives a client its id.
pub(crate) fn giving(settings: &CookieSettings, id: &SessionId) -> Option<HeaderValue> {
    let mut cookie = base(settings, id.as_str());
    if let Some(expires) = settings.expires {
        let seconds = i64::try_from(expires.as_secs()).unwrap_or(i64::MAX);
        cookie.set_max_age(Duration::seconds(seconds));
    }
    header(&cookie)
}

/// The header that makes a client forget its id.
pub(crate) fn removing(settings: &CookieSettings) -> Option<HeaderValue> {
    let mut cookie = base(settings, "");
    cookie.set_max_age(Duration::ZERO);
    header(&cookie)
}

fn base<'a>(settings: &'a CookieSettings, value: &'a str) -> Cookie<'a> {
    let mut cookie = Cookie::new(settings.name(), value);
    cookie.set_path("/");
    if let Some(domain) = &settings.domain {
        cookie.set_domain(domain);
    }
    cookie.set_secure(settings.secure);
    cookie.set_http_only(settings.http_only);
    cookie.set_same_site(match settings.same_site {
        SameSite::Strict => Site::Strict,
        SameSite::Lax => Site::Lax,
        SameSite::None => Site::None,
    });
    cookie
}

/// `None` can't happen with settings that were checked and ids that the engine made.
fn header(cookie: &Cookie<'_>) -> Option<HeaderValue> {
    HeaderValue::try_from(cookie.to_string()).ok()
}

#[cfg(test)]
mod tests;
