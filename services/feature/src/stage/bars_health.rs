//! Health of the bar table: a stage that has read its table and holds no bars at all reports it as degraded.

use chassis::health::Latch;

const WITHOUT_BARS: &str = "no bars held: the sets of every vector are unavailable";

/// The state of the bar table as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeldBars {
    /// No partition is assigned, so no vector is computed.
    Unassigned,
    /// No bars yet, and the tables of some partitions are still being read.
    Loading,
    /// The table was read, and has no bars.
    None,
    Some,
}

/// Reports the change to and from a state in which the vectors of the stage have no bars.
#[derive(Debug, Default)]
pub(super) struct BarsHealth {
    latch: Option<Latch>,
    is_degraded: bool,
}

impl BarsHealth {
    pub(super) fn new(latch: Latch) -> Self {
        Self { latch: Some(latch), is_degraded: false }
    }

    /// Records the state of the table.
    pub(super) fn update(&mut self, held: HeldBars) {
        match held {
            HeldBars::None if !self.is_degraded => {
                tracing::warn!(
                    "no bars held: the sets of every vector are unavailable until market.bar.closed has bars"
                );
                self.set(Some(WITHOUT_BARS));
            }
            HeldBars::Some if self.is_degraded => {
                tracing::info!("bars held");
                self.set(None);
            }
            HeldBars::Unassigned if self.is_degraded => self.set(None),
            HeldBars::None | HeldBars::Some | HeldBars::Unassigned | HeldBars::Loading => {}
        }
    }

    fn set(&mut self, missing: Option<&str>) {
        self.is_degraded = missing.is_some();
        if let Some(latch) = &self.latch {
            latch.degraded(missing);
        }
    }
}
