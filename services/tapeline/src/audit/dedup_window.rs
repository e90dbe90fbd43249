//! A subject's dedup window, as the log tells it.

use domain::{FeatureSet, FeatureSets, window::SLACK_MICROS};

/// How far the clocks of brokers and services may be apart, milliseconds.
const SKEW_MS: i64 = 30_000;

/// For each feature set the highest priority at which it was asked for; 0 when it wasn't.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked([u8; FeatureSet::ALL.len()]);

impl Asked {
    const NOTHING: Self = Self([0; FeatureSet::ALL.len()]);

    pub(super) fn raise(&mut self, sets: FeatureSets, priority: u8) {
        for set in sets.iter() {
            let highest = &mut self.0[set.index()];
            *highest = (*highest).max(priority);
        }
    }

    /// Whether every set was asked for at this priority or a higher one.
    pub(super) fn covers(&self, sets: FeatureSets, priority: u8) -> bool {
        sets.iter().all(|set| self.0[set.index()] >= priority)
    }
}

/// What is known of a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// The event time that opened it.
    pub(super) opened_at: i64,
    /// What the asks that passed ask for.
    pub(super) passed: Asked,
    /// The append time of the first answer that tells of it, milliseconds.
    announced_at_ms: Option<i64>,
}

impl Window {
    pub(super) const fn opened_at(opened_at: i64) -> Self {
        Self { opened_at, passed: Asked::NOTHING, announced_at_ms: None }
    }

    /// An answer in this window was appended then.
    pub(super) fn announced(&mut self, at_ms: i64) {
        self.announced_at_ms = Some(self.announced_at_ms.map_or(at_ms, |first| first.min(at_ms)));
    }

    /// Whether an answer tells of it.
    pub(super) const fn is_announced(&self) -> bool {
        self.announced_at_ms.is_some()
    }

    /// Whether the window must have been forgotten by the clock at `at_ms`.
    pub(super) fn is_over(&self, at_ms: i64, window_micros: i64) -> bool {
        let lives_ms = (window_micros + SLACK_MICROS) / 1_000 + SKEW_MS;
        self.announced_at_ms.is_some_and(|announced| at_ms >= announced.saturating_add(lives_ms))
    }

    /// Whether the window can't have been forgotten by the clock when an answer was appended at `at_ms`: windows live for their length
    /// and a slack from their first answer on, and whoever asks is judged before its answer is appended.
    pub(super) fn is_alive(&self, at_ms: i64, window_micros: i64) -> bool {
        let lives_ms = (window_micros + SLACK_MICROS) / 1_000 - SKEW_MS;
        self.announced_at_ms.is_some_and(|announced| at_ms < announced.saturating_add(lives_ms))
    }
}
