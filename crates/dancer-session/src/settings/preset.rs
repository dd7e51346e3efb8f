//! Limits of time by the assurance levels of NIST SP 800-63B.

use std::time::Duration;

use super::Settings;

#[derive(Debug, Clone, Copy)]
pub(super) enum Preset {
    Aal1,
    Aal2,
    Aal3,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl Preset {
    pub(super) fn settings(self) -> Settings {
        let mut settings = Settings::default();
        self.set(&mut settings);
        settings
    }

    /// Sets the two limits; what the keys `expire` and `lifetime` say beside it wins.
    pub(super) fn set(self, settings: &mut Settings) {
        let (expire, lifetime) = match self {
            Self::Aal1 => (30 * DAY, 30 * DAY),
            Self::Aal2 => (30 * MINUTE, 12 * HOUR),
            Self::Aal3 => (15 * MINUTE, 12 * HOUR),
        };
        settings.expire = Duration::from_secs(expire);
        settings.lifetime = Some(Duration::from_secs(lifetime));
    }
}
