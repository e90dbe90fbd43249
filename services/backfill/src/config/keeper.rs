//! Section of the keeper.

use std::time::Duration;

use chassis::config::{ErrorCollector, Validate};
use serde::{Deserialize, Serialize};

use crate::rules::keeper::Keeper;
use crate::rules::live_bars::LiveLimits;

const HOUR_SECONDS: u64 = 3_600;

const DAY_SECONDS: u64 = 24 * HOUR_SECONDS;

/// The keeper, a part of the executor stage. It requests the history that a wanted series lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeeperSection {
    /// `true` if the missing history of wanted series is requested. By default true; otherwise it is fetched only when a request names it.
    pub enabled: bool,
    /// The days for which a series is kept complete after the last qualification or promotion that wanted it, 1 to 3,650. By default 30,
    /// the lookback of layer 0.
    pub keep_days: u64,
    /// The minimum number of consecutive missing bars below a day, 1 to 390. By default 3: a symbol that trades rarely has no bar in many
    /// minutes.
    pub hole_bars: i64,
    /// The age in hours from which on live bars are followed, 24 to 720, or 0: they are not followed. By default 48: the bars of a session are
    /// read again until the day after the next one.
    pub live_hours: u64,
    /// The maximum number of sessions of which a partition holds live bars, one per symbol, timeframe and date, at least 1. By default 10,000, which
    /// are four dates of 600 symbols in four timeframes. What is not held is requested.
    pub live_sessions_max: usize,
    /// The number of the newest sessions of a wanted series that are fetched again each day, 0 to 20: a vendor may correct its bars. By default 0.
    /// With 5, each session is fetched five times.
    pub restated_sessions: u32,
}

impl Default for KeeperSection {
    fn default() -> Self {
        Self {
            enabled: true,
            keep_days: 30,
            hole_bars: 3,
            live_hours: 48,
            live_sessions_max: 10_000,
            restated_sessions: 0,
        }
    }
}

impl KeeperSection {
    /// Returns the keeper, if it is enabled. A bar below a day is final at `settle` after its close.
    #[must_use]
    pub fn keeper(&self, settle: Duration) -> Option<Keeper> {
        let keep = Duration::from_secs(self.keep_days * DAY_SECONDS);
        let (hole_bars, restated_sessions) = (self.hole_bars, self.restated_sessions);
        self.enabled.then_some(Keeper { keep, hole_bars, settle, restated_sessions })
    }

    /// Returns the limits of the live bars, if they are followed.
    #[must_use]
    pub fn live_bars(&self) -> Option<LiveLimits> {
        let back = Duration::from_secs(self.live_hours * HOUR_SECONDS);
        let is_followed = self.enabled && self.live_hours > 0;
        is_followed.then_some(LiveLimits { back, sessions_max: self.live_sessions_max })
    }
}

impl Validate for KeeperSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        let days = self.keep_days;
        errors.check((1..=3_650).contains(&days), "keep_days", days, "1 to 3650", "30");
        let bars = self.hole_bars;
        errors.check((1..=390).contains(&bars), "hole_bars", bars, "1 to 390, the minutes of a session", "3");
        let hours = self.live_hours;
        errors.check(hours == 0 || (24..=720).contains(&hours), "live_hours", hours, "24 to 720, or 0", "48");
        let sessions = self.live_sessions_max;
        errors.check(sessions >= 1, "live_sessions_max", sessions, "at least 1", "10000");
        let restated = self.restated_sessions;
        errors.check(restated <= 20, "restated_sessions", restated, "0 to 20", "5");
    }
}
