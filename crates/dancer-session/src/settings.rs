//! What an engine is told before it starts: where its Redis is, how long sessions live, what their
//! cookie looks like.
//!
//! Settings come from code, from a Dancer application's configuration file, or from a URL. Checks
//! that hold for all three are in `limits` and `cookie`; what a file may hold is in `keys`.

mod address;
mod cookie;
mod duration;
mod file;
mod keys;
mod limits;
mod misfit;
mod preset;
mod scalar;
mod server;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::address::Target;
use self::misfit::Misfit;
use self::preset::Preset;
use crate::Error;

pub use self::address::Address;
pub use self::cookie::{CookieSettings, Duplicates, SameSite};

/// What an engine is told before it starts. [`Settings::default`] is safe and lacks only an address.
///
/// Each field says which key sets it in a configuration file: a key of `redis_session`, and for
/// the cookie a `session_*` key beside it. Durations are in seconds there, or in Dancer's form
/// such as `2 hours`. `Debug` shows neither a password nor a URL that may hold one.
///
/// ```
/// use dancer_session::Settings;
/// use std::time::Duration;
///
/// let settings = Settings {
///     server: Some("redis.example.com:6379".into()),
///     expire: Duration::from_secs(3600),
///     ..Settings::default()
/// };
/// settings.validate()?;
/// assert_eq!(settings.address()?.to_string(), "redis.example.com:6379");
/// # Ok::<(), dancer_session::Error>(())
/// ```
#[derive(Clone)]
pub struct Settings {
    /// Where Redis listens: `host:port`, `host` (port 6379), or a URL. Default: none; this or
    /// `sock` is required for an engine on Redis.
    ///
    /// URLs are `redis://user:password@host:6379/1`, the same with `rediss://` for TLS (the
    /// certificate is always verified), and `unix:///run/redis.sock?db=1`. Characters of user and
    /// password that mean something in a URL are percent-encoded. `username`, `password` and
    /// `database` win over what a URL says.
    pub server: Option<String>,

    /// The path of the socket on which Redis listens. Default: none. Wins over `server`, of which
    /// then nothing is read, neither user nor database.
    pub sock: Option<PathBuf>,

    /// The user (ACL) to log in as. Default: none, which is Redis' user `default`. Needs a
    /// password.
    pub username: Option<String>,

    /// The password to log in with. Default: none, no log-in. In a file it stands in quotes.
    pub password: Option<Secret>,

    /// The number of the database in which sessions are kept. Default: none, which is what the URL
    /// says, else 0.
    pub database: Option<u32>,

    /// How long a session may lie idle before it ends: every retrieve and every flush starts this
    /// time again. Default: 900 seconds. From 1 second to 10 years.
    pub expire: Duration,

    /// How long a session lives at most, counted from its creation, however busy it is. Default:
    /// none, no such limit, but 30 days for sessions that have an owner. From `expire` to 10 years.
    pub lifetime: Option<Duration>,

    /// How much idle time may go unnoticed: a session's life is extended only when this much of it
    /// has gone by. Default: 0, every retrieve extends, exactly. More spares Redis writes, and lets
    /// sessions end that much before `expire`, which it must be shorter than.
    pub touch_interval: Duration,

    /// How many sessions one owner ([`set_owner`](crate::Session::set_owner)) may have at a time.
    /// Default: none, as many as there are log-ins. From 1 to 1000. Each log-in then reads the other
    /// sessions of its owner once there are so many.
    pub max_sessions: Option<usize>,

    /// What becomes of a log-in that would be one more. Default: [`OnMaxSessions::EndOldest`].
    pub on_max_sessions: OnMaxSessions,

    /// How many sessions this process keeps after reading or storing them, so that reading them again
    /// costs nothing. Default: 0, none. At most 10 million; each takes its payload and about 400 bytes.
    ///
    /// The server tells at once what has changed ("client tracking", Redis 6 or newer). Until the word
    /// has come, usually well below a millisecond, a session that another process has changed or ended
    /// is read as it was: [`retrieve_fresh`](crate::SessionEngine::retrieve_fresh) goes round the cache.
    /// Changes are as exact as ever. What a flush of this process has stored is kept, too, up to 16 KiB,
    /// if the server tells of all that scripts do to a key; whether it does, each new connection tries
    /// with a key of its own that ends after a millisecond. When the connection is lost, or says nothing for `timeout`, nothing is read
    /// from the cache. Sessions in use are extended only once in a tenth of `expire`, by which they
    /// may end too early. Of a `SWAPDB` the server tells nobody: don't exchange databases under a cache.
    /// Only with Redis, and not in Perl.
    pub cache: usize,

    /// How long after a `renew` or a `destroy` the old id is remembered, so that a late request
    /// with the old cookie is refused quietly. Default: 30 seconds. From 0 (forgotten at once) to
    /// 1 hour.
    pub renew_grace: Duration,

    /// How long one operation may take, reconnecting included; then it is an error that says the
    /// store is unavailable. Default: 1 second. From 1 millisecond to 60 seconds. In a file,
    /// fractions such as `0.5` are allowed.
    pub timeout: Duration,

    /// The greatest size of an encoded session, in bytes. Default: 1 MiB (1048576). From 1 byte to
    /// 16 MiB. A larger one is refused when it is written, and unreadable when it is found.
    pub max_size: usize,

    /// How keys and payloads look in Redis. Default: [`Layout::Native`].
    pub layout: Layout,

    /// The class of Perl's that sessions are blessed into, in the Dancer layout. Default:
    /// `Dancer::Session::Redis`. A session that was read keeps the class it has.
    pub class: String,

    /// What every key in Redis begins with, in the native layout. Default: `session:`. Two applications with the same
    /// prefix in the same database read each other's sessions. Not empty, at most 64 bytes, of
    /// ASCII letters, digits and punctuation without `* ? [ ] \ { }`.
    pub prefix: String,

    /// What a visitor gets whose stored session can't be read. Default: [`OnUnreadable::Refuse`].
    pub on_unreadable: OnUnreadable,

    /// What a visitor gets whose session can't be had, because Redis can't be. Default:
    /// [`OnUnavailable::Refuse`].
    pub on_unavailable: OnUnavailable,

    /// Whether to tell about every interaction with the server on standard error. Default: false.
    pub debug: bool,

    /// The cookie that carries the id.
    pub cookie: CookieSettings,
}

impl Settings {
    /// Reads a Dancer application's configuration: the file at `path` (its `config.yml`), with
    /// `environments/<name>.yml` beside it merged deeply over it if there is one.
    ///
    /// The name is that in `DANCER_ENVIRONMENT`, else in `PLACK_ENV`, else `development`. Only
    /// `redis_session` and the `session_*` keys are looked at. The settings are checked and have
    /// an address; the error for the first mistake names its key and its file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        file::read(path.as_ref(), &file::environment())
    }

    /// As [`from_file`](Self::from_file), with the environment's name as an argument. A name
    /// without a file means the file at `path` alone.
    pub fn from_file_in(path: impl AsRef<Path>, environment: &str) -> Result<Self, Error> {
        file::read(path.as_ref(), environment)
    }

    /// Reads the keys of `redis_session`, each value as Perl prints it. A key without a value is one
    /// that is not set. The settings are checked and have an address.
    ///
    /// # Errors
    ///
    /// [`is_settings`](Error::is_settings) names the first key that is not known, with the nearest
    /// one, or whose value can't be.
    pub fn from_texts<'a>(
        texts: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Error> {
        let mut settings = Self::default();
        let mut texts: Vec<_> = texts.into_iter().collect();
        texts.sort_by_key(|(name, _)| keys::rank(name));
        for (name, text) in texts {
            let reader = keys::known(name).map_err(Error::settings)?;
            reader(&mut settings, &config::ValueKind::String(text.into()))
                .map_err(|said| Error::settings(format!("redis_session: {name} {said}")))?;
        }
        settings
            .check()
            .and_then(|()| Target::of(&settings).map(drop))
            .map_err(|misfit| misfit.into_error_in("redis_session"))?;
        Ok(settings)
    }

    /// Whether a key of `redis_session` is known; the error names the nearest one.
    ///
    /// # Errors
    ///
    /// [`is_settings`](Error::is_settings).
    pub fn knows(name: &str) -> Result<(), Error> {
        keys::known(name).map(drop).map_err(Error::settings)
    }

    /// The defaults with the limits of time that NIST SP 800-63B sets for authenticator assurance
    /// level 1: 30 days at most (section 4.1.3 of its revision 3), of which all may be idle. In a
    /// file: `preset: aal1`; `expire` and `lifetime` beside it win.
    ///
    /// A preset is only about time: what else a level demands is the application's business. They
    /// keep within revision 4, too, which allows more at level 2.
    pub fn aal1() -> Self {
        Preset::Aal1.settings()
    }

    /// The same for level 2: 12 hours at most, 30 minutes idle (section 4.2.3). In a file:
    /// `preset: aal2`.
    pub fn aal2() -> Self {
        Preset::Aal2.settings()
    }

    /// The same for level 3: 12 hours at most, 15 minutes idle (section 4.3.3). In a file:
    /// `preset: aal3`.
    pub fn aal3() -> Self {
        Preset::Aal3.settings()
    }

    /// The defaults with the Redis at `url`: `redis://`, `rediss://` or `unix://`, as described at
    /// [`server`](Self::server).
    pub fn from_url(url: &str) -> Result<Self, Error> {
        Self::at(url).map_err(Misfit::into_error)
    }

    /// The defaults with the Redis whose URL is in the environment variable `REDIS_URL`. It is an
    /// error when that is not set.
    pub fn from_env() -> Result<Self, Error> {
        match std::env::var("REDIS_URL") {
            Ok(url) if !url.is_empty() => {
                Self::at(&url).map_err(|misfit| misfit.into_error_in("REDIS_URL"))
            }
            Err(std::env::VarError::NotUnicode(_)) => Err(Error::settings(
                "the environment variable REDIS_URL is not UTF-8: percent-encode what is not ASCII",
            )),
            _ => Err(Error::settings(
                "the environment variable REDIS_URL is not set: set it to the URL of a Redis, \
                 such as redis://localhost:6379/0",
            )),
        }
    }

    /// Checks everything that can be said without asking a server: ranges, and combinations that
    /// Redis or browsers reject. The error names the key and what was expected.
    ///
    /// An address is not demanded, since a store in memory has none; see
    /// [`address`](Self::address).
    pub fn validate(&self) -> Result<(), Error> {
        self.check().map_err(Misfit::into_error)
    }

    /// Where the server is: `sock`, else `server`. An error when neither is set, or when `server`
    /// is not one of its forms.
    pub fn address(&self) -> Result<Address, Error> {
        match Target::of(self) {
            Ok(target) => Ok(target.address),
            Err(misfit) => Err(misfit.into_error()),
        }
    }

    /// All that the client needs in order to connect: address, user, password, database.
    pub(crate) fn connection(&self) -> Result<redis::ConnectionInfo, Error> {
        Target::of(self).map_err(Misfit::into_error)?.connection()
    }

    fn at(url: &str) -> Result<Self, Misfit> {
        let settings = Self {
            server: Some(server::url(url)?),
            ..Self::default()
        };
        Target::of(&settings)?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), Misfit> {
        limits::check(self)?;
        self.cookie.check()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: None,
            sock: None,
            username: None,
            password: None,
            database: None,
            expire: Duration::from_secs(900),
            lifetime: None,
            touch_interval: Duration::ZERO,
            cache: 0,
            max_sessions: None,
            on_max_sessions: OnMaxSessions::default(),
            renew_grace: Duration::from_secs(30),
            timeout: Duration::from_secs(1),
            max_size: 1 << 20,
            layout: Layout::default(),
            class: "Dancer::Session::Redis".into(),
            prefix: "session:".into(),
            on_unreadable: OnUnreadable::default(),
            on_unavailable: OnUnavailable::default(),
            debug: false,
            cookie: CookieSettings::default(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("server", &self.server.as_deref().map(server::redacted))
            .field("sock", &self.sock)
            .field("username", &self.username)
            .field("password", &self.password)
            .field("database", &self.database)
            .field("expire", &self.expire)
            .field("lifetime", &self.lifetime)
            .field("touch_interval", &self.touch_interval)
            .field("cache", &self.cache)
            .field("max_sessions", &self.max_sessions)
            .field("on_max_sessions", &self.on_max_sessions)
            .field("renew_grace", &self.renew_grace)
            .field("timeout", &self.timeout)
            .field("max_size", &self.max_size)
            .field("layout", &self.layout)
            .field("class", &self.class)
            .field("prefix", &self.prefix)
            .field("on_unreadable", &self.on_unreadable)
            .field("on_unavailable", &self.on_unavailable)
            .field("debug", &self.debug)
            .field("cookie", &self.cookie)
            .finish()
    }
}

/// How keys and payloads look in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Layout {
    /// JSON under a prefixed key that does not show the id. In a file: `native`.
    #[default]
    Native,
    /// Perl's Storable under the bare id, shared with a Dancer application. In a file: `dancer`.
    ///
    /// Who reads the server's memory, its dump or its log has usable ids; the database should hold
    /// nothing but sessions. See the guide `docs/from-dancer.md`.
    Dancer,
}

/// What becomes of a log-in when its owner has [`max_sessions`](Settings::max_sessions) already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnMaxSessions {
    /// The session with the oldest log-in ends. In a file: `end_oldest`.
    #[default]
    EndOldest,
    /// The log-in is refused, and stores nothing
    /// ([`Flushed::TooMany`](crate::Flushed::TooMany)). In a file: `refuse`. Who has lost a device
    /// can log in again when the session there has ended, or somebody ends it
    /// ([`destroy_one`](crate::SessionEngine::destroy_one)).
    Refuse,
}

/// What a visitor gets whose stored session is there but can't be read: damaged, of a newer
/// version, or over a limit. The stored bytes stay in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnreadable {
    /// An error, so that somebody looks at it. In a file: `error`.
    #[default]
    Refuse,
    /// An empty session, with a new id on its first write: the visitor has to log in again, and
    /// nobody is told but by an event. In a file: `anonymous`.
    Anonymous,
}

/// What a visitor gets whose session can't be had, because Redis does not answer. The session itself
/// and the cookie stay in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnavailable {
    /// An error, over HTTP a 503. In a file: `error`.
    #[default]
    Refuse,
    /// An empty session that stores nothing ([`Session::is_read_only`](crate::Session::is_read_only)),
    /// so that public pages go on; whoever has logged in looks logged out meanwhile. A request that
    /// changes its session, or logs out, gets the error all the same. In a file:
    /// `anonymous_read_only`.
    ReadOnly,
}

/// A text that `Debug` does not show.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text itself. Whoever calls this keeps it out of logs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
