//! The index of an owner's sessions: a session stands in it before it is stored there, and goes out of
//! it after it has ended, so that whoever ends all of them finds all of them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::SessionEngine;
use super::doubt::Doubt;
use crate::id::SessionId;
use crate::layout::{Content, Document, Key};
use crate::lifetime::Moment;
use crate::owner::{Member, Owned, OwnedHandle, Owner};
use crate::store::Enlistment;
use crate::{Error, OnMaxSessions, event};

/// What the key of a member has at the moment.
pub(super) enum There {
    Session(Listed),
    /// The session was renewed or destroyed.
    Stub,
    /// Nothing, a session that is not this owner's, or what can't be read.
    Nothing,
    Unreadable(Error),
}

/// A session that was found by way of the index.
pub(super) struct Listed {
    pub(super) key: Key,
    pub(super) payload: Bytes,
    pub(super) document: Document,
    pub(super) owned: Arc<Owned>,
}

impl SessionEngine {
    /// What the payload of a session will say of its owner.
    pub(crate) fn owned(&self, owner: Owner) -> Result<Owned, Error> {
        Owned::new(owner, self.here.clock.now(), &self.here.entropy)
    }

    /// Puts a session into the index of its owner, if it has one; to be called before it is stored.
    pub(super) async fn enlist(
        &self,
        key: &Key,
        document: &Document,
        by: Instant,
    ) -> Result<(), Error> {
        if let Some(owned) = &document.owned {
            self.enlisted(key, document.created, owned, None, by)
                .await?;
        }
        Ok(())
    }

    /// The same at a log-in: `false`, and then it is not in the index, if the owner has as many
    /// sessions as the settings allow and no older one is to make room.
    pub(super) async fn enlist_at_login(
        &self,
        id: &SessionId,
        created: Option<Moment>,
        owned: &Arc<Owned>,
        by: Instant,
    ) -> Result<bool, Error> {
        let key = &self.key(id);
        let created = created.unwrap_or_else(|| self.here.clock.now());
        let most = self.here.settings.max_sessions;
        let others = self.enlisted(key, created, owned, most, by).await?;
        let Some(most) = most.filter(|_| !others.is_empty()) else {
            return Ok(true);
        };
        let (mut living, begun) = self.count(owned, others, by).await?;
        let over = (living.len() + begun + 1).saturating_sub(most);
        if over > 0 && self.here.settings.on_max_sessions == OnMaxSessions::Refuse {
            event::too_many_sessions(id);
            self.delist_later(key, Some(owned));
            return Ok(false);
        }
        living.sort_by_key(|listed| (listed.owned.since, listed.owned.handle));
        for oldest in living.into_iter().take(over) {
            event::made_room(id, &oldest.key);
            self.end(oldest, by).await?;
        }
        Ok(true)
    }

    /// Takes a session that has ended out of the index, without making anybody wait for it. Lost, it
    /// does no harm: what has ended is not shown, and the index forgets it in time.
    pub(super) fn delist_later(&self, key: &Key, owned: Option<&Owned>) {
        let Some(owned) = owned else {
            return;
        };
        let (store, by) = (Arc::clone(&self.here.store), self.deadline());
        let index = self.here.codec.index(&owned.owner);
        let member = Member::new(owned, self.here.codec.name(key));
        let reports = Arc::clone(&self.here.reports);
        self.later(async move {
            if let Err(error) = store.delist(&index, member.as_str(), by).await {
                event::delist_failed(&index, &error, &reports);
            }
        });
    }

    /// All that stands in the index of an owner.
    pub(super) async fn members(&self, owner: &str, by: Instant) -> Result<Vec<Member>, Error> {
        let index = self.here.codec.index(owner);
        let members = self.here.store.members(&index, by).await?;
        Ok(members.into_iter().map(Member::from_text).collect())
    }

    /// What is under the keys of these members.
    pub(super) async fn look(
        &self,
        owner: &str,
        members: Vec<Member>,
        by: Instant,
    ) -> Result<Vec<(Member, There)>, Error> {
        let keyed: Vec<_> = members
            .into_iter()
            .filter_map(|member| {
                let (handle, _, name) = member.parts()?;
                let key = self.here.codec.key_named(name)?;
                Some((key, handle, member))
            })
            .collect();
        let keys: Vec<_> = keyed.iter().map(|(key, ..)| key.clone()).collect();
        let payloads = self.here.store.look(&keys, by).await?;
        let found = keyed.into_iter().zip(payloads);
        Ok(found
            .map(|((key, handle, member), payload)| {
                let there = match payload {
                    Some(payload) => self.there(owner, handle, key, payload),
                    None => There::Nothing,
                };
                (member, there)
            })
            .collect())
    }

    fn there(&self, owner: &str, handle: OwnedHandle, key: Key, payload: Bytes) -> There {
        let document = match self.decode(&key, &payload) {
            Ok(Content::Session(document)) => document,
            Ok(Content::Stub(_)) => return There::Stub,
            Ok(Content::Foreign) => return There::Nothing,
            Err(error) => return There::Unreadable(error),
        };
        let is_theirs = |owned: &Arc<Owned>| *owned.owner == *owner && owned.handle == handle;
        let owned = document.owned.clone().filter(is_theirs);
        match owned.filter(|_| self.limit(&document, self.here.clock.now()).is_some()) {
            None => There::Nothing,
            Some(owned) => There::Session(Listed {
                key,
                payload,
                document,
                owned,
            }),
        }
    }

    /// The other sessions of an owner, and how many more are about to be: in the index, but not
    /// stored yet.
    async fn count(
        &self,
        owned: &Owned,
        members: Vec<Member>,
        by: Instant,
    ) -> Result<(Vec<Listed>, usize), Error> {
        let now = self.here.clock.now();
        // Nobody stores what began longer ago.
        let soon = self.here.settings.timeout * 2 + Duration::from_secs(1);
        let (mut living, mut begun) = (Vec::new(), HashSet::new());
        for (member, there) in self.look(&owned.owner, members, by).await? {
            match (there, member.parts()) {
                // An earlier log-in in this very session makes room for this one.
                (_, Some((handle, ..))) if handle == owned.handle => {}
                (There::Session(listed), _) => living.push(listed),
                (There::Nothing, Some((handle, since, _))) if since.until(now) <= soon => {
                    begun.insert(handle);
                }
                _ => {}
            }
        }
        for listed in &living {
            begun.remove(&listed.owned.handle);
        }
        Ok((living, begun.len()))
    }

    async fn enlisted(
        &self,
        key: &Key,
        created: Moment,
        owned: &Owned,
        most: Option<usize>,
        by: Instant,
    ) -> Result<Vec<Member>, Error> {
        let index = self.here.codec.index(&owned.owner);
        let member = Member::new(owned, self.here.codec.name(key));
        let enlistment = Enlistment {
            index: &index,
            member: member.as_str(),
            ttl: self
                .here
                .lifetime
                .of_member(created, owned, self.here.clock.now()),
            most,
        };
        let mut doubt = Doubt::until(by);
        loop {
            match self.here.store.enlist(enlistment, by).await {
                Ok(others) => return Ok(others.into_iter().map(Member::from_text).collect()),
                // Twice does no harm, and the session is not touched yet.
                Err(error) => doubt.again(error).await?,
            }
        }
    }
}
