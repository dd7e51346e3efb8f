//! The keys that a configuration file may hold for us, each with its reader: what is known and how
//! it is read can't drift apart.

use std::path::PathBuf;

use config::ValueKind;

use super::Settings;
use super::misfit::shown;
use super::scalar::{
    filled, flag, fraction, layout, on_max_sessions, on_unavailable, on_unreadable, preset,
    same_site, seconds, secret, text, whole,
};

/// Puts a value into its field; the error is the rest of a sentence that the key begins.
pub(super) type Reader = fn(&mut Settings, &ValueKind) -> Result<(), String>;

pub(super) type Keys = [(&'static str, Reader)];

/// The keys inside `redis_session`.
#[rustfmt::skip] // one line for each key
pub(super) const SECTION: &Keys = &[
    ("class",          |s, v| put(&mut s.class, text(v))),
    ("database",       |s, v| put(&mut s.database, whole(v).map(Some))),
    ("debug",          |s, v| put(&mut s.debug, flag(v))),
    ("expire",         |s, v| put(&mut s.expire, seconds(v))),
    ("layout",         |s, v| put(&mut s.layout, layout(v))),
    ("lifetime",       |s, v| put(&mut s.lifetime, seconds(v).map(Some))),
    ("max_sessions",   |s, v| put(&mut s.max_sessions, whole(v).map(Some))),
    ("max_size",       |s, v| put(&mut s.max_size, whole(v))),
    ("on_max_sessions", |s, v| put(&mut s.on_max_sessions, on_max_sessions(v))),
    ("on_unavailable", |s, v| put(&mut s.on_unavailable, on_unavailable(v))),
    ("on_unreadable",  |s, v| put(&mut s.on_unreadable, on_unreadable(v))),
    ("password",       |s, v| put(&mut s.password, secret(v))),
    // The original had it in older versions; a connection is looked after without it.
    ("ping",           |_, _| Ok(())),
    ("prefix",         |s, v| put(&mut s.prefix, text(v))),
    (PRESET,           |s, v| preset(v).map(|preset| preset.set(s))),
    ("renew_grace",    |s, v| put(&mut s.renew_grace, seconds(v))),
    ("server",         |s, v| put(&mut s.server, filled(v))),
    ("sock",           |s, v| put(&mut s.sock, filled(v).map(|path| path.map(PathBuf::from)))),
    ("timeout",        |s, v| put(&mut s.timeout, fraction(v))),
    ("touch_interval", |s, v| put(&mut s.touch_interval, seconds(v))),
    ("username",       |s, v| put(&mut s.username, filled(v))),
];

/// The key that sets others, which win over it where they stand beside it.
const PRESET: &str = "preset";

/// In which order keys are read: those that may be set by another one after that.
pub(super) fn rank(name: &str) -> bool {
    name != PRESET
}

/// The keys beside it, which Dancer has too.
#[rustfmt::skip]
pub(super) const COOKIE: &Keys = &[
    ("session_domain",       |s, v| put(&mut s.cookie.domain, text(v).map(Some))),
    ("session_expires",      |s, v| put(&mut s.cookie.expires, seconds(v).map(Some))),
    ("session_is_http_only", |s, v| put(&mut s.cookie.http_only, flag(v))),
    ("session_name",         |s, v| put(&mut s.cookie.name, text(v).map(Some))),
    ("session_same_site",    |s, v| put(&mut s.cookie.same_site, same_site(v))),
    ("session_secure",       |s, v| put(&mut s.cookie.secure, flag(v))),
];

pub(super) fn reader(keys: &Keys, name: &str) -> Option<Reader> {
    let found = keys.iter().find(|(key, _)| *key == name);
    found.map(|&(_, reader)| reader)
}

/// The reader of a key inside `redis_session`; the error says that it is not known.
pub(super) fn known(name: &str) -> Result<Reader, String> {
    reader(SECTION, name).ok_or_else(|| {
        let nearest = nearest(SECTION, name).map_or("", |(key, _)| key);
        format!(
            "{} is not a known key, the nearest one is `{nearest}`",
            shown(name)
        )
    })
}

/// The known key that is most like `name`, and how many slips of the pen lie between them.
pub(super) fn nearest(keys: &Keys, name: &str) -> Option<(&'static str, usize)> {
    keys.iter()
        .map(|&(key, _)| (key, strsim::damerau_levenshtein(key, name)))
        .min_by_key(|&(_, distance)| distance)
}

fn put<T>(field: &mut T, value: Result<T, String>) -> Result<(), String> {
    *field = value?;
    Ok(())
}
