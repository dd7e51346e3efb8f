//! Sessions that are given to the engine from outside: begun under an id that was made before, or
//! taken into hand again from their payload.

use bytes::Bytes;

use super::SessionEngine;
use crate::Error;
use crate::hand::Origin;
use crate::id::SessionId;
use crate::layout::Content;
use crate::session::{Read, Session};

impl SessionEngine {
    /// A new id, for a session that [`begin`](Self::begin) will make.
    ///
    /// # Errors
    ///
    /// [`is_unavailable`](Error::is_unavailable): the operating system gives no random bits.
    pub fn new_id(&self) -> Result<SessionId, Error> {
        SessionId::generate(&self.here.entropy, self.here.codec.layout)
    }

    /// A session that is stored by its first flush, with entries or without, under an id that
    /// [`new_id`](Self::new_id) has made. Never give it what a client presented. Should the id be
    /// taken, the flush chooses another one.
    ///
    /// # Errors
    ///
    /// [`is_refused`](Error::is_refused) for what has not the shape of such an id.
    pub fn begin(&self, id: &str) -> Result<Session, Error> {
        let layout = self.here.codec.layout;
        match SessionId::parse(id, layout).filter(|id| id.is_own(layout)) {
            Some(id) => Ok(Session::new(self, Origin::New(id))),
            None => Err(Error::refused(
                "a session can only be begun under an id that this engine has made",
            )),
        }
    }

    /// Takes a session into hand as it was when [`payload`](Session::payload) was asked for, without
    /// asking the store; a flush finds out what has happened since.
    ///
    /// # Errors
    ///
    /// [`is_refused`](Error::is_refused) or [`is_unreadable`](Error::is_unreadable) for what is no
    /// payload of this session.
    pub fn resume(&self, id: &str, payload: Bytes) -> Result<Session, Error> {
        let none = || Error::refused("this is no payload of that session");
        let id = SessionId::parse(id, self.here.codec.layout).ok_or_else(none)?;
        let key = self.key(&id);
        match self.decode(&key, &payload)? {
            Content::Session(document) => {
                let read = Read::new(id, key, payload, document, None);
                Ok(Session::stored(self, read))
            }
            Content::Stub(_) | Content::Foreign => Err(none()),
        }
    }
}
