//! Folding of the events of one partition into rows.

use std::collections::BTreeMap;

use contracts::{
    CoverageChange, CoverageKey, Event, RangeCompletion, RangeFailure, RangeProgress, RangeRequest, Topic,
};
use kafka_io::{OwnedRecord, Unavailable, Wire};

use super::rows::{JobKey, JobRow, SeriesKey, SeriesRow};
use crate::coverage_reader::CoverageReader;

/// The topics that the ledger reads.
pub const TOPICS: [Topic; 5] = [
    Topic::RangeRequested,
    Topic::RangeProgressed,
    Topic::RangeCompleted,
    Topic::RangeFailed,
    Topic::CoverageChanged,
];

/// A range of offsets of one topic's partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetRange {
    /// The position in the database before this batch.
    pub expected: i64,
    pub next: i64,
}

/// The rows that follow from consecutive records of the topics' partitions with one number, and the positions after them. A key occurs once,
/// so all rows fit in one statement.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub partition: i32,
    pub jobs: BTreeMap<JobKey, JobRow>,
    pub series: BTreeMap<SeriesKey, SeriesRow>,
    pub positions: BTreeMap<Topic, OffsetRange>,
    /// Records without a valid event.
    pub skipped: u64,
}

impl Batch {
    /// Returns a batch without records.
    #[must_use]
    pub fn new(partition: i32) -> Self {
        Self { partition, ..Self::default() }
    }

    /// Adds the next record; stale coverage only moves the position. `expected`: the position of its topic's partition before the first record
    /// of the batch. A record that is invalid or in another partition than its symbol's is counted and skipped.
    ///
    /// # Errors
    /// If the registry is unavailable, so that the record can't be decoded now. The batch is unchanged.
    pub fn add(
        &mut self,
        wire: &Wire,
        record: &OwnedRecord,
        expected: i64,
        coverage: &mut CoverageReader,
    ) -> Result<(), Unavailable> {
        match record.topic {
            Topic::CoverageChanged if coverage.is_stale(record) => {}
            Topic::RangeRequested => self.add_event(wire, record, Self::add_request)?,
            Topic::RangeProgressed => self.add_event(wire, record, Self::add_progress)?,
            Topic::RangeCompleted => self.add_event(wire, record, Self::add_completion)?,
            Topic::RangeFailed => self.add_event(wire, record, Self::add_failure)?,
            Topic::CoverageChanged if record.payload.is_none() => self.remove_series(record),
            Topic::CoverageChanged => self.add_event(wire, record, Self::add_coverage)?,
            _ => self.skipped += 1,
        }
        let next = record.offset + 1;
        self.positions.entry(record.topic).or_insert(OffsetRange { expected, next }).next = next;
        Ok(())
    }

    fn add_event<E: Event>(
        &mut self,
        wire: &Wire,
        record: &OwnedRecord,
        add: impl FnOnce(&mut Self, &E),
    ) -> Result<(), Unavailable> {
        match wire.read_owned::<E>(record)? {
            Some(event) => add(self, &event),
            None => self.skipped += 1,
        }
        Ok(())
    }

    fn add_request(&mut self, event: &RangeRequest) {
        // A cancellation names the job of another request.
        if !event.cancel {
            self.job(&event.backfill_id, event.attempt).apply_request(event);
        }
    }

    fn add_progress(&mut self, event: &RangeProgress) {
        self.job(&event.backfill_id, event.attempt).apply_progress(event);
    }

    fn add_completion(&mut self, event: &RangeCompletion) {
        self.job(&event.backfill_id, event.attempt).apply_completion(event);
    }

    fn add_failure(&mut self, event: &RangeFailure) {
        self.job(&event.backfill_id, event.attempt).apply_failure(event);
    }

    fn job(&mut self, id: &str, attempt: i32) -> &mut JobRow {
        self.jobs.entry((id.to_owned(), attempt)).or_default()
    }

    fn add_coverage(&mut self, event: &CoverageChange) {
        let key = (event.symbol.clone(), event.data_type.as_str(), event.timeframe.clone());
        self.series.insert(key, SeriesRow::from(event));
    }

    fn remove_series(&mut self, record: &OwnedRecord) {
        let Some(key) = record.key.as_deref().and_then(CoverageKey::parse) else {
            self.skipped += 1;
            return;
        };
        let timeframe = key.timeframe.map_or("", domain::Timeframe::as_str).to_owned();
        let changed_at = record.timestamp_ms.saturating_mul(1_000);
        let row = SeriesRow { intervals: Vec::new(), changed_at };
        self.series.insert((key.symbol.to_string(), key.data_type.as_str(), timeframe), row);
    }
}
