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

fn at(seconds: u64) -> Moment {
    Moment::from_seconds(seconds)
}

fn kept(cache: &Arc<Cache>, key: &str) -> Option<Bytes> {
    cache.get(key).map(|read| read.payload.clone())
}

#[test]
fn what_was_read_is_kept_until_a_word_comes() {
    let cache = Cache::new(10);
    assert!(cache.begin("a").unwrap().take_in(&read("1"), at(0), at(10)));
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
    let (early, other) = (cache.begin("a").unwrap(), cache.begin("b").unwrap());
    cache.forget("a");
    assert!(!early.take_in(&read("old"), at(0), at(10)));
    assert!(kept(&cache, "a").is_none());
    assert!(other.take_in(&read("b"), at(0), at(10)));
    // One that was begun after the word.
    assert!(
        cache
            .begin("a")
            .unwrap()
            .take_in(&read("new"), at(0), at(10))
    );
    assert_eq!(kept(&cache, "a").as_deref(), Some(&b"new"[..]));
}

#[test]
fn of_two_reads_each_has_its_own_words() {
    let cache = Cache::new(10);
    let early = cache.begin("a").unwrap();
    cache.forget("a");
    let late = cache.begin("a").unwrap();
    assert!(!early.take_in(&read("old"), at(0), at(10)));
    assert!(late.take_in(&read("new"), at(0), at(10)));
    assert_eq!(kept(&cache, "a").as_deref(), Some(&b"new"[..]));
}

#[test]
fn all_are_forgotten_and_all_reads_with_them() {
    let cache = Cache::new(100);
    let readings: Vec<_> = (0..50)
        .map(|n| cache.begin(&n.to_string()).unwrap())
        .collect();
    assert!(cache.begin("a").unwrap().take_in(&read("1"), at(0), at(10)));
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
        cache.begin("a").unwrap(),
        cache.begin("a").unwrap(),
        cache.begin("b").unwrap(),
    ));
    for reads in &cache.reads {
        assert!(reads.lock().unwrap().under_way.is_empty());
    }
}

#[test]
fn what_this_process_has_changed_is_not_kept_at_the_next_read() {
    let cache = Cache::new(10);
    let keep = |cache: &Arc<Cache>| match cache.begin("a") {
        Some(reading) => reading.take_in(&read("1"), at(0), at(10)),
        None => false,
    };
    for _ in 0..3 {
        assert!(keep(&cache));
        cache.forget_own("a");
        // The server's word of that comes later.
        cache.forget("a");
        assert!(kept(&cache, "a").is_none());
        assert!(!keep(&cache));
        // What another one changes is kept again.
        assert!(keep(&cache));
        cache.forget("a");
    }
    // With a read that was sent before the change.
    let reading = cache.begin("a").unwrap();
    cache.forget_own("a");
    assert!(!reading.take_in(&read("old"), at(0), at(10)));
    assert!(cache.begin("a").is_none());
}

#[test]
fn there_is_room_for_so_many() {
    let cache = Cache::new(100);
    for n in 0..1000 {
        cache
            .begin(&n.to_string())
            .unwrap()
            .take_in(&read("1"), at(0), at(10));
    }
    assert!(cache.entries.len() <= 100, "{cache:?}");
}

#[test]
fn one_use_in_an_interval_touches_and_lengthens() {
    let cache = Cache::new(10);
    cache
        .begin("a")
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
