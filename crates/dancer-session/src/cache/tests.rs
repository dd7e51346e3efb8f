//! A read against the words about its key, in every order that matters.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Cache;
use crate::id::{Entropy, Mark, SessionId};
use crate::layout::{Codec, Document, Key};
use crate::lifetime::Moment;
use crate::session::Read;
use crate::{Layout, Settings};

fn read(text: &str) -> Read {
    let id = SessionId::generate(&Entropy::default(), Layout::Native).unwrap();
    let document = Document {
        created: Moment::from_seconds(0),
        dated: true,
        mark: Mark::NONE,
        owned: None,
        entries: Codec::new(&Settings::default()).empty(),
    };
    let key = Key::bare(&id);
    Read::new(
        id,
        key,
        Bytes::copy_from_slice(text.as_bytes()),
        document,
        None,
    )
}

fn key(text: &str) -> Key {
    Key::named(text)
}

fn at(seconds: u64) -> Moment {
    Moment::from_seconds(seconds)
}

fn kept(cache: &Arc<Cache>, key: &str) -> Option<Bytes> {
    cache.get(key).map(|read| read.payload.clone())
}

#[test]
fn what_was_read_is_kept_until_a_word_comes() {
    let cache = Cache::new(10);
    assert!(
        cache
            .begin(&key("a"))
            .unwrap()
            .take_in(&read("1"), at(0), at(10))
    );
    assert_eq!(kept(&cache, "a").as_deref(), Some(&b"1"[..]));
    cache.forget("b");
    assert!(kept(&cache, "a").is_some());
    cache.forget("a");
    assert!(kept(&cache, "a").is_none());
}

/// The reply was read by the task that waits for it, but that runs only after the word was handled.
#[test]
fn what_was_read_before_a_word_does_not_come_in_after_it() {
    let cache = Cache::new(10);
    let (early, other) = (
        cache.begin(&key("a")).unwrap(),
        cache.begin(&key("b")).unwrap(),
    );
    cache.forget("a");
    assert!(!early.take_in(&read("old"), at(0), at(10)));
    assert!(kept(&cache, "a").is_none());
    assert!(other.take_in(&read("b"), at(0), at(10)));
    // One that was begun after the word.
    assert!(
        cache
            .begin(&key("a"))
            .unwrap()
            .take_in(&read("new"), at(0), at(10))
    );
    assert_eq!(kept(&cache, "a").as_deref(), Some(&b"new"[..]));
}

#[test]
fn of_two_reads_each_has_its_own_words() {
    let cache = Cache::new(10);
    let early = cache.begin(&key("a")).unwrap();
    cache.forget("a");
    let late = cache.begin(&key("a")).unwrap();
    assert!(!early.take_in(&read("old"), at(0), at(10)));
    assert!(late.take_in(&read("new"), at(0), at(10)));
    assert_eq!(kept(&cache, "a").as_deref(), Some(&b"new"[..]));
}

#[test]
fn all_are_forgotten_and_all_reads_with_them() {
    let cache = Cache::new(100);
    let readings: Vec<_> = (0..50)
        .map(|n| cache.begin(&key(&n.to_string())).unwrap())
        .collect();
    assert!(
        cache
            .begin(&key("a"))
            .unwrap()
            .take_in(&read("1"), at(0), at(10))
    );
    cache.forget_all();
    assert!(kept(&cache, "a").is_none());
    for reading in readings {
        assert!(!reading.take_in(&read("old"), at(0), at(10)));
    }
}

#[test]
fn a_read_that_comes_to_nothing_leaves_nothing() {
    let cache = Cache::new(10);
    drop((
        cache.begin(&key("a")).unwrap(),
        cache.begin(&key("a")).unwrap(),
        cache.begin(&key("b")).unwrap(),
        cache.begin_change(&key("a")),
    ));
    assert!(change(&cache, || cache.told("a")));
    for reads in &cache.reads {
        assert!(reads.lock().unwrap().under_way.is_empty());
    }
}

#[test]
fn what_this_process_has_changed_is_not_kept_at_the_next_read() {
    let cache = Cache::new(10);
    let keep = |cache: &Arc<Cache>| match cache.begin(&key("a")) {
        Some(reading) => reading.take_in(&read("1"), at(0), at(10)),
        None => false,
    };
    for _ in 0..3 {
        assert!(keep(&cache));
        drop(cache.begin_change(&key("a")));
        // The server's word of that comes later.
        cache.told("a");
        assert!(kept(&cache, "a").is_none());
        assert!(!keep(&cache));
        // What another one changes is kept again.
        assert!(keep(&cache));
        cache.told("a");
    }
    // With a read that was sent before the change.
    let reading = cache.begin(&key("a")).unwrap();
    drop(cache.begin_change(&key("a")));
    assert!(!reading.take_in(&read("old"), at(0), at(10)));
    assert!(cache.begin(&key("a")).is_none());
}

/// Keeps what this process stores under `a`; these things are done between its command and its reply.
fn change(cache: &Arc<Cache>, meanwhile: impl FnOnce()) -> bool {
    let changing = cache.begin_change(&key("a"));
    assert!(kept(cache, "a").is_none());
    meanwhile();
    changing.take_in(&read("new"), at(0), at(10))
}

#[test]
fn what_this_process_has_changed_is_kept_when_only_that_was_told() {
    let cache = Cache::new(10);
    for _ in 0..3 {
        assert!(change(&cache, || cache.told("a")));
        assert_eq!(kept(&cache, "a").as_deref(), Some(&b"new"[..]));
    }
    // Another process changes it.
    cache.told("a");
    assert!(kept(&cache, "a").is_none());
    assert!(cache.begin(&key("a")).is_some(), "it was used");
}

#[test]
fn what_this_process_has_changed_is_not_kept_when_another_change_was_told_too() {
    let cache = Cache::new(10);
    let twice = || {
        cache.told("a");
        cache.told("a");
    };
    assert!(!change(&cache, twice));
    assert!(kept(&cache, "a").is_none());
    // By a change of this process's own that is over, and its word handled.
    let another = || assert!(change(&cache, || cache.told("a")));
    assert!(!change(&cache, another));
    assert!(kept(&cache, "a").is_none());
}

/// What the reply is handled before may be its own word, or one about another change.
#[test]
fn what_this_process_has_changed_is_not_kept_before_that_was_told() {
    let cache = Cache::new(10);
    assert!(!change(&cache, || ()));
    assert!(kept(&cache, "a").is_none());
    // What was told was before the change: it stays only until that is told.
    assert!(change(&cache, || cache.told("a")));
    cache.told("a");
    assert!(kept(&cache, "a").is_none());
}

/// Nobody will tell of what was looked at over a connection that has ended, nor in a database that
/// was emptied.
#[test]
fn what_this_process_has_changed_is_not_kept_when_all_are_forgotten() {
    let cache = Cache::new(10);
    assert!(!change(&cache, || cache.forget_all()));
    let both = || {
        cache.told("a");
        cache.forget_all();
    };
    assert!(!change(&cache, both));
    assert!(kept(&cache, "a").is_none());
}

#[test]
fn what_was_read_before_a_change_of_this_process_does_not_come_in_after_it() {
    let cache = Cache::new(10);
    let before = cache.begin(&key("a")).unwrap();
    let changing = cache.begin_change(&key("a"));
    assert!(!before.take_in(&read("old"), at(0), at(10)));
    // Sent before the change is carried out, and handled before that is told …
    let meanwhile = cache.begin(&key("a")).unwrap();
    let late = cache.begin(&key("a")).unwrap();
    assert!(meanwhile.take_in(&read("old"), at(0), at(10)));
    cache.told("a");
    assert!(kept(&cache, "a").is_none());
    // … or after.
    assert!(!late.take_in(&read("old"), at(0), at(10)));
    assert!(changing.take_in(&read("new"), at(0), at(10)));
    assert_eq!(kept(&cache, "a").as_deref(), Some(&b"new"[..]));
}

/// Both replies were read before the word about the change, and who changed runs first.
#[test]
fn what_was_read_before_a_change_of_this_process_does_not_take_the_place_of_what_it_stored() {
    let cache = Cache::new(10);
    let changing = cache.begin_change(&key("a"));
    // Another change begins here, or its word comes: one is counted.
    let another = cache.begin_change(&key("a"));
    let before = cache.begin(&key("a")).unwrap();
    assert!(changing.take_in(&read("new"), at(0), at(10)));
    assert!(!before.take_in(&read("old"), at(0), at(10)));
    assert_eq!(kept(&cache, "a").as_deref(), Some(&b"new"[..]));
    drop(another);
    assert!(kept(&cache, "a").is_none());
}

/// A visitor whose requests go from one process to the next.
#[test]
fn what_is_kept_in_vain_is_not_kept_at_the_next_read() {
    let cache = Cache::new(10);
    for _ in 0..3 {
        assert!(change(&cache, || cache.told("a")));
        // Nobody here has used it when another process changes it.
        cache.told("a");
        assert!(cache.begin(&key("a")).is_none());
        assert!(cache.begin(&key("a")).is_some());
    }
}

#[test]
fn there_is_room_for_so_many() {
    let cache = Cache::new(100);
    for n in 0..1000 {
        cache
            .begin(&key(&n.to_string()))
            .unwrap()
            .take_in(&read("1"), at(0), at(10));
    }
    assert!(cache.entries.len() <= 100, "{cache:?}");
}

#[test]
fn one_use_in_an_interval_touches_and_lengthens() {
    let cache = Cache::new(10);
    cache
        .begin(&key("a"))
        .unwrap()
        .take_in(&read("1"), at(100), at(200));
    let read = cache.get("a").unwrap();
    assert!(read.kept.is_alive(at(199)) && !read.kept.is_alive(at(200)));
    let minute = Duration::from_secs(60).as_millis() as u64;
    assert!(!read.kept.is_to_be_touched(at(159), minute, at(259)));
    assert!(read.kept.is_to_be_touched(at(160), minute, at(260)));
    assert!(!read.kept.is_to_be_touched(at(160), minute, at(260)));
    assert!(read.kept.is_alive(at(259)));
}
