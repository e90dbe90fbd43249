//! A dedup window of one subject, reconstructed from the log.

use domain::{FeatureSet, FeatureSets, window::SLACK_MICROS};

/// Clock skew between brokers and services, milliseconds.
const SKEW_MS: i64 = 30_000;

/// The highest priority at which each feature set was requested; 0 if it was not.
#[derive(Debug, Clone, Copy)]
pub(super) struct SetPriorities([u8; FeatureSet::ALL.len()]);

impl SetPriorities {
    const NONE: Self = Self([0; FeatureSet::ALL.len()]);

    pub(super) fn raise(&mut self, sets: FeatureSets, priority: u8) {
        for set in sets.iter() {
            let highest = &mut self.0[set.index()];
            *highest = (*highest).max(priority);
        }
    }

    /// `true` if every set was requested at this priority or a higher one.
    pub(super) fn covers(&self, sets: FeatureSets, priority: u8) -> bool {
        sets.iter().all(|set| self.0[set.index()] >= priority)
    }
}

/// A dedup window.
#[derive(Debug, Clone, Copy)]
pub(super) struct DedupWindow {
    /// The event time that opened it.
    pub(super) opened_at: i64,
    /// The sets and priorities that the passed inputs request.
    pub(super) passed: SetPriorities,
    /// Append time of the first output of this window, milliseconds. `None` without an output.
    first_output_at_ms: Option<i64>,
}

impl DedupWindow {
    pub(super) const fn opened_at(opened_at: i64) -> Self {
        Self { opened_at, passed: SetPriorities::NONE, first_output_at_ms: None }
    }

    /// Records an output of this window.
    pub(super) fn output_at(&mut self, at_ms: i64) {
        self.first_output_at_ms = Some(self.first_output_at_ms.map_or(at_ms, |first| first.min(at_ms)));
    }

    pub(super) const fn has_output(&self) -> bool {
        self.first_output_at_ms.is_some()
    }

    /// `true` if the window has certainly expired by the clock at `at_ms`.
    pub(super) fn is_expired(&self, at_ms: i64, window_micros: i64) -> bool {
        let lifetime_ms = (window_micros + SLACK_MICROS) / 1_000 + SKEW_MS;
        self.first_output_at_ms.is_some_and(|first| at_ms >= first.saturating_add(lifetime_ms))
    }

    /// `true` if the window certainly had not expired by the clock when an output was appended at `at_ms`. Windows expire their length and
    /// a slack after their first output, and an input is processed before its output is appended.
    pub(super) fn is_active(&self, at_ms: i64, window_micros: i64) -> bool {
        let lifetime_ms = (window_micros + SLACK_MICROS) / 1_000 - SKEW_MS;
        self.first_output_at_ms.is_some_and(|first| at_ms < first.saturating_add(lifetime_ms))
    }
}
