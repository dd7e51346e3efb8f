//! What is told to whoever listens: `tracing` events with stable names and fields. The same list, with
//! what to do about each, is in `docs/events.md`.
//!
//! Each is sent once for each time that it happens; those that an outage brings with every request, once a
//! minute, and else at `debug`. A session is shown as its fingerprint, which is the
//! beginning of its key's name too, and found out only if somebody listens. Levels: `error` somebody has to act, `warn` somebody should look,
//! `info` worth keeping, `debug` the ordinary course of things.

use std::fmt::Display;

use crate::Error;
use crate::engine::Flushed;
use crate::reports::Reports;

/// A new session is stored.
pub(crate) fn created(session: impl Display) {
    tracing::debug!(%session, "created");
}

/// Changes are stored.
pub(crate) fn flushed(session: impl Display) {
    tracing::debug!(%session, "flushed");
}

/// A session has a new id; `before` is what it was under the old one.
pub(crate) fn renewed(session: impl Display, before: impl Display) {
    tracing::info!(%session, %before, "renewed");
}

/// A request has ended its session. `before`: another one had, so that there was nothing to do.
pub(crate) fn destroyed(session: impl Display, before: bool) {
    tracing::info!(%session, before, "destroyed");
}

/// A request has ended its session, and the server had no room for what tells late requests so.
pub(crate) fn ended_without_stub(session: impl Display) {
    tracing::warn!(%session, "ended_without_stub");
}

/// A session was ended by way of its owner's list.
pub(crate) fn destroyed_by_owner(session: impl Display) {
    tracing::info!(%session, "destroyed_by_owner");
}

/// A session was ended to make room for the log-in that `session` is.
pub(crate) fn made_room(session: impl Display, ended: impl Display) {
    tracing::info!(%session, %ended, "made_room");
}

/// A log-in was refused because its owner has as many sessions as there may be.
pub(crate) fn too_many_sessions(session: impl Display) {
    tracing::warn!(%session, "too_many_sessions");
}

/// Somebody presented what has not the shape of an id.
pub(crate) fn malformed_id() {
    tracing::debug!("malformed_id");
}

/// Somebody presented an id under which nothing is stored: it has expired, or never was.
pub(crate) fn unknown_id(session: impl Display) {
    tracing::debug!(%session, "unknown_id");
}

/// Somebody presented the id of a session that was renewed or destroyed a moment ago.
pub(crate) fn ended_id(session: impl Display) {
    tracing::info!(%session, "ended_id");
}

/// Somebody presented the id of a session whose absolute limit has passed.
pub(crate) fn limit_passed(session: impl Display) {
    tracing::info!(%session, "limit_passed");
}

/// Somebody presented an id of the kind that Dancer makes, which can be guessed.
pub(crate) fn legacy_id(session: impl Display) {
    tracing::info!(%session, "legacy_id");
}

/// A bare key that was asked for holds something that is no session of that id.
pub(crate) fn foreign_key(session: impl Display) {
    tracing::warn!(%session, "foreign_key");
}

/// A new id was taken already, and another one is made.
pub(crate) fn id_taken(session: impl Display) {
    tracing::warn!(%session, "id_taken");
}

/// Another request was faster, and the changes are applied to what it has stored.
pub(crate) fn conflict(session: impl Display) {
    tracing::debug!(%session, "conflict");
}

/// Changes were not stored, because another request has ended the session.
pub(crate) fn refused_after_end(session: impl Display) {
    tracing::info!(%session, "refused_after_end");
}

/// A session is stored that can't be read.
pub(crate) fn unreadable(session: impl Display, error: &Error) {
    tracing::error!(%session, %error, "unreadable");
}

/// The store gave the payload of another session than the one that was asked for.
pub(crate) fn payload_of_another(session: impl Display) {
    tracing::error!(%session, "payload_of_another");
}

/// What was done to a session was never flushed: `what` it was.
pub(crate) fn left_behind(session: Option<impl Display>, what: &str) {
    let session = session.map(|session| session.to_string());
    tracing::warn!(session, what, "left_behind");
}

/// The log-out of a client that has gone could not be stored.
pub(crate) fn abandoned_destroy_failed(error: &Error) {
    tracing::error!(%error, "abandoned_destroy_failed");
}

/// The expiry of a key could not be set. It has the one that it had.
pub(crate) fn touch_failed(session: impl Display, error: &Error, reports: &Reports) {
    match reports.is_news("touch_failed", error) {
        true => tracing::warn!(%session, %error, "touch_failed"),
        false => tracing::debug!(%session, %error, "touch_failed"),
    }
}

/// The line of a session that has ended could not be taken out of its owner's index, which forgets
/// it in time.
pub(crate) fn delist_failed(index: impl Display, error: &Error, reports: &Reports) {
    match reports.is_news("delist_failed", error) {
        true => tracing::warn!(%index, %error, "delist_failed"),
        false => tracing::debug!(%index, %error, "delist_failed"),
    }
}

/// What became of a session that was stored before.
pub(crate) fn stored(done: Flushed, session: impl Display, before: impl Display) {
    match done {
        Flushed::Renewed => renewed(session, before),
        _ => flushed(session),
    }
}
