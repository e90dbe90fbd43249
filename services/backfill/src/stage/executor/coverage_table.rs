//! Coverage of the assigned partitions and its restoration from the compacted topic.
//!
//! The coverage of a partition is restored from the records that the topic had at assignment. It ends with the first request that passes
//! the gate. Later records of the topic are the stage's own and arrive late: between two chunks they would revert the coverage to an
//! older one. Tombstones are never its own: they delete the coverage of a series whenever they are read ([`crate::rules::deletions`]).

use contracts::{CoverageChange, CoverageKey, EncodeError};
use domain::{IntervalSet, Symbol, Timeframe};
use kafka_io::{InRecord, OutRecord};

use super::coverage_gate::CoverageGate;
use super::event_writer::{Cause, EventWriter, SeriesState};
use super::kept_series::{self, KeptTable};
use super::refetch_notes::RefetchNotes;
use super::request::Request;
use crate::rules::attempts::Attempt;
use crate::rules::coverage::Coverage;
use crate::rules::deletions::{Deletions, READ_TO};
use crate::rules::series::Series;

#[derive(Debug, Default)]
pub(super) struct CoverageTable {
    pub(super) coverage: Coverage,
    pub(super) gate: CoverageGate,
    pub(super) deletions: Deletions,
    pub(super) refetch_notes: RefetchNotes,
    pub(super) kept: KeptTable,
    /// The number of records without valid coverage.
    pub(super) skipped: u64,
}

impl CoverageTable {
    /// Returns `true` if the record contains coverage that a tombstone before it deletes. Its coverage is then written again.
    pub(super) fn is_stale(&mut self, record: &InRecord<'_>) -> bool {
        let partition = record.partition;
        if !self.deletions.has_any(partition) {
            return false;
        }
        let Some(series) = record.key.and_then(CoverageKey::parse).map(Series::from) else { return false };
        let is_stale = self.deletions.is_stale(partition, &series, record.headers.get(READ_TO));
        if is_stale {
            let (symbol, data_type) = (series.symbol, series.data_type);
            tracing::info!(%symbol, %data_type, "coverage written before its tombstone was read: it does not count, and is written again");
        }
        is_stale
    }

    /// Restores the coverage of a series from a record: `None` if the record has no event. Returns `false` if there is no valid coverage.
    pub(super) fn restore(&mut self, partition: i32, change: Option<&CoverageChange>) -> bool {
        let Some((series, intervals)) = change.and_then(coverage) else {
            self.skipped += 1;
            return false;
        };
        self.coverage.restore(partition, series, intervals);
        let refetching = change.and_then(|change| change.refetching.as_ref());
        let noted = refetching.and_then(|noted| Attempt::named(&noted.backfill_id, noted.attempt));
        self.refetch_notes.set(partition, series, noted);
        self.kept.set(partition, series, change.map(kept_series::of_record).unwrap_or_default());
        true
    }

    /// Returns the coverage of the series whose deletions stale records revert, on behalf of `request`, once. The coverage of `written` is
    /// in the same emission already.
    pub(super) fn take_reverted(
        &mut self,
        events: &EventWriter,
        request: &Request,
        occurred_at: i64,
        written: Option<&Series>,
    ) -> Vec<OutRecord> {
        let partition = request.id.input.partition;
        let mut outputs = Vec::new();
        for series in self.deletions.take_reverted(partition) {
            if written == Some(&series) {
                continue;
            }
            let covered = self.coverage.whole(partition, &series);
            match self.record(events, &series, &covered, occurred_at, &Cause::of(request)) {
                Ok(output) => outputs.push(output),
                Err(error) => {
                    tracing::error!(symbol = %series.symbol, %error, "failed to write coverage again after a tombstone");
                }
            }
        }
        outputs
    }

    /// Returns a record with this coverage of a series.
    pub(super) fn record(
        &self,
        events: &EventWriter,
        series: &Series,
        covered: &IntervalSet,
        occurred_at: i64,
        cause: &Cause<'_>,
    ) -> Result<OutRecord, EncodeError> {
        let partition = cause.partition;
        let refetching = self.refetch_notes.of(partition, series);
        let kept = self.kept.of(partition, series);
        let state = SeriesState { covered, refetching, kept: &kept };
        let read_to = self.gate.position(partition);
        events.coverage(series, &state, (read_to, occurred_at), cause)
    }

    pub(super) fn remove(&mut self, partition: i32) {
        self.refetch_notes.remove(partition);
        self.kept.remove(partition);
        self.gate.remove(partition);
        self.deletions.remove(partition);
        self.coverage.remove(partition);
    }
}

fn coverage(change: &CoverageChange) -> Option<(Series, IntervalSet)> {
    let symbol = Symbol::parse(&change.symbol).ok()?;
    let data_type = change.data_type.known()?;
    // Only data without timeframes has no timeframe: validated by the contract.
    let timeframe = Timeframe::from_name(&change.timeframe);
    Some((Series { symbol, data_type, timeframe }, change.coverage().ok()?))
}
