//! The calls about the owners of sessions.

use std::time::{SystemTime, UNIX_EPOCH};

use dancer_session::{Owner, Session, SessionEngine};

use crate::calls::in_hand;
use crate::message::{Failure, Parts, Reply};

/// Says whose a session is to be: a name and a description; without a name nobody's.
pub(crate) fn set(session: &Session, parts: &mut Parts<'_>) -> Result<(), Failure> {
    let (name, description) = (parts.text()?, parts.text()?);
    match name {
        "" => session.remove_owner(),
        name => session.set_owner(Owner::from(name).described(description))?,
    }
    Ok(())
}

/// An id, and the payload that was read: the name of the owner and the handle; both empty if it has
/// none.
pub(crate) async fn owner(engine: &SessionEngine, mut parts: Parts<'_>) -> Result<Reply, Failure> {
    let (id, payload) = (parts.text()?, parts.bytes()?);
    let session = in_hand(engine, id, payload).await?;
    let owner = session.as_ref().and_then(Session::owner);
    let handle = session.as_ref().and_then(Session::handle);
    let handle = handle.map(|handle| handle.to_string());
    Ok(Reply::new("owner")
        .with(owner.unwrap_or_default())
        .with(handle.unwrap_or_default()))
}

/// The name of an owner: four parts for each of the sessions.
pub(crate) async fn list(engine: &SessionEngine, mut parts: Parts<'_>) -> Result<Reply, Failure> {
    let sessions = engine.sessions_of(parts.text()?).await?;
    Ok(sessions.iter().fold(Reply::new("list"), |reply, session| {
        reply
            .with(session.handle.to_string())
            .with(seconds(session.created))
            .with(seconds(session.since))
            .with(&session.description)
    }))
}

/// The name of an owner and a handle: how many sessions were ended.
pub(crate) async fn destroy_one(
    engine: &SessionEngine,
    mut parts: Parts<'_>,
) -> Result<Reply, Failure> {
    let (owner, handle) = (parts.text()?, parts.text()?);
    // What is no handle is in no list.
    let ended = match handle.parse() {
        Ok(handle) => engine.destroy_one(owner, handle).await?,
        Err(_) => false,
    };
    Ok(counted(usize::from(ended)))
}

/// An id, and the payload that was read: how many sessions of the same owner were ended.
pub(crate) async fn destroy_others(
    engine: &SessionEngine,
    mut parts: Parts<'_>,
) -> Result<Reply, Failure> {
    let (id, payload) = (parts.text()?, parts.bytes()?);
    match in_hand(engine, id, payload).await? {
        Some(session) => Ok(counted(engine.destroy_others(&session).await?)),
        None => Ok(counted(0)),
    }
}

/// The name of an owner: how many sessions were ended.
pub(crate) async fn destroy_all(
    engine: &SessionEngine,
    mut parts: Parts<'_>,
) -> Result<Reply, Failure> {
    Ok(counted(engine.destroy_all(parts.text()?).await?))
}

fn counted(ended: usize) -> Reply {
    Reply::new("ended").with(ended.to_string())
}

fn seconds(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().to_string()
}
