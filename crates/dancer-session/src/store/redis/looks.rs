//! Whether a reply is looked for before the thread sleeps. To be woken takes longer than a server nearby
//! needs for a reply; of one far away a look is time lost.

/// What a look in vain costs, in those that it takes to be worth that.
const IN_VAIN: u32 = 3;
/// After three in a row there is no more of it.
const MOST_CREDIT: u32 = 3 * IN_VAIN;
/// Then so many replies are waited for in sleep, before the next look.
const REST: u32 = 64;

/// Whether it is worth while to look for a reply before going to sleep.
#[derive(Debug)]
pub(super) struct Looks {
    /// Grows with each look that found a reply, and shrinks with each in vain, which costs more than
    /// that has spared.
    credit: u32,
    /// For how many replies nobody looks.
    rest: u32,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            credit: MOST_CREDIT,
            rest: 0,
        }
    }
}

impl Looks {
    /// Whether the next reply is looked for.
    pub(super) fn are_due(&mut self) -> bool {
        self.rest = self.rest.saturating_sub(1);
        self.rest == 0
    }

    /// What came of a look.
    pub(super) fn learn(&mut self, found: bool) {
        self.credit = match found {
            true => MOST_CREDIT.min(self.credit + 1),
            false => self.credit.saturating_sub(IN_VAIN),
        };
        if self.credit == 0 {
            self.rest = REST;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of so many replies are looked for, when these are there in time.
    fn looked_for(replies: u32, in_time: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut looks = Looks::default();
        let mut looked = Vec::new();
        for reply in 0..replies {
            if looks.are_due() {
                looked.push(reply);
                looks.learn(in_time(reply));
            }
        }
        looked
    }

    #[test]
    fn who_looks_in_vain_looks_seldom_until_it_is_worth_while() {
        assert_eq!(looked_for(200, |_| true).len(), 200);
        assert_eq!(looked_for(200, |_| false), [0, 1, 2, 66, 130, 194]);
        // One that is late now and then is no reason to stop, but every second one is.
        assert_eq!(looked_for(200, |reply| reply % 5 > 0).len(), 200);
        assert!(looked_for(200, |reply| reply % 2 > 0).len() < 20);
        // And when the server has come nearer, all are looked for again.
        let nearer = looked_for(100, |reply| reply >= 10);
        assert_eq!(nearer[..4], [0, 1, 2, 66]);
        assert_eq!(nearer[4..], (67..100).collect::<Vec<_>>());
    }
}
