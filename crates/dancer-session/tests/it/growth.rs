//! A long-lived process does not grow.

use std::fs;

use dancer_session::Flushed;

use crate::bench::{Bench, Kind, id};

/// 100 000 retrieves and flushes, also of sessions that end, and the process is as large as before.
#[tokio::test]
async fn a_hundred_thousand_requests_do_not_grow_the_process() {
    let bench = Bench::new(Kind::Redis).await;
    let mut session = id(&bench.session(&[("n", 0)]).await);
    let mut after_warming_up = 0;
    for n in 1..=100_000u64 {
        let again = bench.find_id(&session).await.unwrap();
        again
            .update("n", |n: Option<u64>| n.unwrap_or(0) + 1)
            .unwrap();
        if n % 100 == 0 {
            again.renew();
        }
        assert_ne!(again.flush().await.unwrap(), Flushed::Ended);
        session = id(&again);
        if n == 20_000 {
            after_warming_up = resident_kib();
        }
    }
    let grown = resident_kib().saturating_sub(after_warming_up);
    assert!(
        grown < 2_048,
        "{grown} KiB more after another 80 000 requests"
    );
}

/// What this process has in memory.
pub(crate) fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
