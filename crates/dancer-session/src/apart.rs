//! What threads have apart from each other: a count, or a lock, that all of them change would go from
//! one core's cache to the other's each time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use crossbeam_utils::CachePadded;

/// One `T` for each core. A thread always gets the same one; others may get it, too.
pub(crate) struct Apart<T>(Box<[CachePadded<T>]>);

/// More cores than this share.
const MOST: usize = 64;

impl<T> Apart<T> {
    pub(crate) fn new(make: impl FnMut() -> T) -> Self {
        static CORES: OnceLock<usize> = OnceLock::new();
        let cores = *CORES.get_or_init(|| available_parallelism().map_or(1, Into::into));
        Self::with(cores.min(MOST), make)
    }

    /// All threads get the same one.
    pub(crate) fn one(make: impl FnMut() -> T) -> Self {
        Self::with(1, make)
    }

    fn with(parts: usize, make: impl FnMut() -> T) -> Self {
        let made = std::iter::repeat_with(make).map(CachePadded::new);
        Self(made.take(parts).collect())
    }

    /// As many others, each made of one of these.
    pub(crate) fn map<U>(&self, make: impl Fn(&T) -> U) -> Apart<U> {
        Apart(
            self.0
                .iter()
                .map(|part| CachePadded::new(make(part)))
                .collect(),
        )
    }

    /// That of this thread.
    pub(crate) fn mine(&self) -> &T {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static THIS: usize = NEXT.fetch_add(1, Ordering::Relaxed);
        }
        &self.0[THIS.with(|this| this % self.0.len())]
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;
    use std::sync::atomic::AtomicU8;

    use super::*;

    #[test]
    fn a_thread_keeps_what_it_has_and_neighbours_have_others() {
        let apart = Apart::with(2, AtomicU8::default);
        let mine = || ptr::from_ref(apart.mine()) as usize;
        let ask = || {
            let once = mine();
            assert_eq!(once, mine());
            once
        };
        // Other tests begin threads as well, which have their turn between these.
        let mut met: Vec<_> = (0..100)
            .map(|_| std::thread::scope(|scope| scope.spawn(ask).join().unwrap()))
            .collect();
        met.sort_unstable();
        met.dedup();
        assert_eq!(met.len(), 2);
    }

    #[test]
    fn one_is_for_all() {
        let apart = Apart::one(AtomicU8::default);
        let mine = || ptr::from_ref(apart.mine()) as usize;
        let theirs = std::thread::scope(|scope| scope.spawn(mine).join().unwrap());
        assert_eq!(theirs, mine());
    }
}
