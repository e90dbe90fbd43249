//! Wanted series: what the coverage records contain in addition to the coverage, by partition.

use std::collections::BTreeMap;
use std::ops::Bound;

use contracts::{CoverageChange, RequestedSpan, WantedSeries};
use domain::{Interval, IntervalSet, Layer, Timestamp};

use crate::rules::keeper::{KeptSeries, RequestedRange, Wanted};
use crate::rules::series::Series;

/// The series that were wanted, or that the keeper has requested.
#[derive(Debug, Default)]
pub(super) struct KeptTable {
    partitions: BTreeMap<i32, BTreeMap<Series, KeptSeries>>,
}

impl KeptTable {
    /// Replaces the state of a series.
    pub(super) fn set(&mut self, partition: i32, series: Series, kept: KeptSeries) {
        let of_partition = self.partitions.entry(partition).or_default();
        if kept.is_empty() {
            of_partition.remove(&series)
        } else {
            of_partition.insert(series, kept)
        };
    }

    /// Returns the state of a series.
    pub(super) fn of(&self, partition: i32, series: &Series) -> KeptSeries {
        let of_partition = self.partitions.get(&partition);
        of_partition.and_then(|of| of.get(series)).cloned().unwrap_or_default()
    }

    /// Returns the series of a partition after this one, in order, at most `count`.
    pub(super) fn after(&self, partition: i32, last: Option<Series>, count: usize) -> Vec<Series> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let of_partition = self.partitions.get(&partition).into_iter();
        of_partition
            .flat_map(|of| of.range((from, Bound::Unbounded)))
            .map(|(series, _)| *series)
            .take(count)
            .collect()
    }

    pub(super) fn remove(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }
}

/// Reads the state of a series from its record.
pub(super) fn of_record(change: &CoverageChange) -> KeptSeries {
    KeptSeries {
        wanted: change.wanted.and_then(|wanted| {
            let layer = Layer::from_number(wanted.layer).ok()?;
            let (from, at) = (Timestamp::from_micros(wanted.from), Timestamp::from_micros(wanted.at));
            Some(Wanted { layer, from, at })
        }),
        requested: change.asked.iter().filter_map(requested_range).collect(),
    }
}

fn requested_range(span: &RequestedSpan) -> Option<RequestedRange> {
    let (start, last) = (Timestamp::from_micros(span.start), Timestamp::from_micros(span.end));
    let range = Interval::from_inclusive(start, last).ok()?;
    Some(RequestedRange { range, at: Timestamp::from_micros(span.at), attempt: span.attempt })
}

/// Returns the fields of a record with this coverage: the demand, and the requested ranges that are not covered.
pub(super) fn to_record(
    series: &Series,
    kept: &KeptSeries,
    covered: &IntervalSet,
) -> (Option<WantedSeries>, Vec<RequestedSpan>) {
    let wanted = kept.wanted.map(|wanted| WantedSeries {
        layer: wanted.layer.number(),
        from: wanted.from.micros(),
        at: wanted.at.micros(),
    });
    let span = |requested: RequestedRange| RequestedSpan {
        start: requested.range.start().micros(),
        end: requested.range.last().micros(),
        at: requested.at.micros(),
        attempt: requested.attempt,
    };
    let uncovered = series.timeframe.map_or_else(Vec::new, |timeframe| kept.uncovered(timeframe, covered));
    (wanted, uncovered.into_iter().map(span).collect())
}
