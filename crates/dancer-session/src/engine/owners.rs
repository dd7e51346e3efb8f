//! What can be done with all sessions of one owner: list them, end one, end the others, end all.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::time::Instant;

use super::SessionEngine;
use super::doubt::Doubt;
use super::index::{Listed, There};
use crate::id::Mark;
use crate::layout::Content;
use crate::owner::{OwnedHandle, OwnedSession};
use crate::session::Session;
use crate::store::Replace;
use crate::{Error, event};

impl SessionEngine {
    /// The sessions of an owner that are alive, the oldest log-in first: for the page that shows a
    /// user where they are logged in. Two round trips; extends none of them. What can't be read is
    /// left out.
    ///
    /// # Errors
    ///
    /// [`is_unavailable`](Error::is_unavailable).
    pub async fn sessions_of(&self, owner: &str) -> Result<Vec<OwnedSession>, Error> {
        let by = self.deadline();
        let members = self.members(owner, by).await?;
        let mut sessions: Vec<_> = self
            .look(owner, members, by)
            .await?
            .into_iter()
            .filter_map(|(_, there)| match there {
                There::Session(listed) => Some(listed.owned.shown(listed.document.created)),
                There::Stub | There::Nothing | There::Unreadable(_) => None,
            })
            .collect();
        // While it is renewed, a session may be found under both of its keys, and as two log-ins.
        sessions.sort_by_key(|session| (session.handle, Reverse(session.since)));
        sessions.dedup_by_key(|session| session.handle);
        sessions.sort_by_key(|session| (session.since, session.handle));
        Ok(sessions)
    }

    /// Ends the session that has this handle in the list of `owner`, also if it is renewed at this
    /// moment. `false`: there is none, or no longer.
    ///
    /// # Errors
    ///
    /// As [`destroy_all`](Self::destroy_all).
    pub async fn destroy_one(&self, owner: &str, handle: OwnedHandle) -> Result<bool, Error> {
        let ended = self.destroy_where(owner, |one| one == handle).await?;
        Ok(ended > 0)
    }

    /// Ends all sessions of the owner of `session` but this one; how many. For "log out everywhere
    /// else", and after a change of the password.
    ///
    /// # Errors
    ///
    /// [`is_refused`](Error::is_refused) if the session, as it is stored, has no owner; else as
    /// [`destroy_all`](Self::destroy_all).
    pub async fn destroy_others(&self, session: &Session) -> Result<usize, Error> {
        let owned = session
            .shared
            .hand()
            .read()
            .and_then(|read| read.document.owned.clone());
        let owned = owned.ok_or_else(|| {
            Error::refused(
                "a session without an owner has no others: call set_owner and flush before",
            )
        })?;
        self.destroy_where(&owned.owner, |one| one != owned.handle)
            .await
    }

    /// Ends all sessions of an owner; how many. Every session whose log-in was stored before this
    /// was called is ended when it returns, also if it is renewed meanwhile; a log-in that is under
    /// way at this moment may come after it.
    ///
    /// One round trip for each session, and two for all.
    ///
    /// # Errors
    ///
    /// [`is_unavailable`](Error::is_unavailable): some may still be alive; call it again.
    /// [`is_unreadable`](Error::is_unreadable): all others have ended, this one's bytes stay.
    pub async fn destroy_all(&self, owner: &str) -> Result<usize, Error> {
        self.destroy_where(owner, |_| true).await
    }

    async fn destroy_where(
        &self,
        owner: &str,
        wanted: impl Fn(OwnedHandle) -> bool,
    ) -> Result<usize, Error> {
        let (mut ended, mut unreadable) = (0, None);
        let mut stubs = HashSet::new();
        loop {
            // A session that is renewed goes from one member to another, and that stands in the
            // index before the session leaves the first one. So if one has left since we looked, we
            // look again; what has left before was in the list already under its new key.
            let mut left = false;
            let mut members = self.members(owner, self.deadline()).await?;
            members.retain(|member| member.parts().is_some_and(|(handle, ..)| wanted(handle)));
            for (member, there) in self.look(owner, members, self.deadline()).await? {
                match there {
                    There::Session(listed) => match self.end(listed, self.deadline()).await? {
                        Ending::Ended => ended += 1,
                        Ending::Before => left |= stubs.insert(member),
                        Ending::NotTheirs => {}
                    },
                    There::Stub => left |= stubs.insert(member),
                    There::Nothing => {}
                    There::Unreadable(error) => unreadable = Some(error),
                }
            }
            if !left {
                return unreadable.map_or(Ok(ended), Err);
            }
        }
    }

    /// Puts a stub in the place of a session, whatever is flushed meanwhile, as long as it is this
    /// owner's.
    pub(super) async fn end(&self, listed: Listed, by: Instant) -> Result<Ending, Error> {
        let Listed {
            key,
            payload: mut there,
            owned,
            ..
        } = listed;
        let mark = Mark::generate(&self.here.entropy)?;
        let (stub, ttl) = self.stub(&key, mark);
        let mut doubt = Doubt::until(by);
        loop {
            match self.replace(&key, &there, &stub, Some(ttl), by).await {
                Err(error) => doubt.again(error).await?,
                Ok(Replace::Gone) => return Ok(Ending::Before),
                Ok(Replace::Replaced) => {
                    event::destroyed_by_owner(&key);
                    self.delist_later(&key, Some(&owned));
                    return Ok(Ending::Ended);
                }
                Ok(Replace::Changed(newer)) => match self.decode(&key, &newer)? {
                    Content::Stub(stub) if stub.mark == mark => {
                        self.delist_later(&key, Some(&owned));
                        return Ok(Ending::Ended);
                    }
                    Content::Stub(_) => return Ok(Ending::Before),
                    Content::Session(document) if document.owned.as_ref() == Some(&owned) => {
                        there = newer;
                    }
                    Content::Session(_) | Content::Foreign => return Ok(Ending::NotTheirs),
                },
            }
            if Instant::now() >= by {
                return Err(doubt.report(Error::not_applied(format!(
                    "session {}…: other writers were faster until the deadline",
                    key.fingerprint()
                ))));
            }
        }
    }
}

/// What became of a session that was to be ended.
pub(super) enum Ending {
    Ended,
    /// Somebody had ended or renewed it before.
    Before,
    /// It has another owner by now.
    NotTheirs,
}
