//! What the whole network is like at the moment.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::Dice;

/// What the network does to every piece, and to every connection.
#[derive(Clone, Default)]
pub(super) struct Weather {
    pub(super) refuse: bool,
    pub(super) black_hole: bool,
    /// For replies alone.
    pub(super) delay: Duration,
    pub(super) chop: bool,
    pub(super) split: bool,
    pub(super) jitter: Duration,
    /// One piece in so many is held up for so long.
    pub(super) stall: Option<(u64, Duration)>,
}

/// The weather, and the chance in it.
pub(super) struct Sky {
    weather: watch::Sender<Weather>,
    dice: Mutex<Dice>,
}

impl Default for Sky {
    fn default() -> Self {
        Self {
            weather: watch::Sender::default(),
            dice: Mutex::new(Dice::new(0)),
        }
    }
}

impl Sky {
    pub(super) fn change(&self, change: impl FnOnce(&mut Weather)) {
        self.weather.send_modify(change);
    }

    pub(super) fn now(&self) -> Weather {
        self.weather.borrow().clone()
    }

    pub(super) fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().expect("no one panics with the dice")
    }

    /// Waits for weather of this kind.
    pub(super) async fn wait_for(&self, wanted: fn(&Weather) -> bool) {
        let mut weather = self.weather.subscribe();
        let seen = weather.wait_for(wanted).await;
        seen.expect("the sender is in `self`");
    }

    /// Waits as long as a piece is on its way, besides the delay of replies.
    pub(super) async fn travel(&self) {
        let Weather { jitter, stall, .. } = self.now();
        let mut time = Duration::ZERO;
        if !jitter.is_zero() {
            let micros = jitter.as_micros() as u64;
            time += Duration::from_micros(self.dice().below(micros.max(1)));
        }
        if let Some((one_in, stalled)) = stall
            && self.dice().below(one_in) == 0
        {
            time += stalled;
        }
        if !time.is_zero() {
            sleep(time).await;
        }
        self.wait_for(|now| !now.black_hole).await;
    }

    /// Writes a piece: in one, in two, or byte by byte.
    pub(super) async fn write(
        &self,
        to: &mut (impl AsyncWrite + Unpin),
        piece: &[u8],
    ) -> std::io::Result<()> {
        let Weather { chop, split, .. } = self.now();
        let length = match (chop, split) {
            (true, _) => 1,
            (false, true) => 1 + self.dice().below(piece.len() as u64) as usize,
            (false, false) => return to.write_all(piece).await,
        };
        for part in piece.chunks(length) {
            to.write_all(part).await?;
            // Who reads may do so now, and finds this part alone.
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}
