//! Reads single values of a configuration as Perl does, where `"3600"` is as good as `3600`.
//!
//! Each reader's error is the rest of a sentence that the key begins.

use std::str::FromStr;
use std::time::Duration;

use config::ValueKind;

use super::misfit::shown;
use super::preset::Preset;
use super::{Layout, OnMaxSessions, OnUnavailable, OnUnreadable, SameSite, Secret, duration};

type Read<T> = Result<T, String>;

pub(super) fn text(value: &ValueKind) -> Read<String> {
    match value {
        ValueKind::String(text) => Ok(text.clone()),
        _ => Err(format!(
            "is {}, expected text (a number stands in quotes)",
            told(value)
        )),
    }
}

/// As [`text`], with the empty text for "not set".
pub(super) fn filled(value: &ValueKind) -> Read<Option<String>> {
    Ok(Some(text(value)?).filter(|text| !text.is_empty()))
}

/// As [`filled`], and no error shows the value.
pub(super) fn secret(value: &ValueKind) -> Read<Option<Secret>> {
    match value {
        ValueKind::String(_) => Ok(filled(value)?.map(Secret::from)),
        _ => Err(format!(
            "is {}, expected text: put it in quotes, for YAML does not keep leading zeros and the like",
            kind(value)
        )),
    }
}

/// A whole number, not negative.
pub(super) fn whole<T: FromStr>(value: &ValueKind) -> Read<T> {
    let number = number_like(value).and_then(|text| text.parse().ok());
    number.ok_or_else(|| expected(value, "a whole number, 0 or more"))
}

pub(super) fn flag(value: &ValueKind) -> Read<bool> {
    match plain(value).as_deref() {
        Some("1" | "true") => Ok(true),
        Some("0" | "false") => Ok(false),
        _ => Err(expected(value, "1 or 0, true or false")),
    }
}

/// A time in whole seconds.
pub(super) fn seconds(value: &ValueKind) -> Read<Duration> {
    let time = number_like(value).and_then(|text| duration::parse(&text));
    time.filter(|time| time.subsec_nanos() == 0).ok_or_else(|| {
        expected(
            value,
            "whole seconds, or a time such as `2 hours`, not negative",
        )
    })
}

/// A time that may have fractions of a second.
pub(super) fn fraction(value: &ValueKind) -> Read<Duration> {
    let time = number_like(value).and_then(|text| duration::parse(&text));
    time.ok_or_else(|| expected(value, "seconds such as 1 or 0.5, not negative"))
}

pub(super) fn layout(value: &ValueKind) -> Read<Layout> {
    match plain(value).as_deref() {
        Some("native") => Ok(Layout::Native),
        Some("dancer") => Ok(Layout::Dancer),
        _ => Err(expected(value, "`native` or `dancer`")),
    }
}

pub(super) fn on_unreadable(value: &ValueKind) -> Read<OnUnreadable> {
    match plain(value).as_deref() {
        Some("error") => Ok(OnUnreadable::Refuse),
        Some("anonymous") => Ok(OnUnreadable::Anonymous),
        _ => Err(expected(value, "`error` or `anonymous`")),
    }
}

pub(super) fn on_unavailable(value: &ValueKind) -> Read<OnUnavailable> {
    match plain(value).as_deref() {
        Some("error") => Ok(OnUnavailable::Refuse),
        Some("anonymous_read_only") => Ok(OnUnavailable::ReadOnly),
        _ => Err(expected(value, "`error` or `anonymous_read_only`")),
    }
}

pub(super) fn on_max_sessions(value: &ValueKind) -> Read<OnMaxSessions> {
    match plain(value).as_deref() {
        Some("end_oldest") => Ok(OnMaxSessions::EndOldest),
        Some("refuse") => Ok(OnMaxSessions::Refuse),
        _ => Err(expected(value, "`end_oldest` or `refuse`")),
    }
}

pub(super) fn preset(value: &ValueKind) -> Read<Preset> {
    match plain(value).as_deref() {
        Some("aal1") => Ok(Preset::Aal1),
        Some("aal2") => Ok(Preset::Aal2),
        Some("aal3") => Ok(Preset::Aal3),
        _ => Err(expected(value, "`aal1`, `aal2` or `aal3`")),
    }
}

/// In any case, as Dancer's own check.
pub(super) fn same_site(value: &ValueKind) -> Read<SameSite> {
    match plain(value).map(|text| text.to_lowercase()).as_deref() {
        Some("strict") => Ok(SameSite::Strict),
        Some("lax") => Ok(SameSite::Lax),
        Some("none") => Ok(SameSite::None),
        _ => Err(expected(value, "`Strict`, `Lax` or `None`")),
    }
}

/// What a value is, without showing it.
pub(super) fn kind(value: &ValueKind) -> &'static str {
    match value {
        ValueKind::Nil => "empty",
        ValueKind::Boolean(_) => "a boolean",
        ValueKind::String(_) => "text",
        ValueKind::Table(_) => "a mapping",
        ValueKind::Array(_) => "a list",
        ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_) => "a number",
    }
}

fn expected(value: &ValueKind, what: &str) -> String {
    format!("is {}, expected {what}", told(value))
}

/// A single value itself, of others only what they are: they could hold a password.
fn told(value: &ValueKind) -> String {
    match plain(value) {
        Some(text) => shown(&text),
        None => kind(value).into(),
    }
}

/// A single value as text, whatever type YAML gave it.
fn plain(value: &ValueKind) -> Option<String> {
    match value {
        ValueKind::Nil | ValueKind::Table(_) | ValueKind::Array(_) => None,
        _ => Some(value.to_string()),
    }
}

/// A single value that could be a number: text may be padded, `+5` is none.
fn number_like(value: &ValueKind) -> Option<String> {
    let text = plain(value)?.trim().to_owned();
    text.starts_with(|c: char| c.is_ascii_digit())
        .then_some(text)
}
