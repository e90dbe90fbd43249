//! Health of the bar table: a stage that computes without any bars reports it as degraded.

use chassis::health::Latch;

const WITHOUT_BARS: &str = "no bars held: the sets of every vector are unavailable";

/// Reports the change to and from a state in which vectors are computed and the table has no bars at all.
#[derive(Debug, Default)]
pub(super) struct BarsHealth {
    latch: Option<Latch>,
    is_degraded: bool,
}

impl BarsHealth {
    pub(super) fn new(latch: Latch) -> Self {
        Self { latch: Some(latch), is_degraded: false }
    }

    /// Records that a vector was computed without bars, and that the table is empty.
    pub(super) fn computed_without_bars(&mut self) {
        if !std::mem::replace(&mut self.is_degraded, true) {
            tracing::warn!(
                "no bars held: the sets of every vector are unavailable until market.bar.closed has bars"
            );
            self.set(Some(WITHOUT_BARS));
        }
    }

    /// Returns `true` after [`Self::computed_without_bars`] until [`Self::has_bars`].
    pub(super) const fn is_degraded(&self) -> bool {
        self.is_degraded
    }

    /// Records that the table has bars.
    pub(super) fn has_bars(&mut self) {
        if std::mem::take(&mut self.is_degraded) {
            tracing::info!("bars held again");
            self.set(None);
        }
    }

    fn set(&self, missing: Option<&str>) {
        if let Some(latch) = &self.latch {
            latch.degraded(missing);
        }
    }
}
