//! The contract: what holds for every store. Each test is named after the rule of ARCHITECTURE.md
//! or the requirement of docs/promises.md that it holds, and runs once for each kind of store.

/// Makes of `async fn name(kind: Kind)` one test for each kind.
macro_rules! for_every_store {
    ($($test:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(crate::bench::Kind::Memory).await; })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(crate::bench::Kind::Redis).await; })*
        }
        mod dancer_in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(crate::bench::Kind::DancerInMemory).await; })*
        }
        mod dancer_in_redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(crate::bench::Kind::DancerInRedis).await; })*
        }
        mod without_threads {
            $(#[tokio::test]
            async fn $test() { super::$test(crate::bench::Kind::WithoutThreads).await; })*
        }
    };
}

/// The same for tests that look at the bytes of the native layout.
macro_rules! for_the_native_layout {
    ($($test:ident)*) => {
        mod native_in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(crate::bench::Kind::Memory).await; })*
        }
        mod native_in_redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(crate::bench::Kind::Redis).await; })*
        }
    };
}

mod endings;
mod entries;
mod ids;
mod owners;
mod permutations;
mod stubs;
mod time;
mod unreadable;
