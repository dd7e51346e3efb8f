//! What must hold for settings whatever their source: ranges, and what fits together.

use std::time::Duration;

use super::misfit::{Misfit, shown};
use super::{Settings, duration};

const SECOND: Duration = Duration::from_secs(1);
const TEN_YEARS: Duration = Duration::from_secs(3650 * 24 * 60 * 60);
const MAX_SIZE: usize = 16 << 20;
const MAX_SESSIONS: usize = 1000;
const MAX_CACHE: usize = 10_000_000;
const MAX_PREFIX: usize = 64;

/// A key, how to get its value, and the least and the greatest one.
type Range = (
    &'static str,
    fn(&Settings) -> Option<Duration>,
    Duration,
    Duration,
    &'static str,
);

const RANGES: &[Range] = &[
    (
        "expire",
        |s| Some(s.expire),
        SECOND,
        TEN_YEARS,
        "1 second to 10 years",
    ),
    (
        "lifetime",
        |s| s.lifetime,
        SECOND,
        TEN_YEARS,
        "1 second to 10 years (for no such limit leave it out)",
    ),
    (
        "renew_grace",
        |s| Some(s.renew_grace),
        Duration::ZERO,
        Duration::from_secs(60 * 60),
        "0 to 1 hour",
    ),
    (
        "timeout",
        |s| Some(s.timeout),
        Duration::from_millis(1),
        Duration::from_secs(60),
        "1 millisecond to 60 seconds",
    ),
];

pub(super) fn check(settings: &Settings) -> Result<(), Misfit> {
    if settings.expire.is_zero() {
        return Err(Misfit::new(
            "expire",
            "is 0, which would end every session the moment it is stored: write how long a session \
             may lie idle, such as 3600 or `30 days`, or leave it out for 900 seconds",
        ));
    }
    for &(key, value, least, greatest, expected) in RANGES {
        match value(settings) {
            Some(value) if value < least || value > greatest => {
                return Err(Misfit::new(
                    key,
                    format!("is {}, expected {expected}", duration::shown(value)),
                ));
            }
            _ => {}
        }
    }
    lifetimes(settings)?;
    max_sessions(settings.max_sessions)?;
    cache(settings.cache)?;
    max_size(settings.max_size)?;
    class(&settings.class)?;
    prefix(&settings.prefix)
}

fn lifetimes(settings: &Settings) -> Result<(), Misfit> {
    let expire = settings.expire;
    if let Some(lifetime) = settings.lifetime
        && expire > lifetime
    {
        return Err(Misfit::new(
            "lifetime",
            format!(
                "is {lifetime:?} and expire {expire:?}, expected a lifetime that is not shorter \
                 than expire, for no session would ever lie idle that long"
            ),
        ));
    }
    let interval = settings.touch_interval;
    if interval >= expire {
        return Err(Misfit::new(
            "touch_interval",
            format!(
                "is {interval:?} and expire {expire:?}, expected a touch_interval shorter than \
                 expire, for sessions in use would end"
            ),
        ));
    }
    Ok(())
}

fn max_sessions(most: Option<usize>) -> Result<(), Misfit> {
    match most {
        Some(most) if !(1..=MAX_SESSIONS).contains(&most) => Err(Misfit::new(
            "max_sessions",
            format!("is {most}, expected 1 to {MAX_SESSIONS} (for no such limit leave it out)"),
        )),
        _ => Ok(()),
    }
}

fn cache(room: usize) -> Result<(), Misfit> {
    if room <= MAX_CACHE {
        return Ok(());
    }
    Err(Misfit::new(
        "cache",
        format!("is {room}, expected 0 (none) to {MAX_CACHE} sessions"),
    ))
}

fn max_size(size: usize) -> Result<(), Misfit> {
    if (1..=MAX_SIZE).contains(&size) {
        return Ok(());
    }
    Err(Misfit::new(
        "max_size",
        format!("is {size}, expected 1 to {MAX_SIZE} bytes (16 MiB)"),
    ))
}

fn class(class: &str) -> Result<(), Misfit> {
    // The one who will write it knows what a class is called.
    let named = storable::Document::of(&()).and_then(|mut object| {
        let root = object.root().id();
        object.bless(root, class)
    });
    named.map_err(|_| {
        Misfit::new(
            "class",
            format!(
                "is {}, expected the name of a class of Perl's, at most 255 letters, digits, _ and :, \
                 such as `Dancer::Session::Redis`",
                shown(class)
            ),
        )
    })
}

/// The characters that are left out mean something in a pattern for keys, or choose the slot of a
/// cluster.
fn prefix(prefix: &str) -> Result<(), Misfit> {
    let fits = |c: char| c.is_ascii_graphic() && !r"*?[]\{}".contains(c);
    if (1..=MAX_PREFIX).contains(&prefix.len()) && prefix.chars().all(fits) {
        return Ok(());
    }
    Err(Misfit::new(
        "prefix",
        format!(
            r"is {}, expected 1 to {MAX_PREFIX} ASCII letters, digits or punctuation without * ? [ ] \ {{ }}, such as `session:`",
            shown(prefix)
        ),
    ))
}
