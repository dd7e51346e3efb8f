//! The cookie that carries the id: its name and attributes, and what browsers accept of them.

use std::time::Duration;

use super::misfit::{Misfit, shown};
use super::{Layout, duration};
use crate::Error;

/// The longest life that browsers grant a cookie.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// With the longest domain and every attribute, the header stays far below the 4096 bytes that
/// browsers take.
const LONGEST_NAME: usize = 128;

/// The longest name of a host that there is.
const LONGEST_DOMAIN: usize = 253;

/// The cookie that carries the id. In a file these are Dancer's `session_*` keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieSettings {
    /// The cookie's name. Default: none, which is `__Host-id`, `__Secure-id` when `domain` is set,
    /// or `id` when `secure` is off; in the Dancer layout `dancer.session`, as in Dancer. Changing it logs everybody out. In a file: `session_name`.
    pub name: Option<String>,

    /// How long the browser keeps the cookie, from the last answer that carried it. Default: none,
    /// until the browser is closed. From 1 second to 400 days; it does not lengthen the session,
    /// see `expire`. In a file: `session_expires`.
    pub expires: Option<Duration>,

    /// The domain whose hosts all get the cookie. Default: none, only the host that sent it, which
    /// is safer. In a file: `session_domain`.
    pub domain: Option<String>,

    /// Whether the cookie travels over HTTPS only. Default: true. Off means that whoever listens
    /// to the network gets the session; it is never derived from the request. In a file:
    /// `session_secure`.
    pub secure: bool,

    /// Whether the cookie is hidden from scripts in the page. Default: true. In a file:
    /// `session_is_http_only`.
    pub http_only: bool,

    /// Whether the cookie travels with requests from other sites. Default: [`SameSite::Lax`]. In a
    /// file: `session_same_site`.
    pub same_site: SameSite,

    /// What a request means that carries two different cookies of our name. Default: none, which is
    /// [`Duplicates::Refuse`], in the Dancer layout [`Duplicates::LastWins`]. Not in a file.
    pub duplicates: Option<Duplicates>,
}

impl CookieSettings {
    /// The cookie's name, the default resolved.
    pub fn name(&self) -> &str {
        match &self.name {
            Some(name) => name,
            None if !self.secure => "id",
            None if self.domain.is_some() => "__Secure-id",
            None => "__Host-id",
        }
    }

    /// What two different cookies mean, the default resolved.
    pub fn duplicates(&self) -> Duplicates {
        self.duplicates.unwrap_or(Duplicates::Refuse)
    }

    /// Fills in what has another default in this layout: what Dancer does.
    pub(crate) fn settle(&mut self, layout: Layout) {
        if layout == Layout::Dancer {
            self.name.get_or_insert_with(|| "dancer.session".into());
            self.duplicates.get_or_insert(Duplicates::LastWins);
        }
    }

    /// Checks what can't stand in a cookie, and the combinations that browsers reject. The error
    /// names the key as it is called in a file, and what to do.
    pub fn validate(&self) -> Result<(), Error> {
        self.check().map_err(Misfit::into_error)
    }

    pub(super) fn check(&self) -> Result<(), Misfit> {
        self.check_name()?;
        self.check_expires()?;
        self.check_domain()?;
        if self.same_site == SameSite::None && !self.secure {
            return Err(Misfit::new(
                "session_same_site",
                "is None without session_secure, and browsers drop such a cookie: turn \
                 session_secure on, or write Lax",
            ));
        }
        Ok(())
    }

    fn check_name(&self) -> Result<(), Misfit> {
        let name = self.name();
        let wrong = if name.is_empty() || !name.chars().all(may_be_in_name) {
            "expected ASCII letters, digits and ! # $ % & ' * + - . ^ _ ` | ~ only"
        } else if name.len() > LONGEST_NAME {
            "expected at most 128 characters"
        } else if starts_with(name, "__Host-") && !self.secure {
            "but browsers accept __Host- only with session_secure: turn that on, or choose a name \
             without __Host-"
        } else if starts_with(name, "__Host-") && self.domain.is_some() {
            "but browsers accept __Host- only without session_domain: leave that out, or choose a \
             name without __Host-"
        } else if starts_with(name, "__Secure-") && !self.secure {
            "but browsers accept __Secure- only with session_secure: turn that on, or choose a \
             name without __Secure-"
        } else if starts_with(name, "__Http-") && !(self.secure && self.http_only) {
            "but browsers accept __Http- only with session_secure and session_is_http_only: turn \
             both on, or choose a name without __Http-"
        } else if starts_with(name, "__Host-Http-") && !self.http_only {
            "but browsers accept __Host-Http- only with session_is_http_only: turn that on, or \
             choose a name without __Host-Http-"
        } else {
            return Ok(());
        };
        Err(Misfit::new(
            "session_name",
            format!("is {}, {wrong}", shown(name)),
        ))
    }

    fn check_expires(&self) -> Result<(), Misfit> {
        match self.expires {
            Some(expires) if expires < Duration::from_secs(1) => Err(Misfit::new(
                "session_expires",
                format!(
                    "is {}, with which browsers drop the cookie at once: leave it out for \
                     a cookie that ends with the browser, or write 1 second to 400 days",
                    duration::shown(expires)
                ),
            )),
            Some(expires) if expires > LONGEST => Err(Misfit::new(
                "session_expires",
                format!(
                    "is {expires:?}, longer than browsers keep a cookie: write at most `400 days`"
                ),
            )),
            _ => Ok(()),
        }
    }

    fn check_domain(&self) -> Result<(), Misfit> {
        match &self.domain {
            Some(domain)
                if domain.is_empty()
                    || domain.len() > LONGEST_DOMAIN
                    || !domain.chars().all(may_be_in_domain) =>
            {
                Err(Misfit::new(
                    "session_domain",
                    format!(
                        "is {}, expected a domain of the characters A-Z a-z 0-9 . - only, such as \
                         `example.com`: no scheme, no port, no path",
                        shown(domain)
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}

impl Default for CookieSettings {
    fn default() -> Self {
        Self {
            name: None,
            expires: None,
            domain: None,
            secure: true,
            http_only: true,
            same_site: SameSite::Lax,
            duplicates: None,
        }
    }
}

/// Whether a cookie travels with requests that another site caused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Never: whoever follows a link to this site arrives without a session.
    Strict,
    /// Only when the visitor follows a link here; not with forms and scripts of other sites.
    Lax,
    /// Always, so that every site can act in the visitor's name unless the application prevents
    /// it. Needs `secure`.
    None,
}

/// What two different cookies of our name in one request mean: a browser sends them when another
/// host of the same domain, or somebody on the network, has set one as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// Nobody can tell which one is ours, so the visitor is anonymous.
    Refuse,
    /// The last one counts, as in Dancer.
    LastWins,
}

/// Browsers compare the prefixes without regard to case.
fn starts_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// RFC 6265, section 4.1.1, with the grammar of RFC 9110, section 5.6.2.
fn may_be_in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

fn may_be_in_domain(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".-".contains(c)
}
