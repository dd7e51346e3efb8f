//! A session in an application's hands: what was read, and a list of changes. Plain calls that do
//! no I/O; only [`flush`](Session::flush) does.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::Mutex as AsyncMutex;

use crate::cache::Kept;
use crate::change::Change;
use crate::engine::{Flushed, SessionEngine, run_to_end};
use crate::hand::{Hand, Origin, OwnerChange};
use crate::id::SessionId;
use crate::layout::{Document, Entries, Key};
use crate::lifetime::Moment;
use crate::login::CSRF;
use crate::sync::{Mutex, MutexGuard};
use crate::{Adopted, Error, OwnedHandle, Owner, event};

/// A session. Clones share it: what one sets, the others see.
///
/// Nothing reaches the store before [`flush`](Self::flush). Changes are kept as operations and
/// applied to what is stored at that moment, so requests that run side by side lose nothing: see
/// [`set`](Self::set) and [`update`](Self::update).
#[derive(Clone)]
pub struct Session {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) engine: SessionEngine,
    hand: Mutex<Hand>,
    /// Held through a flush: clones flush one after the other.
    pub(crate) flushing: AsyncMutex<()>,
}

/// A session as it was read, or as it was stored just now. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Read(Arc<Stored>);

/// What is stored, and where.
pub(crate) struct Stored {
    pub(crate) id: SessionId,
    pub(crate) key: Key,
    pub(crate) payload: Bytes,
    pub(crate) document: Document,
    /// When its key had all of `expire` to live, if that is known.
    pub(crate) extended: Option<Moment>,
    /// For the cache.
    pub(crate) kept: Kept,
}

impl Read {
    pub(crate) fn new(
        id: SessionId,
        key: Key,
        payload: Bytes,
        mut document: Document,
        extended: Option<Moment>,
    ) -> Self {
        document.entries = document.entries.without_index();
        Self(Arc::new(Stored {
            id,
            key,
            payload,
            document,
            extended,
            kept: Kept::default(),
        }))
    }

    /// Whether both come from the same read.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Read {
    type Target = Stored;

    fn deref(&self) -> &Stored {
        &self.0
    }
}

/// How often an update is tried while clones of its session change that: more often than chance.
const TRIES: u32 = 100;

impl Session {
    pub(crate) fn stored(engine: &SessionEngine, read: Read) -> Self {
        Self::new(engine, Origin::Stored(read))
    }

    pub(crate) fn anonymous(engine: &SessionEngine) -> Self {
        Self::new(engine, Origin::Anonymous)
    }

    pub(crate) fn read_only(engine: &SessionEngine) -> Self {
        Self::new(engine, Origin::Unavailable)
    }

    pub(crate) fn ended(engine: &SessionEngine, id: SessionId) -> Self {
        Self::new(engine, Origin::Ended(id))
    }

    pub(crate) fn new(engine: &SessionEngine, origin: Origin) -> Self {
        let engine = engine.for_request();
        let hand = Hand::new(origin, engine.no_entries());
        let shared = Shared {
            engine,
            hand: Mutex::new(hand),
            flushing: AsyncMutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The id it is stored under. `None` for a visitor's session that was not stored yet, and after
    /// [`destroy`](Self::destroy).
    pub fn id(&self) -> Option<SessionId> {
        self.shared.hand().id().cloned()
    }

    /// Decodes one entry; the others cost nothing. `None`: there is none of this name; in the Dancer
    /// layout also one that Perl has left undefined, unless a `T` can be that.
    ///
    /// # Errors
    ///
    /// [`is_entry`](Error::is_entry): it is there, but can't be read as a `T`. It stays as it is.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        // Decoded outside the lock: that is the application's code.
        let found = self.shared.hand().entries().find(name);
        match found {
            Some(value) => value.decode(name),
            None => Ok(None),
        }
    }

    /// Sets an entry. When requests that run side by side set the same one, the last to flush wins;
    /// for anything that depends on the old value there is [`update`](Self::update).
    ///
    /// # Errors
    ///
    /// [`is_refused`](Error::is_refused) for the reserved names `id`, `__created`, `__owner`, `__w`
    /// and `__ended`; [`is_entry`](Error::is_entry) for a value that JSON, or Perl, can't
    /// hold.
    pub fn set(&self, name: &str, value: impl Serialize) -> Result<(), Error> {
        let layout = self.shared.engine.settings().layout;
        self.change(Change::set(layout, name, &value)?)
    }

    /// Makes the new value of an entry from the old one, exactly, whatever other requests do: when
    /// another one was faster, `f` is called again with the value that is stored by then. So `f`
    /// should do nothing but compute. One that holds this session keeps it alive until it is flushed.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get) and [`set`](Self::set); [`is_refused`](Error::is_refused) if `f` changes
    /// this session.
    pub fn update<T, F>(&self, name: &str, f: F) -> Result<(), Error>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>) -> T + Send + Sync + 'static,
    {
        let f = move |old| Some(f(old));
        self.change(Change::update(name, f)?)
    }

    /// The one way in which entries change.
    pub(crate) fn change(&self, mut change: Change) -> Result<(), Error> {
        if !change.counts() {
            return self.shared.hand().change(change);
        }
        // Its closure is the application's: it may read this very session, so it runs outside the
        // lock, and again if there was another change meanwhile.
        for _ in 0..TRIES {
            let mut copy = self.shared.hand().copy();
            copy.apply(&change)?;
            match self.shared.hand().accept(copy, change) {
                Ok(()) => return Ok(()),
                Err(again) => change = again,
            }
        }
        Err(Error::refused(
            "the closure of an update changes its own session each time it is called: it should do \
             nothing but compute",
        ))
    }

    /// Takes an entry out; returns whether it was there. If it was not, but another request puts it
    /// there before this one flushes other changes, it is taken out all the same.
    pub fn remove(&self, name: &str) -> bool {
        let mut hand = self.shared.hand();
        let there = hand.entries().contains(name);
        // A removal can't fail to apply.
        drop(hand.change(Change::remove(name, there)));
        there
    }

    /// Takes all entries out. The session stays; [`destroy`](Self::destroy) ends it.
    pub fn clear(&self) {
        // Nor can this.
        drop(self.shared.hand().change(Change::Clear));
    }

    /// Whether there is an entry of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.shared.hand().entries().contains(name)
    }

    /// The names of all entries.
    pub fn keys(&self) -> Vec<String> {
        self.shared.hand().entries().names()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.shared.hand().entries().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives the session a new id at the next flush, with all its data: **call it at every log-in**
    /// and wherever else rights change, so that an id that leaked before is worth nothing after.
    ///
    /// If the session has ended meanwhile, the flush starts a fresh one with this request's changes
    /// alone: the log-in succeeds all the same.
    ///
    /// A [CSRF value](Self::csrf) goes with the old id: the next call makes another one.
    pub fn renew(&self) {
        // Also if this request has not seen one: another may set it before the flush.
        self.remove(CSRF);
        let mut hand = self.shared.hand();
        hand.renew();
    }

    /// Says whose the session is, from the next flush on: **call it at every log-in**, beside
    /// [`renew`](Self::renew) or [`log_in`](Self::log_in). Then
    /// [`sessions_of`](SessionEngine::sessions_of) lists it and
    /// [`destroy_all`](SessionEngine::destroy_all) ends it, wherever it is used. Called again it is a
    /// new log-in under the same handle; a renew keeps the owner.
    ///
    /// A session with an owner always has an absolute limit: `lifetime`, else 30 days from here. If
    /// the owner has [`max_sessions`](crate::Settings::max_sessions) already, the flush ends the
    /// oldest one, or stores nothing ([`Flushed::TooMany`]).
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # use dancer_session::{Owner, SessionEngine, Settings};
    /// # let engine = SessionEngine::in_memory(Settings::default())?;
    /// # let session = engine.anonymous();
    /// session.log_in()?;
    /// session.set_owner(Owner::from("user:42").described("Firefox on Linux"))?;
    /// session.flush().await?;
    ///
    /// for session in engine.sessions_of("user:42").await? {
    ///     println!("{} since {:?}: {}", session.description, session.since, session.handle);
    /// }
    /// assert_eq!(engine.destroy_all("user:42").await?, 1);
    /// # Ok::<(), dancer_session::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`is_refused`](Error::is_refused) for a name of 0 or over 255 bytes, or a description over
    /// 255; [`is_unavailable`](Error::is_unavailable) if there are no random bits for the handle.
    pub fn set_owner(&self, owner: impl Into<Owner>) -> Result<(), Error> {
        let mut owned = self.shared.engine.owned(owner.into())?;
        if let Some(before) = self.shared.hand().owned()
            && before.owner == owned.owner
        {
            owned.handle = before.handle;
        }
        let change = OwnerChange::Set(Arc::new(owned));
        self.shared.hand().set_owner(change);
        Ok(())
    }

    /// Says that the session is nobody's any more, from the next flush on, and goes on all the same.
    /// A log-out that keeps, say, a basket; call [`renew`](Self::renew) beside it.
    pub fn remove_owner(&self) {
        self.shared.hand().set_owner(OwnerChange::Remove);
    }

    /// The name of the owner, as far as this request knows.
    pub fn owner(&self) -> Option<String> {
        let owned = self.shared.hand().owned();
        owned.map(|owned| owned.owner.as_ref().into())
    }

    /// What names this session in the list of its owner, if it has one.
    pub fn handle(&self) -> Option<OwnedHandle> {
        self.shared.hand().owned().map(|owned| owned.handle)
    }

    /// Ends the session at the next flush: the log-out. What is set afterwards starts a new session
    /// with a new id.
    pub fn destroy(&self) {
        self.shared.hand().destroy();
    }

    /// Drops all changes and a `renew` that were not flushed; a `destroy` stays. For a request that
    /// failed.
    pub fn discard(&self) {
        self.shared.hand().discard();
    }

    /// Says that the client can be given no other id any more, because the head of the response has
    /// left. From now on only an explicit [`flush`](Self::flush) stores anything; one that would
    /// need a new id (a `renew`, or the first entries of a visitor) is refused.
    pub fn pin_id(&self) {
        self.shared.hand().pin_id();
    }

    /// For a request whose client has gone: changes and a `renew` are dropped, a pending
    /// [`destroy`](Self::destroy) is carried out without anybody waiting for it.
    pub fn abandon(&self) {
        let mut hand = self.shared.hand();
        hand.pin_id();
        hand.discard();
        drop(hand);
        let flushing = self.shared.flushing.try_lock().is_err();
        // What a flush under way stores may have been destroyed meanwhile.
        let doomed = flushing || self.shared.hand().has_doomed();
        if let (true, Ok(runtime)) = (doomed, Handle::try_current()) {
            let shared = Arc::clone(&self.shared);
            runtime.spawn(async move { shared.flush_destroys().await });
        }
    }

    /// Whether another request has renewed or destroyed this session: it is empty, and a flush
    /// stores nothing ([`Flushed::Ended`]). With a [`renew`](Self::renew) it stores what this request
    /// sets as a fresh session: call it where the visitor may begin anew, as on a log-in page.
    pub fn is_ended(&self) -> bool {
        self.shared.hand().is_ended()
    }

    /// Whether this stands in the place of a session that can't be had at present: it is empty, and a
    /// flush of any change, or of a `destroy`, is an error. See
    /// [`on_unavailable`](crate::Settings::on_unavailable).
    pub fn is_read_only(&self) -> bool {
        self.shared.hand().is_read_only()
    }

    /// Whether a session was destroyed in the store, by a [`destroy`](Self::destroy) and a flush, and
    /// no new one was stored since: then the client's cookie is of no more use.
    pub fn is_destroyed(&self) -> bool {
        self.shared.hand().is_destroyed()
    }

    /// How long the session has to live if it is not used again. `None` if it is not stored.
    pub fn time_left(&self) -> Option<Duration> {
        let read = self.shared.hand().read().cloned()?;
        Some(self.shared.engine.time_left(&read.document))
    }

    /// Takes over what a program in Perl has made of this session: all of it, as Storable froze the
    /// hash. At the flush, and only if another request was faster, it is compared with what this
    /// session was read as, and what the program has changed is done to what is stored by then.
    ///
    /// `exactly` names an entry whose new value was made from the one that was read: if another
    /// request has changed that, the flush stores nothing ([`Adopted::is_outrun`]).
    ///
    /// # Errors
    ///
    /// [`is_refused`](Error::is_refused): no hash that is an object; deeper, larger or of more parts
    /// than a session may be; in the native layout what JSON can't hold.
    pub fn adopt(&self, frozen: &[u8], exactly: Option<&str>) -> Result<Adopted, Error> {
        let codec = self.shared.engine.codec();
        let read = self.shared.hand().read().cloned();
        let read = read.as_ref().map(|read| &read.document.entries);
        let adopted = Adopted::new(codec, frozen, read, exactly)?;
        self.shared.hand().change(Change::Adopt(adopted.clone()))?;
        Ok(adopted)
    }

    /// The session as a program in Perl thaws it, as it was read or stored last; `None` if it is not
    /// stored.
    ///
    /// # Errors
    ///
    /// [`is_refused`](Error::is_refused) in the native layout, for what Perl can't hold.
    pub fn freeze(&self) -> Result<Option<Bytes>, Error> {
        let read = self.shared.hand().read().cloned();
        read.map(|read| self.shared.engine.codec().freeze(&read))
            .transpose()
    }

    /// What the store holds, as far as this session knows: what it was read as, or stored as last.
    /// With it [`SessionEngine::resume`] takes the session into hand again.
    pub fn payload(&self) -> Option<Bytes> {
        self.shared.hand().read().map(|read| read.payload.clone())
    }

    /// Whether this is, as it is now, what [`SessionEngine::resume`] would make of these: then it need
    /// not be decoded again.
    pub fn is_resumed_by(&self, id: &str, payload: &[u8]) -> bool {
        let hand = self.shared.hand();
        let read = hand.read().filter(|_| hand.is_flushed());
        read.is_some_and(|read| {
            // One that Perl has made counts from the moment when it is resumed.
            read.document.dated && read.id.as_str() == id && read.payload == payload
        })
    }

    /// Whether any variable in it is tied to an object, which Perl would call when it thaws it.
    pub fn has_tied(&self) -> bool {
        match self.shared.hand().entries() {
            Entries::Perl(entries) => entries.document().has_tied(),
            Entries::Json(_) => false,
        }
    }

    /// Stores what is pending: changes, a `renew`, a `destroy`. Without anything pending it costs
    /// nothing; a change costs one round trip, and one more for each other process that was faster.
    ///
    /// Afterwards the session in hand is what was stored. Once begun it is carried out even if the
    /// future is dropped.
    ///
    /// # Errors
    ///
    /// [`is_unavailable`](Error::is_unavailable): not stored within `timeout`; the changes are still
    /// pending. If it also [`is_unknown`](Error::is_unknown), nobody can tell whether they were
    /// stored: retrieve the session again to see. [`is_refused`](Error::is_refused): over
    /// `max_size`. [`is_unreadable`](Error::is_unreadable): somebody put something else there.
    pub async fn flush(&self) -> Result<Flushed, Error> {
        self.flush_and(false).await
    }

    /// The last [`flush`](Self::flush) before the head of the response leaves, and
    /// [`pin_id`](Self::pin_id), with no other flush between the two. For adapters.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush); the id is pinned then, too.
    pub async fn close(&self) -> Result<Flushed, Error> {
        self.flush_and(true).await
    }

    /// Does what [`close`](Self::close) would do if there is nothing to flush, as after most requests.
    /// `false`: nothing was done, and `close` is to be called. For adapters.
    pub fn close_unchanged(&self) -> bool {
        self.shared.is_flushed(true)
    }

    async fn flush_and(&self, finally: bool) -> Result<Flushed, Error> {
        if self.shared.is_flushed(finally) {
            return Ok(Flushed::Unchanged);
        }
        let shared = Arc::clone(&self.shared);
        run_to_end(async move { shared.flush(finally).await }).await
    }

    /// Asks the store whether the session is still there under its id, and extends it: `false` if
    /// another request has renewed or destroyed it, or if it has none. One round trip.
    ///
    /// # Errors
    ///
    /// As [`SessionEngine::retrieve`].
    pub async fn is_current(&self) -> Result<bool, Error> {
        let Some(id) = self.id() else {
            return Ok(false);
        };
        let found = self.shared.engine.retrieve(id.as_str()).await?;
        Ok(found.is_some_and(|found| !found.is_ended()))
    }
}

impl Shared {
    pub(crate) fn hand(&self) -> MutexGuard<'_, Hand> {
        // A closure given to `update` may panic; the change it belongs to is not in the list then.
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let hand = self.hand.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(what) = hand.left_behind() {
            event::left_behind(hand.id(), what);
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.hand().fmt(f)
    }
}
