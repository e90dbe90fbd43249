//! The sessions of a series: which of their slots have a bar or coverage.

use backfill::rules::session_slots::session_slots;
use domain::calendar::{Date, date_of};
use domain::{Timeframe, Timestamp};
use serde::Serialize;

use super::held_bars::HeldBars;
use super::symbol_history::SeriesHistory;

/// Counts of slots. Each is one of `held`, `confirmed_empty`, `pending` and `missing`; `uncovered` are those of `held` without coverage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SlotCounts {
    /// The slots of the calendar.
    pub expected: u64,
    /// Slots with a bar.
    pub held: u64,
    /// Slots with a bar and without coverage, for example of live bars.
    pub uncovered: u64,
    /// Covered slots.
    pub covered: u64,
    /// Covered slots without a bar: the source has none.
    pub confirmed_empty: u64,
    /// Slots without bar and coverage in the range of an open request.
    pub pending: u64,
    /// Slots without bar, coverage and open request.
    pub missing: u64,
}

/// The state of a series in one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DayState {
    /// It has bars, and every slot without a bar is covered.
    Held,
    /// As [`Held`](Self::Held), with bars that are not covered.
    Uncovered,
    /// Every slot is covered, and there is no bar.
    Empty,
    /// A slot is pending.
    Pending,
    /// Some slots are missing.
    Partial,
    /// All slots are missing.
    Missing,
}

/// One session of a series.
#[derive(Debug, Clone, Copy)]
pub struct SeriesDay {
    pub date: Date,
    pub state: DayState,
    pub slots: SlotCounts,
    /// Bars outside the session.
    pub off_session: u64,
}

impl SlotCounts {
    pub fn add(&mut self, other: &Self) {
        self.expected += other.expected;
        self.held += other.held;
        self.uncovered += other.uncovered;
        self.covered += other.covered;
        self.confirmed_empty += other.confirmed_empty;
        self.pending += other.pending;
        self.missing += other.missing;
    }

    /// Returns the state of a session with these slots.
    fn state(&self) -> DayState {
        match self {
            slots if slots.pending > 0 => DayState::Pending,
            slots if slots.missing == slots.expected => DayState::Missing,
            slots if slots.missing > 0 => DayState::Partial,
            slots if slots.held == 0 => DayState::Empty,
            slots if slots.uncovered > 0 => DayState::Uncovered,
            _ => DayState::Held,
        }
    }
}

impl SeriesHistory {
    /// Returns the first and the last date of which anything is known.
    #[must_use]
    pub fn dates(&self) -> Option<(Date, Date)> {
        let ranges = || self.covered.iter().chain(self.pending.iter());
        let of_bars = || self.bars.iter().flat_map(HeldBars::dates);
        let first = ranges().map(|range| date_of(range.start())).chain(of_bars().next()).min()?;
        let last = ranges().map(|range| date_of(range.last())).chain(of_bars().next_back()).max()?;
        Some((first, last))
    }

    fn slots(&self, timeframe: Timeframe, date: Date) -> SlotCounts {
        let mut counts = SlotCounts::default();
        for slot in session_slots(timeframe, date) {
            self.count(slot, &mut counts);
        }
        counts
    }

    fn count(&self, slot: Timestamp, counts: &mut SlotCounts) {
        counts.expected += 1;
        let is_held = self.bars.as_ref().is_some_and(|bars| bars.contains(slot));
        let is_covered = self.covered.contains(slot);
        counts.covered += u64::from(is_covered);
        let count = match (is_held, is_covered) {
            (true, is_covered) => {
                counts.uncovered += u64::from(!is_covered);
                &mut counts.held
            }
            (false, true) => &mut counts.confirmed_empty,
            (false, false) if self.pending.contains(slot) => &mut counts.pending,
            (false, false) => &mut counts.missing,
        };
        *count += 1;
    }
}

/// Returns the sessions of a series from `first` to `last`. Data without timeframes has the slots of day bars.
pub fn days(
    series: &SeriesHistory,
    timeframe: Option<Timeframe>,
    (first, last): (Date, Date),
) -> impl Iterator<Item = SeriesDay> {
    let dates = std::iter::successors(Some(first), |date| date.tomorrow().ok());
    dates.take_while(move |date| *date <= last).filter_map(move |date| {
        let slots = series.slots(timeframe.unwrap_or(Timeframe::Day1), date);
        let bars = series.bars.as_ref().map_or(0, |bars| u64::from(bars.of_date(date)));
        let off_session = bars.saturating_sub(slots.held);
        (slots.expected > 0).then(|| SeriesDay { date, state: slots.state(), slots, off_session })
    })
}

#[cfg(test)]
mod tests;
