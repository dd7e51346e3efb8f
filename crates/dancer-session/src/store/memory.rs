//! Payloads in this process's memory: for tests, for trying things out, for a single small server
//! whose sessions may end with it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Create, Enlistment, Renew, Renewal, Replace, Retrieved, Store, Touch};
use crate::lifetime::{Clock, Moment};
use crate::sync::{Mutex, MutexGuard};
use crate::{Error, Key};

/// A [`Store`] that keeps everything in memory, by the same rules as Redis does, expiry included.
pub struct MemoryStore {
    clock: Clock,
    // A plain mutex: it is held for a look-up, and never across an await.
    kept: Mutex<Kept>,
}

#[cfg_attr(test, derive(Clone))]
pub(crate) struct Kept {
    payloads: HashMap<Box<str>, Payload>,
    /// The members of each index, and how long they stay.
    indexes: HashMap<Box<str>, BTreeMap<Box<str>, Moment>>,
    /// When there are so many, those that have expired are thrown out.
    sweep_at: usize,
}

#[cfg_attr(test, derive(Clone))]
struct Payload {
    bytes: Bytes,
    ends: Moment,
}

impl MemoryStore {
    /// An empty store that tells the time by `clock`.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            kept: Mutex::new(Kept {
                payloads: HashMap::new(),
                indexes: HashMap::new(),
                sweep_at: FIRST_SWEEP,
            }),
        }
    }

    /// A copy of all that is stored, to go on from it again.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> Kept {
        self.now().0.clone()
    }

    #[cfg(test)]
    pub(crate) fn keep(&self, kept: Kept) {
        *self.now().0 = kept;
    }

    /// All that is stored now, and the time.
    fn now(&self) -> (MutexGuard<'_, Kept>, Moment) {
        // Nothing panics while it holds this lock half-way through a change.
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept, self.clock.now())
    }
}

const FIRST_SWEEP: usize = 1024;

impl Kept {
    fn get(&mut self, key: &Key, now: Moment) -> Option<&mut Payload> {
        self.payloads
            .get_mut(key.as_str())
            .filter(|payload| now < payload.ends)
    }

    /// An index with the members whose time has not passed.
    fn index(&mut self, key: &Key, now: Moment) -> &mut BTreeMap<Box<str>, Moment> {
        self.indexes
            .retain(|_, members| members.values().any(|ends| now < *ends));
        let members = self.indexes.entry(key.as_str().into()).or_default();
        members.retain(|_, ends| now < *ends);
        members
    }

    fn members(&mut self, key: &Key, now: Moment) -> Vec<String> {
        let members = self.index(key, now);
        members.keys().map(|member| member.to_string()).collect()
    }

    fn put(&mut self, key: &Key, bytes: &[u8], ttl: Duration, now: Moment) {
        if self.payloads.len() >= self.sweep_at {
            self.payloads.retain(|_, payload| now < payload.ends);
            self.sweep_at = (self.payloads.len() * 2).max(FIRST_SWEEP);
        }
        let bytes = Bytes::copy_from_slice(bytes);
        let ends = now.plus(ttl);
        self.payloads
            .insert(key.as_str().into(), Payload { bytes, ends });
    }
}

/// How much there is; keys may be ids, and payloads are secrets.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kept, _) = self.now();
        write!(f, "MemoryStore({} payloads)", kept.payloads.len())
    }
}

impl Store for MemoryStore {
    async fn retrieve(
        &self,
        key: &Key,
        ttl: Option<Duration>,
        _by: Instant,
    ) -> Result<Option<Retrieved>, Error> {
        let (mut kept, now) = self.now();
        Ok(kept.get(key, now).map(|payload| {
            if let Some(ttl) = ttl {
                payload.ends = now.plus(ttl);
            }
            Retrieved {
                payload: payload.bytes.clone(),
                extended: ttl.is_some(),
            }
        }))
    }

    async fn peek(&self, key: &Key, _by: Instant) -> Result<Option<(Bytes, Duration)>, Error> {
        let (mut kept, now) = self.now();
        let found = kept.get(key, now);
        Ok(found.map(|payload| (payload.bytes.clone(), now.until(payload.ends))))
    }

    async fn create(
        &self,
        key: &Key,
        payload: &[u8],
        ttl: Duration,
        _by: Instant,
    ) -> Result<Create, Error> {
        let (mut kept, now) = self.now();
        if kept.get(key, now).is_some() {
            return Ok(Create::Exists);
        }
        kept.put(key, payload, ttl, now);
        Ok(Create::Created)
    }

    async fn replace(
        &self,
        key: &Key,
        read: &[u8],
        payload: &[u8],
        ttl: Option<Duration>,
        _by: Instant,
    ) -> Result<Replace, Error> {
        let (mut kept, now) = self.now();
        match kept.get(key, now) {
            None => Ok(Replace::Gone),
            Some(there) if there.bytes != read => Ok(Replace::Changed(there.bytes.clone())),
            Some(there) => {
                let ttl = ttl.unwrap_or_else(|| now.until(there.ends));
                kept.put(key, payload, ttl, now);
                Ok(Replace::Replaced)
            }
        }
    }

    async fn renew(&self, renewal: Renewal<'_>, _by: Instant) -> Result<Renew, Error> {
        let (mut kept, now) = self.now();
        match kept.get(renewal.old, now) {
            None => return Ok(Renew::Gone),
            Some(there) if there.bytes != renewal.read => {
                return Ok(Renew::Changed(there.bytes.clone()));
            }
            Some(_) => {}
        }
        if kept.get(renewal.new, now).is_some() {
            return Ok(Renew::Exists);
        }
        kept.put(renewal.new, renewal.payload, renewal.ttl, now);
        kept.put(renewal.old, renewal.stub, renewal.stub_ttl, now);
        Ok(Renew::Renewed)
    }

    async fn touch(&self, key: &Key, ttl: Duration, _by: Instant) -> Result<Touch, Error> {
        let (mut kept, now) = self.now();
        match kept.get(key, now) {
            None => Ok(Touch::Gone),
            Some(payload) => {
                payload.ends = now.plus(ttl);
                Ok(Touch::Touched)
            }
        }
    }

    async fn look(&self, keys: &[Key], _by: Instant) -> Result<Vec<Option<Bytes>>, Error> {
        let (mut kept, now) = self.now();
        let look = |key| Some(kept.get(key, now)?.bytes.clone());
        Ok(keys.iter().map(look).collect())
    }

    async fn enlist(&self, enlistment: Enlistment<'_>, _by: Instant) -> Result<Vec<String>, Error> {
        let (mut kept, now) = self.now();
        let Enlistment { index, member, .. } = enlistment;
        let ends = now.plus(enlistment.ttl);
        kept.index(index, now).insert(member.into(), ends);
        let mut others = kept.members(index, now);
        others.retain(|other| other != member);
        let told = enlistment.most.is_some_and(|most| others.len() >= most);
        Ok(if told { others } else { Vec::new() })
    }

    async fn delist(&self, index: &Key, member: &str, _by: Instant) -> Result<(), Error> {
        let (mut kept, now) = self.now();
        kept.index(index, now).remove(member);
        Ok(())
    }

    async fn members(&self, index: &Key, _by: Instant) -> Result<Vec<String>, Error> {
        let (mut kept, now) = self.now();
        Ok(kept.members(index, now))
    }

    fn place(&self) -> String {
        "the memory of this process".into()
    }
}
