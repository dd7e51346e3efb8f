//! The visitors: their cookies, and what the counter of each stands at. They are introduced and asked
//! here, while nothing is timed; in between `wrk` visits in their name.

use std::ops::RangeInclusive;
use std::thread;
use std::time::Duration;

use super::line::Line;
use super::{CONNECTIONS, Page, VISITORS};

/// All visitors of one application.
pub(super) struct Visitors {
    port: u16,
    /// As they stand in a request; empty where there are no sessions.
    pub(super) cookies: Vec<String>,
    /// What the counters stood at when they were looked at last; empty where there are no sessions.
    visits: Vec<u64>,
}

/// More than one line, so that each thread that has connections of its own is asked, too.
const LINES: usize = 8;

/// What was under way when `wrk` ended is done after this time.
const SETTLING: Duration = Duration::from_millis(50);

impl Visitors {
    /// Visits the application for the first time with each, and a second time to see that it knows
    /// them again.
    pub(super) fn introduce(port: u16, sessions: bool) -> Self {
        let mut visitors = Self {
            port,
            cookies: vec![String::new(); VISITORS],
            visits: Vec::new(),
        };
        if !sessions {
            return visitors;
        }
        for cookies in visitors.cookies.chunks_mut(VISITORS / LINES) {
            let mut line = Line::open(port);
            for cookie in cookies {
                let first = line.ask(Page::Count, "");
                assert_eq!(first.number, 1, "a first visit is counted as one");
                *cookie = first.cookie.expect("a new visitor gets a cookie");
                let second = line.ask(Page::Count, cookie);
                assert_eq!(second.number, 2, "a second visit is counted as two");
            }
        }
        visitors.visits = vec![2; VISITORS];
        visitors
    }

    /// After so many answered requests for a page: every counter must stand where it should.
    pub(super) fn check(&mut self, page: Page, requests: u64) -> Result<(), String> {
        if self.visits.is_empty() {
            return Ok(());
        }
        thread::sleep(SETTLING);
        let visits = self.look();
        compare(page, requests, &self.visits, &visits)?;
        self.visits = visits;
        Ok(())
    }

    /// What the counters stand at, which is nearly the same with all; `None` without sessions.
    pub(super) fn stand(&self) -> Option<RangeInclusive<u64>> {
        let (least, most) = (self.visits.iter().min()?, self.visits.iter().max()?);
        Some(*least..=*most)
    }

    fn look(&self) -> Vec<u64> {
        let mut visits = Vec::new();
        for cookies in self.cookies.chunks(VISITORS / LINES) {
            let mut line = Line::open(self.port);
            let answers = cookies.iter().map(|cookie| line.ask(Page::Read, cookie));
            visits.extend(answers.map(|answer| answer.number));
        }
        visits
    }
}

/// Whether the counters went up as they should by so many answered requests for a page. One more for
/// each connection may have been counted, whose answer nobody waited for.
fn compare(page: Page, requests: u64, before: &[u64], after: &[u64]) -> Result<(), String> {
    let (least, most) = match page {
        Page::Count => (requests, requests + CONNECTIONS as u64),
        Page::Read => (0, 0),
    };
    let path = page.path();
    // All are visited in turn, so none is more than one visit ahead, nor more than the one without an
    // answer behind.
    let visitors = before.len() as u64;
    let (least_each, most_each) = (
        (least / visitors).saturating_sub(1),
        most.div_ceil(visitors),
    );
    for (before, after) in before.iter().zip(after) {
        let right = before + least_each..=before + most_each;
        if !right.contains(after) {
            return Err(format!(
                "after {requests} requests for {path} of {visitors} visitors, a counter that stood at \
                 {before} was expected to be from {} to {}, and is {after}",
                right.start(),
                right.end()
            ));
        }
    }
    let (before, after): (u64, u64) = (before.iter().sum(), after.iter().sum());
    let right = before + least..=before + most;
    if !right.contains(&after) {
        return Err(format!(
            "after {requests} requests for {path} all counters, which were {before} together, were \
             expected to be from {} to {}, and are {after}",
            right.start(),
            right.end()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten visitors, who have been here ten times each, and then asked for this page.
    fn after(page: Page, requests: u64, visits: [u64; 10]) -> Result<(), String> {
        compare(page, requests, &[10; 10], &visits)
    }

    #[test]
    fn each_answered_request_is_counted_and_some_without_an_answer() {
        let visits = [18, 18, 18, 17, 17, 17, 17, 17, 17, 17];
        assert_eq!(after(Page::Count, 73, visits), Ok(()));
        assert_eq!(after(Page::Count, 70, visits), Ok(()));
        assert_eq!(after(Page::Count, 9, visits), Ok(()));
    }

    #[test]
    fn a_sum_that_is_wrong_is_told() {
        let visits = [18, 18, 18, 17, 17, 17, 17, 17, 17, 17];
        let lost = after(Page::Count, 74, visits).expect_err("one was not counted");
        assert!(lost.contains("from 174 to 238, and are 173"), "{lost}");
        let doubled = after(Page::Count, 8, visits).expect_err("one was counted twice");
        assert!(
            doubled.contains("from 108 to 172, and are 173"),
            "{doubled}"
        );
    }

    #[test]
    fn a_counter_that_others_make_up_for_is_told() {
        let visits = [9, 18, 18, 18, 18, 18, 18, 18, 18, 20];
        let back = after(Page::Count, 73, visits).expect_err("one went back");
        assert!(back.contains("from 16 to 24, and is 9"), "{back}");
    }

    #[test]
    fn reading_counts_nothing() {
        assert_eq!(after(Page::Read, 73, [10; 10]), Ok(()));
        let visits = [10, 10, 10, 10, 10, 10, 10, 10, 10, 11];
        let counted = after(Page::Read, 73, visits).expect_err("one was counted");
        assert!(counted.contains("from 10 to 10, and is 11"), "{counted}");
    }
}
