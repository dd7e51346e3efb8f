//! The calls of `Dancer::Session::Redis`, each as the engine's.
//!
//! Nothing is kept here between two calls that would have to be given back: of a session Perl keeps the
//! payload that was read or stored last, and gives it back with what it has made of it.

use std::borrow::Cow;

use bytes::Bytes;
use dancer_session::{
    Adopted, Error, Flushed, OnUnavailable, OnUnreadable, Session, SessionEngine,
};

use crate::commands;
use crate::engines::{self, Live, Tied};
use crate::message::{Answer, Failure, Parts, Reply, text};
use crate::owners;
use crate::settings;

/// Carries out a request.
pub(crate) fn answer(request: &[u8]) -> Reply {
    carry_out(Parts::of(request)).unwrap_or_else(Reply::from)
}

fn carry_out(mut parts: Parts<'_>) -> Result<Reply, Failure> {
    let name = parts.text()?;
    if name == "open" {
        return open(parts);
    }
    let number = parts.text()?.parse();
    let live = engines::live(number.map_err(|_| Failure::refused("no number of an engine"))?)?;
    live.run(async |engine| match name {
        "id" => Ok(Reply::new("id").with(engine.new_id()?.as_str())),
        "create" => create(engine, &live, parts).await,
        "destroy" => destroy(engine, parts).await,
        "owner" => owners::owner(engine, parts).await,
        "sessions_of" => owners::list(engine, parts).await,
        "destroy_one" => owners::destroy_one(engine, parts).await,
        "destroy_others" => owners::destroy_others(engine, parts).await,
        "destroy_all" => owners::destroy_all(engine, parts).await,
        "command" => commands::send(engine, parts).await,
        _ => Err(Failure::refused(format!("no such call: {name:?}"))),
    })
}

/// The class of the sessions, whether they may have tied variables, and what is in `redis_session`:
/// the engine's number, how many seconds an operation may take, and warnings.
fn open(mut parts: Parts<'_>) -> Result<Reply, Failure> {
    let class = parts.text()?;
    let tied = match parts.text()? {
        "1" => Tied::Allowed,
        _ => Tied::Refused,
    };
    let mut pairs = Vec::new();
    while let Ok(key) = parts.text() {
        pairs.push((key, parts.text()?));
    }
    let (settings, warnings) = settings::read(class, pairs.into_iter())?;
    let timeout = settings.timeout.as_secs_f64();
    let number = engines::open(settings, tied)?;
    let reply = Reply::new("open")
        .with(number.to_string())
        .with(timeout.to_string());
    Ok(warnings.iter().fold(reply, Reply::with))
}

/// An id that a session has had since it was made, and the session: its payload, and its id now; or
/// `whole`, if the session has to be frozen as a whole.
async fn create(
    engine: &SessionEngine,
    live: &Live,
    mut parts: Parts<'_>,
) -> Result<Reply, Failure> {
    let session = engine.begin(parts.text()?)?;
    let Some(frozen) = object_of(parts.bytes()?) else {
        return Ok(Reply::new("whole"));
    };
    adopt(&session, live.tied, &frozen, None)?;
    match flushed(&session).await? {
        Flushed::Created => {
            let reply = stored("created", &session);
            live.keep(session);
            Ok(reply)
        }
        other => Err(Failure::refused(format!("a new session became {other:?}"))),
    }
}

/// An id: `missing`, `ended`, `unread`, or the payload, the id, and what Perl thaws if that is not the
/// payload.
pub(crate) fn retrieve(number: usize, id: &[u8]) -> Answer {
    let read = || {
        let (live, id) = (engines::live(number)?, text(id)?);
        live.run(async |engine| read(engine, &live, id).await)
    };
    read().unwrap_or_else(Answer::from)
}

async fn read(engine: &SessionEngine, live: &Live, id: &str) -> Result<Answer, Failure> {
    let goes_on = engine.settings().on_unavailable == OnUnavailable::ReadOnly;
    let quietly = engine.settings().on_unreadable == OnUnreadable::Anonymous;
    let session = match engine.retrieve(id).await {
        Ok(Some(session)) => session,
        Ok(None) => return Ok(Reply::new("missing").into()),
        Err(error) if error.is_unreadable() && quietly => return Ok(Reply::new("missing").into()),
        Err(error) if error.is_unavailable() && goes_on => return Ok(Reply::new("unread").into()),
        Err(error) => return Err(error.into()),
    };
    if session.is_ended() {
        return Ok(Reply::new("ended").into());
    }
    let answer = match shown(&session, live.tied) {
        Ok(None) => Ok(Answer::Stored(payload(&session))),
        Ok(Some(shown)) => Ok(stored("stored", &session).with(shown).into()),
        Err(_) if quietly => Ok(Reply::new("missing").into()),
        Err(failure) => Err(failure),
    };
    live.keep(session);
    answer
}

const TIED: &str = "the session has a tied variable, whose class would be called: take it out, or \
                    set redis_session.allow_tied";

/// A session as Perl has it, and what it was.
pub(crate) struct InPerl<'a> {
    pub(crate) id: &'a [u8],
    /// What was read, or stored last; empty: nothing.
    pub(crate) payload: &'a [u8],
    /// As it is now.
    pub(crate) frozen: &'a [u8],
}

/// A session, and how: for `exactly` also the name of an entry, and for `owner` a name and a
/// description. What became of it (`whole`: nothing, the session has to be frozen as a whole); its
/// payload and id; what Perl thaws, and the names of the entries that it has to take over from that.
pub(crate) fn flush(number: usize, session: &InPerl<'_>, how: &[u8]) -> Answer {
    let store = || {
        let live = engines::live(number)?;
        live.run(async |engine| store(engine, &live, session, Parts::of(how)).await)
    };
    store().unwrap_or_else(Answer::from)
}

async fn store(
    engine: &SessionEngine,
    live: &Live,
    session: &InPerl<'_>,
    mut parts: Parts<'_>,
) -> Result<Answer, Failure> {
    let tied = live.tied;
    let (id, read) = (text(session.id)?, session.payload);
    let Some(frozen) = object_of(session.frozen) else {
        return Ok(Reply::new("whole").into());
    };
    let how = parts.text()?;
    let exactly = match how {
        "exactly" => Some(parts.text()?),
        _ => None,
    };
    let kept = live.take(id, read);
    let session = match kept {
        Some(kept) => Some(kept),
        None => in_hand(engine, id, read).await?,
    };
    let Some(session) = session else {
        return Ok(Reply::new("ended").into());
    };
    let adopted = adopt(&session, tied, &frozen, exactly)?;
    if how == "changed" && adopted.is_unchanged() {
        session.discard();
        return Ok(Reply::new("unchanged").into());
    }
    match how {
        "renew" => session.renew(),
        "owner" => owners::set(&session, &mut parts)?,
        _ => {}
    }
    let outcome = match flushed(&session).await {
        Ok(Flushed::Stored) => "stored",
        Ok(Flushed::Renewed) => "renewed",
        Ok(Flushed::Created) => "created",
        Ok(Flushed::TooMany) => return Ok(Reply::new("too many").into()),
        Ok(_) => return Ok(Reply::new("ended").into()),
        Err(_) if adopted.is_outrun() => return outrun(engine, id, tied, &adopted, exactly).await,
        Err(error) => return Err(error.into()),
    };
    let overtaken = match adopted.is_merged() || outcome != "stored" {
        true => adopted.overtaken(&session)?,
        false => Vec::new(),
    };
    let answer = match (outcome, overtaken.is_empty()) {
        ("stored", true) => Answer::Stored(payload(&session)),
        (_, true) => stored(outcome, &session).into(),
        (_, false) => overtaking(outcome, &session, tied, &overtaken)?.into(),
    };
    live.keep(session);
    Ok(answer)
}

/// Another request has changed the entry that a new value was made from: nothing is stored, and
/// Perl takes over what is.
async fn outrun(
    engine: &SessionEngine,
    id: &str,
    tied: Tied,
    adopted: &Adopted,
    name: Option<&str>,
) -> Result<Answer, Failure> {
    let Some(newer) = in_hand(engine, id, b"").await? else {
        return Ok(Reply::new("ended").into());
    };
    // Others may go on storing: the sooner Perl tries again, the less often it is outrun again.
    let overtaken = adopted.changed_by_others(&newer)?;
    let reply = overtaking("outrun", &newer, tied, &overtaken)?;
    Ok(reply.with(name.unwrap_or_default()).into())
}

/// An id, and the payload that was read (empty: none): `destroyed`; `ended`, if another request had
/// done it; `missing`, if there was nothing to do.
async fn destroy(engine: &SessionEngine, mut parts: Parts<'_>) -> Result<Reply, Failure> {
    let (id, payload) = (parts.text()?, parts.bytes()?);
    let Some(session) = in_hand(engine, id, payload).await? else {
        return Ok(Reply::new("missing"));
    };
    session.destroy();
    Ok(Reply::new(match flushed(&session).await? {
        Flushed::Destroyed => "destroyed",
        _ => "ended",
    }))
}

/// The session that Perl has; asks the store if it has no payload of it. `None`: it has ended.
pub(crate) async fn in_hand(
    engine: &SessionEngine,
    id: &str,
    payload: &[u8],
) -> Result<Option<Session>, Failure> {
    if !payload.is_empty() {
        let payload = Bytes::copy_from_slice(payload);
        return Ok(Some(engine.resume(id, payload)?));
    }
    let found = engine.retrieve(id).await?;
    Ok(found.filter(|session| !session.is_ended()))
}

/// The session that Perl has frozen, as an object or as its parts; `None` if these are not enough.
fn object_of(frozen: &[u8]) -> Option<Cow<'_, [u8]>> {
    if let Some(object) = storable::assemble(frozen) {
        return Some(Cow::Owned(object));
    }
    // Whatever else is wrong is told to who adopts it.
    let limits = storable::Limits {
        size: usize::MAX,
        nodes: usize::MAX,
        ..storable::Limits::default()
    };
    let parts = match storable::Document::decode_with(frozen, limits) {
        Ok(document) => matches!(document.root().kind(), storable::Kind::Array(_)),
        Err(_) => false,
    };
    (!parts).then_some(Cow::Borrowed(frozen))
}

fn adopt(
    session: &Session,
    tied: Tied,
    frozen: &[u8],
    exactly: Option<&str>,
) -> Result<Adopted, Failure> {
    let adopted = session.adopt(frozen, exactly)?;
    if tied == Tied::Refused && adopted.has_tied() {
        session.discard();
        return Err(Failure::refused(TIED));
    }
    Ok(adopted)
}

/// Flushes. What fails is Perl's to try again: nothing stays behind here.
async fn flushed(session: &Session) -> Result<Flushed, Error> {
    let outcome = session.flush().await;
    if outcome.is_err() {
        session.discard();
    }
    outcome
}

fn stored(outcome: &str, session: &Session) -> Reply {
    let id = session.id();
    let id = id.as_ref().map_or("", |id| id.as_str());
    Reply::new(outcome).with(payload(session)).with(id)
}

/// The same, with the entries that Perl has to take over.
fn overtaking(
    outcome: &str,
    session: &Session,
    tied: Tied,
    names: &[Box<[u8]>],
) -> Result<Reply, Failure> {
    let shown = shown(session, tied)?.unwrap_or_default();
    let reply = stored(outcome, session).with(shown);
    Ok(names.iter().fold(reply, Reply::with))
}

fn payload(session: &Session) -> Bytes {
    session.payload().unwrap_or_default()
}

/// What Perl thaws, if that is not the payload.
fn shown(session: &Session, tied: Tied) -> Result<Option<Bytes>, Failure> {
    // Also what another request has stored meanwhile.
    if tied == Tied::Refused && session.has_tied() {
        return Err(Failure::unreadable(TIED));
    }
    let frozen = session.freeze()?;
    let same = frozen == session.payload();
    Ok(frozen.filter(|_| !same))
}
