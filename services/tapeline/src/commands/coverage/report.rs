//! Counts of the history of a symbol by series and by session.

use std::collections::BTreeMap;

use domain::calendar::Date;
use domain::{DataType, Symbol, Timeframe};
use serde::Serialize;

use crate::history::{
    BackfillState, DayState, LoggedBackfill, SeriesHistory, SeriesKey, SlotCounts, SymbolHistory, days,
};

/// The history of a symbol.
#[derive(Debug, Serialize)]
pub(super) struct CoverageReport {
    pub(super) symbol: String,
    pub(super) partition: i32,
    pub(super) series: Vec<SeriesReport>,
    /// The number of sessions of each verdict.
    pub(super) verdicts: BTreeMap<Verdict, u64>,
    /// The verdict of each session in which a series is expected.
    pub(super) days: Vec<DayReport>,
    pub(super) open_requests: Vec<OpenRequest>,
    /// Records of the symbol without a valid event.
    pub(super) skipped_records: u64,
}

/// One series.
#[derive(Debug, Serialize)]
pub(super) struct SeriesReport {
    pub(super) data_type: &'static str,
    /// Empty for data without timeframes.
    pub(super) timeframe: &'static str,
    pub(super) from: String,
    pub(super) to: String,
    /// All held bars, those outside sessions included.
    pub(super) bars: u64,
    pub(super) bars_off_session: u64,
    pub(super) slots: SlotCounts,
    /// An attempt fetches covered ranges again.
    pub(super) is_refetching: bool,
    /// The covered ranges, each with its last instant.
    pub(super) covered: Vec<Range>,
    /// The states of its sessions, in order.
    #[serde(skip)]
    pub(super) states: Vec<(Date, DayState)>,
}

#[derive(Debug, Serialize)]
pub(super) struct Range {
    start: String,
    end: String,
}

#[derive(Debug, Serialize)]
pub(super) struct DayReport {
    pub(super) date: String,
    pub(super) verdict: Verdict,
}

/// The verdict of a session over all series that are expected in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Available,
    Degraded,
    Pending,
    Missing,
}

#[derive(Debug, Serialize)]
pub(super) struct OpenRequest {
    pub(super) backfill_id: String,
    pub(super) state: &'static str,
    /// Written and all chunks of its newest fetch.
    pub(super) chunks: Option<(i32, i32)>,
}

impl Verdict {
    pub(super) const ALL: [Self; 4] = [Self::Available, Self::Degraded, Self::Pending, Self::Missing];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Degraded => "degraded",
            Self::Pending => "pending",
            Self::Missing => "missing",
        }
    }

    fn of(states: &[DayState]) -> Self {
        let has = |state| states.contains(&state);
        if has(DayState::Pending) {
            Self::Pending
        } else if states.iter().all(|state| *state == DayState::Missing) {
            Self::Missing
        } else if has(DayState::Missing) || has(DayState::Partial) || has(DayState::Empty) {
            Self::Degraded
        } else {
            Self::Available
        }
    }
}

impl CoverageReport {
    pub(super) fn new(
        symbol: Symbol,
        partition: i32,
        history: SymbolHistory,
        dates: (Option<Date>, Option<Date>),
    ) -> Self {
        let series = history.series.iter().filter_map(|(key, series)| series_report(*key, series, dates));
        let mut series: Vec<SeriesReport> = series.collect();
        // Bars first, the longest timeframe first.
        series.sort_by_key(|series| {
            let is_other = series.data_type != DataType::MarketData.as_str();
            (is_other, series.data_type, std::cmp::Reverse(Timeframe::from_name(series.timeframe)))
        });
        let mut states: BTreeMap<Date, Vec<DayState>> = BTreeMap::new();
        for (date, state) in series.iter().flat_map(|series| &series.states) {
            states.entry(*date).or_default().push(*state);
        }
        let days = states.iter();
        let days: Vec<DayReport> =
            days.map(|(date, of)| DayReport { date: date.to_string(), verdict: Verdict::of(of) }).collect();
        let mut verdicts: BTreeMap<Verdict, u64> = Verdict::ALL.map(|verdict| (verdict, 0)).into();
        for day in &days {
            *verdicts.entry(day.verdict).or_default() += 1;
        }
        Self {
            symbol: symbol.to_string(),
            partition,
            series,
            verdicts,
            days,
            open_requests: history.backfills.iter().filter_map(open_request).collect(),
            skipped_records: history.skipped,
        }
    }

    /// Returns `true` if the topics have nothing of the symbol.
    pub(super) fn is_empty(&self) -> bool {
        self.series.is_empty() && self.open_requests.is_empty()
    }
}

fn series_report(
    (data_type, timeframe): SeriesKey,
    series: &SeriesHistory,
    (from, to): (Option<Date>, Option<Date>),
) -> Option<SeriesReport> {
    let (first, last) = series.dates()?;
    let (first, last) = (from.unwrap_or(first), to.unwrap_or(last));
    let (mut slots, mut states, mut bars_off_session) = (SlotCounts::default(), Vec::new(), 0);
    for day in days(series, timeframe, (first, last)) {
        slots.add(&day.slots);
        bars_off_session += day.off_session;
        states.push((day.date, day.state));
    }
    let range = |interval: domain::Interval| Range {
        start: interval.start().to_string(),
        end: interval.last().to_string(),
    };
    Some(SeriesReport {
        data_type: data_type.as_str(),
        timeframe: timeframe.map_or("", Timeframe::as_str),
        from: first.to_string(),
        to: last.to_string(),
        bars: series.bars.as_ref().map_or(0, crate::history::HeldBars::len),
        bars_off_session,
        slots,
        is_refetching: series.is_refetching,
        covered: series.covered.iter().map(range).collect(),
        states,
    })
}

fn open_request(backfill: &LoggedBackfill) -> Option<OpenRequest> {
    let state = backfill.state();
    state.is_open().then(|| OpenRequest {
        backfill_id: backfill.id.to_string(),
        state: state.as_str(),
        chunks: match state {
            BackfillState::Running(progress) => Some((progress.done, progress.total)),
            BackfillState::Requested | BackfillState::Ended(_) => None,
        },
    })
}
