//! Section of the keeper.

use std::time::Duration;

use chassis::config::{ErrorCollector, Validate};
use serde::{Deserialize, Serialize};

use crate::rules::keeper::Keeper;

const DAY_SECONDS: u64 = 86_400;

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
}

impl Default for KeeperSection {
    fn default() -> Self {
        Self { enabled: true, keep_days: 30, hole_bars: 3 }
    }
}

impl KeeperSection {
    /// Returns the keeper, if it is enabled. A bar below a day is final at `settle` after its close.
    #[must_use]
    pub fn keeper(&self, settle: Duration) -> Option<Keeper> {
        let keep = Duration::from_secs(self.keep_days * DAY_SECONDS);
        self.enabled.then_some(Keeper { keep, hole_bars: self.hole_bars, settle })
    }
}

impl Validate for KeeperSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        let days = self.keep_days;
        errors.check((1..=3_650).contains(&days), "keep_days", days, "1 to 3650", "30");
        let bars = self.hole_bars;
        errors.check((1..=390).contains(&bars), "hole_bars", bars, "1 to 390, the minutes of a session", "3");
    }
}
