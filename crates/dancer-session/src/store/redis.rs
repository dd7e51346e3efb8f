//! Payloads in Redis. Each step of the contract is one command or one script, or, for a long payload, a
//! [`transaction`]; faults and the connection are the business of [`link`].

mod beside;
mod channel;
mod circuit;
mod command;
mod fault;
mod frame;
mod here;
mod incoming;
mod line;
mod link;
mod looks;
mod names;
mod pool;
mod script;
mod skills;
mod stream;
mod telling;
mod tracking;
mod transaction;
mod upkeep;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};

use self::command::Command;
use self::fault::{Action, Fault, Outcome, Still};
pub(crate) use self::line::Threads;
use self::link::Link;
use self::script::Script;
use self::tracking::Tracking;
use self::transaction::LONG;
use super::{Create, Enlistment, Renew, Renewal, Replace, Retrieved, Store, Touch};
use crate::cache::Cache;
use crate::{Error, Key, Settings, reports};

/// A [`Store`] in Redis 6.2 or newer, over one connection that all sessions share; payloads of 16 KiB
/// and more are stored again over up to eight others, made when needed.
#[derive(Debug)]
pub struct RedisStore {
    link: Link,
    timeout: Duration,
    flush: Script,
    flush_and_look: Script,
    renew: Script,
    enlist: Script,
}

impl RedisStore {
    /// Connects, so that an address or a password that can't work is found out now.
    ///
    /// # Errors
    ///
    /// Settings without an address; a server that doesn't answer within `timeout`, or refuses.
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        Self::connect_with(settings, Threads::Allowed, None).await
    }

    /// The same; `threads`: whether any may be started; `cache`: what is to forget keys that change.
    pub(crate) async fn connect_with(
        settings: &Settings,
        threads: Threads,
        cache: Option<&Arc<Cache>>,
    ) -> Result<Self, Error> {
        let store = Self::new(settings, threads, cache)?;
        store.link.open(Instant::now() + settings.timeout).await?;
        Ok(store)
    }

    fn new(
        settings: &Settings,
        threads: Threads,
        cache: Option<&Arc<Cache>>,
    ) -> Result<Self, Error> {
        Ok(Self {
            link: Link::new(
                settings,
                threads,
                cache.map(|cache| Tracking::of(cache, &settings.prefix)),
            )?,
            timeout: settings.timeout,
            flush: Script::new("flush", FLUSH, 1),
            flush_and_look: Script::new("flush", FLUSH_AND_LOOK, 1),
            renew: Script::new("renew", include_str!("renew.lua"), 2),
            enlist: Script::new("enlist", include_str!("enlist.lua"), 1),
        })
    }

    /// Whether the server would have told by now if a key that was read had changed: it has answered
    /// something a moment ago.
    pub(crate) fn hears(&self) -> bool {
        self.link.hears(self.timeout)
    }

    /// Asks the server for a sign of life, as long as somebody has this store: while all reads come
    /// from the cache, nobody else would notice that the line is dead.
    pub(crate) fn listen(self: &Arc<Self>) {
        let (store, pause) = (Arc::downgrade(self), self.timeout / 4);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(store) = store.upgrade() else {
                    return;
                };
                if !store.link.hears(pause) {
                    // Whatever comes of it, the link has seen it.
                    drop(store.link.ping(Instant::now() + store.timeout).await);
                }
            }
        });
    }

    /// A connection of its own, on which nothing that is done disturbs the sessions.
    pub(crate) async fn handle(&self, by: Instant) -> Result<MultiplexedConnection, Error> {
        self.link.handle(by).await
    }

    /// A command of the application's; see [`Link::send_beside`].
    pub(crate) async fn send_beside(
        &self,
        command: &Cmd,
        moments: (Instant, Option<Instant>),
    ) -> Result<Value, Error> {
        self.link.send_beside(command, moments).await
    }

    /// Asks for something. Asking twice does no harm, so after a fault of the connection it is asked
    /// for again.
    async fn ask(&self, command: &Command<'_>, by: Instant) -> Result<Value, Fault> {
        loop {
            match self.link.send(command, by).await {
                Err(fault) if fault.row().action == Action::Reconnect => {
                    if fault.is_answer() || Instant::now() >= by {
                        return Err(fault);
                    }
                }
                answer => return answer,
            }
        }
    }

    async fn read(&self, command: &Command<'_>, by: Instant) -> Result<Value, Error> {
        let answer = self.ask(command, by).await;
        answer.map_err(|fault| self.unread(command, &fault))
    }

    /// Asks for something together with what is asked for next.
    async fn read_ahead(&self, command: &Command<'_>, by: Instant) -> Result<Value, Error> {
        match self.link.send_ahead(command, by).await {
            Err(fault) if fault.row().action == Action::GiveUp => Err(self.unread(command, &fault)),
            Err(_) => self.read(command, by).await,
            Ok(value) => Ok(value),
        }
    }

    /// Changes something. Whether it happened when the reply is lost, the engine finds out.
    async fn change(&self, command: &Command<'_>, by: Instant) -> Result<Value, Error> {
        let answer = self.link.send(command, by).await;
        answer.map_err(|fault| self.error(command, &fault))
    }

    /// Runs a script by its hash, and whole if the server has forgotten it.
    async fn run<'k>(
        &self,
        script: &'k Script,
        keys: &[&'k Key],
        by: Instant,
        arguments: impl Fn(Command<'k>) -> Command<'k>,
    ) -> Result<Value, Error> {
        let command = arguments(script.by_hash(keys));
        match self.link.send(&command, by).await {
            Err(fault) if fault.row().action == Action::AgainWhole => {
                // Apart, as it is large and seldom.
                Box::pin(self.change(&arguments(script.whole(keys)), by)).await
            }
            answer => answer.map_err(|fault| self.error(&command, &fault)),
        }
    }

    /// What a fault means to who wanted to read: whatever has become of the command, it has changed
    /// nothing.
    fn unread(&self, command: &Command<'_>, fault: &Fault) -> Error {
        match fault.row().outcome {
            Outcome::NotApplied => self.error(command, fault),
            Outcome::Unknown => Error::not_applied(self.words(command, fault)),
        }
    }

    /// What a fault means to who wanted to change something.
    fn error(&self, command: &Command<'_>, fault: &Fault) -> Error {
        let words = self.words(command, fault);
        if fault.is_of_another_type() {
            return Error::unreadable(format!(
                "{words}; the key holds no session, and was left as it is"
            ));
        }
        let row = fault.row();
        match row.outcome {
            Outcome::NotApplied if row.misconfigured => Error::misconfigured(words),
            Outcome::NotApplied if row.still == Still::ReadsAndEnds => Error::no_room(words),
            Outcome::NotApplied => Error::not_applied(words),
            Outcome::Unknown => Error::unknown(words),
        }
    }

    fn words(&self, command: &Command<'_>, fault: &Fault) -> String {
        format!("{command} at {}: {fault}", self.link.place())
    }

    /// Replaces a payload without a script. `None`: that is left to the script, because the server
    /// does not know how after all (it is another one by now), or because what is there is what was
    /// read again.
    async fn set_if(
        &self,
        key: &Key,
        read: &[u8],
        payload: &[u8],
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Option<Replace>, Error> {
        let command = Command::new("SET", key).key(key).payload(payload);
        let command = command.arg("IFEQ").payload(read);
        let command = command.expiring_in_or_keeping(ttl);
        match self.link.send(&command, by).await {
            Err(fault) if fault.is_syntax() => return Ok(None),
            Err(fault) => return Err(self.error(&command, &fault)),
            Ok(Value::Okay) => return Ok(Some(Replace::Replaced)),
            Ok(Value::Nil) => {}
            Ok(_) => return Err(self.strange(&command)),
        }
        // Nothing was stored: because of what?
        let get = Command::new("GET", key).key(key);
        let there = self.read(&get, by).await?;
        Ok(match self.payload(&get, there)? {
            None => Some(Replace::Gone),
            Some(there) if there == read => None,
            Some(there) => Some(Replace::Changed(there)),
        })
    }

    /// Whether [`replace_and_look`](Self::replace_and_look) can look behind this payload.
    pub(crate) fn may_look(&self, payload: &[u8]) -> bool {
        payload.len() < LONG && self.link.tells_of_scripts()
    }

    /// Replaces a payload, as [`replace`](Store::replace) does. If the server will tell over this
    /// connection of the next change of the key, also how long that has left.
    pub(crate) async fn replace_and_look(
        &self,
        key: &Key,
        read: &[u8],
        payload: &[u8],
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<(Replace, Option<Duration>), Error> {
        if !self.may_look(payload) {
            // Apart, as it is as large once more.
            let replaced = Box::pin(self.replace(key, read, payload, ttl, by)).await?;
            return Ok((replaced, None));
        }
        let (script, keys) = (&self.flush_and_look, [key]);
        let reply = self.run(script, &keys, by, flushing(read, payload, ttl));
        match reply.await? {
            // It could not look, or somebody has taken the key's end away.
            Value::Int(-1) => Ok((Replace::Replaced, None)),
            Value::Int(left @ 0..) => {
                let left = Duration::from_millis(left.unsigned_abs());
                match ttl {
                    // That is the answer to another question.
                    Some(ttl) if left > ttl => Err(self.strange(&script.by_hash(&keys))),
                    _ => Ok((Replace::Replaced, Some(left))),
                }
            }
            reply => Ok((self.not_replaced(key, reply)?, None)),
        }
    }

    fn not_replaced(&self, key: &Key, reply: Value) -> Result<Replace, Error> {
        match reply {
            Value::Nil => Ok(Replace::Gone),
            Value::BulkString(there) => Ok(Replace::Changed(there.into())),
            _ => Err(self.strange(&self.flush.by_hash(&[key]))),
        }
    }

    fn payload(&self, command: &Command<'_>, value: Value) -> Result<Option<Bytes>, Error> {
        match value {
            Value::BulkString(payload) => Ok(Some(payload.into())),
            Value::Nil => Ok(None),
            _ => Err(self.strange(command)),
        }
    }

    fn strange(&self, command: &Command<'_>) -> Error {
        self.link.distrust();
        self.error(command, &Fault::Strange)
    }
}

impl Store for RedisStore {
    async fn retrieve(
        &self,
        key: &Key,
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Option<Retrieved>, Error> {
        let get = || Command::new("GET", key).key(key);
        let getex = |ttl| Command::new("GETEX", key).key(key).expiring_in(ttl);
        let command = ttl.map_or_else(get, |ttl| getex(ttl).or_gentler());
        let (payload, extended) = match self.ask(&command, by).await {
            Ok(value) => (self.payload(&command, value)?, ttl.is_some()),
            // It can't be extended; that is no reason not to read it.
            Err(fault) if ttl.is_some() && fault.row().still != Still::Nothing => {
                self.link.reading_goes_on(&fault);
                let get = get();
                let value = Box::pin(self.read(&get, by)).await?;
                (self.payload(&get, value)?, false)
            }
            Err(fault) => return Err(self.unread(&command, &fault)),
        };
        Ok(payload.map(|payload| Retrieved { payload, extended }))
    }

    async fn peek(&self, key: &Key, by: Instant) -> Result<Option<(Bytes, Duration)>, Error> {
        let get = Command::new("GET", key).key(key);
        let left = Command::new("PTTL", key).key(key);
        // Both are on their way before the first answers: one round trip.
        let (payload, time) = tokio::join!(self.read_ahead(&get, by), self.read(&left, by));
        let payload = match payload? {
            Value::BulkString(payload) => payload.into(),
            Value::Nil => return Ok(None),
            _ => return Err(self.strange(&get)),
        };
        match time? {
            Value::Int(GONE) => Ok(None),
            // A key without an expiry (-1) has 0 left: so it will be given one.
            Value::Int(time) => Ok(Some((
                payload,
                Duration::from_millis(time.try_into().unwrap_or(0)),
            ))),
            _ => Err(self.strange(&left)),
        }
    }

    async fn create(
        &self,
        key: &Key,
        payload: &[u8],
        ttl: Duration,
        by: Instant,
    ) -> Result<Create, Error> {
        let command = Command::new("SET", key).key(key).payload(payload);
        let command = command.expiring_in(ttl).arg("NX");
        match self.change(&command, by).await? {
            Value::Okay => Ok(Create::Created),
            Value::Nil => Ok(Create::Exists),
            _ => Err(self.strange(&command)),
        }
    }

    async fn replace(
        &self,
        key: &Key,
        read: &[u8],
        payload: &[u8],
        ttl: Option<Duration>,
        by: Instant,
    ) -> Result<Replace, Error> {
        if self.link.has_conditional_set() {
            // Apart, as long as few servers have it.
            let answer = Box::pin(self.set_if(key, read, payload, ttl, by));
            if let Some(answer) = answer.await? {
                return Ok(answer);
            }
        } else if payload.len() >= LONG {
            // Apart, as few sessions are so long. Never a stub: the end of a session stays behind all that
            // was sent before over the shared connection.
            let replaced = Box::pin(self.replace_long(key, read, payload, ttl, by));
            if replaced.await? {
                return Ok(Replace::Replaced);
            }
        }
        let keys = [key];
        let reply = self.run(&self.flush, &keys, by, flushing(read, payload, ttl));
        match reply.await? {
            Value::Int(1) => Ok(Replace::Replaced),
            reply => self.not_replaced(key, reply),
        }
    }

    async fn renew(&self, renewal: Renewal<'_>, by: Instant) -> Result<Renew, Error> {
        let Renewal {
            old,
            read,
            stub,
            stub_ttl,
            new,
            payload,
            ttl,
        } = renewal;
        let keys = [old, new];
        let reply = self.run(&self.renew, &keys, by, |command| {
            let command = command.payload(read).payload(stub).milliseconds(stub_ttl);
            command.payload(payload).milliseconds(ttl)
        });
        match reply.await? {
            Value::Int(1) => Ok(Renew::Renewed),
            Value::Int(0) => Ok(Renew::Exists),
            Value::Nil => Ok(Renew::Gone),
            Value::BulkString(there) => Ok(Renew::Changed(there.into())),
            _ => Err(self.strange(&self.renew.by_hash(&[old, new]))),
        }
    }

    async fn touch(&self, key: &Key, ttl: Duration, by: Instant) -> Result<Touch, Error> {
        let command = Command::new("PEXPIRE", key).key(key).milliseconds(ttl);
        let reply = self.link.send_ahead(&command, by).await;
        match reply.map_err(|fault| self.error(&command, &fault))? {
            Value::Int(1) => Ok(Touch::Touched),
            Value::Int(0) => Ok(Touch::Gone),
            _ => Err(self.strange(&command)),
        }
    }

    async fn look(&self, keys: &[Key], by: Instant) -> Result<Vec<Option<Bytes>>, Error> {
        let Some(first) = keys.first() else {
            return Ok(Vec::new());
        };
        let mut payloads = Vec::with_capacity(keys.len());
        for keys in keys.chunks(AT_ONCE) {
            let command = keys.iter().fold(Command::new("MGET", first), Command::key);
            let Value::Array(values) = self.read(&command, by).await? else {
                return Err(self.strange(&command));
            };
            if values.len() != keys.len() {
                return Err(self.strange(&command));
            }
            for value in values {
                payloads.push(match value {
                    Value::BulkString(payload) => Some(payload.into()),
                    Value::Nil => None,
                    _ => return Err(self.strange(&command)),
                });
            }
        }
        Ok(payloads)
    }

    async fn enlist(&self, enlistment: Enlistment<'_>, by: Instant) -> Result<Vec<String>, Error> {
        let keys = [enlistment.index];
        // As large a number as a list can't have: nobody is told of the others.
        let most = enlistment.most.unwrap_or(u32::MAX as usize);
        let reply = self.run(&self.enlist, &keys, by, |command| {
            let command = command.payload(enlistment.member.as_bytes());
            command.milliseconds(enlistment.ttl).number(most)
        });
        let reply = reply.await?;
        texts(reply).ok_or_else(|| self.strange(&self.enlist.by_hash(&keys)))
    }

    async fn delist(&self, index: &Key, member: &str, by: Instant) -> Result<(), Error> {
        let command = Command::new("ZREM", index).key(index);
        let command = command.payload(member.as_bytes());
        let reply = self.link.send_ahead(&command, by).await;
        match reply.map_err(|fault| self.error(&command, &fault))? {
            Value::Int(0 | 1) => Ok(()),
            _ => Err(self.strange(&command)),
        }
    }

    async fn members(&self, index: &Key, by: Instant) -> Result<Vec<String>, Error> {
        let command = Command::new("ZRANGE", index).key(index).arg("0").arg("-1");
        let reply = self.read(&command, by).await?;
        texts(reply).ok_or_else(|| self.strange(&command))
    }

    fn distrust(&self) {
        self.link.distrust();
    }

    fn place(&self) -> String {
        format!("Redis at {}", self.link.place())
    }
}

/// What both ways to end it begin with.
const FLUSH: &str = concat!(include_str!("flush.lua"), "return 1\n");
/// The key is read once more, in the same step: so the server tells of its next change, too. Not with a
/// command that may fail now that the payload is stored.
const FLUSH_AND_LOOK: &str = concat!(
    include_str!("flush.lua"),
    "return tonumber(redis.pcall('PTTL', KEYS[1])) or -1\n"
);

/// The arguments of both.
fn flushing<'k>(
    read: &'k [u8],
    payload: &'k [u8],
    ttl: Option<Duration>,
) -> impl Fn(Command<'k>) -> Command<'k> {
    move |command| {
        let command = command.payload(read).payload(payload);
        match ttl {
            Some(ttl) => command.milliseconds(ttl),
            None => command,
        }
    }
}

/// So many keys are read with one command: a longer one would keep others waiting.
const AT_ONCE: usize = 100;

/// What the members of an index are.
fn texts(reply: Value) -> Option<Vec<String>> {
    let Value::Array(values) = reply else {
        return None;
    };
    let text = |value| match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        _ => None,
    };
    values.into_iter().map(text).collect()
}

/// What `PTTL` answers for a key that isn't there.
const GONE: i64 = -2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Layout;
    use crate::id::SessionId;

    /// Each step is boxed; what is longer than this, glibc does not keep at hand.
    const AT_HAND: usize = 1032;

    #[test]
    fn the_steps_of_every_request_are_small() {
        let settings = Settings {
            server: Some("127.0.0.1:1".into()),
            ..Settings::default()
        };
        let store = RedisStore::new(&settings, Threads::Allowed, None).unwrap();
        let id = SessionId::parse("12345678901234567890", Layout::Dancer).unwrap();
        let (key, ttl, by) = (Key::bare(&id), Duration::ZERO, Instant::now());
        for (step, size) in [
            (
                "retrieve",
                size_of_val(&store.retrieve(&key, Some(ttl), by)),
            ),
            ("create", size_of_val(&store.create(&key, b"", ttl, by))),
            (
                "replace",
                size_of_val(&store.replace(&key, b"", b"", Some(ttl), by)),
            ),
            (
                "replace_and_look",
                size_of_val(&store.replace_and_look(&key, b"", b"", Some(ttl), by)),
            ),
            ("touch", size_of_val(&store.touch(&key, ttl, by))),
        ] {
            assert!(size <= AT_HAND, "{step}: {size}");
        }
    }
}
