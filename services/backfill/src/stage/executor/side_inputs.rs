//! Side inputs of the executor: the coverage table, the live bars, and the terminal events of previous owners.

use std::time::Duration;

use contracts::{CoverageChange, CoverageKey, RangeCompletion, RangeFailure, Topic};
use domain::Timestamp;
use kafka_io::{Bound, InRecord, KafkaStage, Note, Restore, TableRecord, TableScope, Unavailable};
use kit::SaturatingFrom;
use pipeline::Now;

use super::ExecutorStage;
use crate::metric_names as names;
use crate::rules::attempts::Attempt;
use crate::rules::keeper::KeptSeries;
use crate::rules::series::Series;

/// Without live bars: the first one only.
const TABLES: [Topic; 2] = [Topic::CoverageChanged, Topic::BarClosed];

impl KafkaStage for ExecutorStage {
    fn tables(&self) -> &[Topic] {
        if self.live.is_some() { &TABLES } else { &TABLES[..1] }
    }

    fn table_back(&self, topic: Topic) -> Option<Duration> {
        self.settings.live_bars.filter(|_| topic == Topic::BarClosed).map(|live| live.back)
    }

    fn is_own_table(&self, topic: Topic) -> bool {
        topic == Topic::CoverageChanged
    }

    fn bounds(&self) -> Vec<Bound> {
        let bound = |name, used: usize, limit: usize| Bound {
            name,
            used: u64::saturating_from(used),
            limit: u64::saturating_from(limit),
        };
        let (sessions, sessions_max) = self.live_sessions();
        vec![
            bound("requests", self.requests.len(), self.settings.limits.requests_max),
            bound("live_sessions", sessions, sessions_max),
        ]
    }

    fn notes(&self) -> Vec<Note> {
        let size = self.table.coverage.size();
        vec![
            Note { name: names::COVERAGE_SERIES.name, value: u64::saturating_from(size.series) },
            Note { name: names::COVERAGE_BYTES.name, value: u64::saturating_from(size.bytes_max()) },
            Note { name: names::SKIPPED_COVERAGE_CHANGES.name, value: self.table.skipped },
            Note { name: names::WAITING_REQUESTS.name, value: u64::saturating_from(self.requests.len()) },
            Note { name: names::RUNNING_FETCHES.name, value: u64::saturating_from(self.runs.len()) },
            Note { name: names::PACED_FETCHES.name, value: u64::saturating_from(self.coalescer.suspended()) },
            Note { name: names::KEEPER_HOLES.name, value: self.keeping.found },
            Note { name: names::KEEPER_REQUESTS.name, value: self.keeping.requested },
            Note {
                name: names::KEEPER_OPEN_REQUESTS.name,
                value: u64::saturating_from(self.all_open_requests()),
            },
            Note { name: names::KEEPER_LIVE_SESSIONS.name, value: self.keeping.covered },
            Note { name: names::RESTORE_APPLIED.name, value: self.restored_ends.restored },
            Note { name: names::RESTORE_SKIPPED.name, value: self.restored_ends.skipped },
        ]
    }

    fn restores(&self) -> &[Restore] {
        &self.restored_ends.topics
    }

    fn restore_record(&mut self, record: &InRecord<'_>, now: Now) -> Result<(), Unavailable> {
        let ended = match record.topic {
            Topic::RangeCompleted => {
                let end: Option<RangeCompletion> = self.wire.read_table(record)?;
                end.and_then(|end| Attempt::named(&end.backfill_id, end.attempt))
            }
            Topic::RangeFailed => {
                let end: Option<RangeFailure> = self.wire.read_table(record)?;
                end.and_then(|end| Attempt::named(&end.backfill_id, end.attempt))
            }
            _ => None,
        };
        let Some(attempt) = ended else {
            self.restored_ends.skipped += 1;
            return Ok(());
        };
        let ended_at = record.appended_at_micros().unwrap_or(now.wall_micros);
        self.attempts.restore(record.partition, attempt, Timestamp::from_micros(ended_at));
        self.restored_ends.restored += 1;
        Ok(())
    }

    fn restore_abandoned(&mut self, partition: i32) {
        self.attempts.remove(partition);
    }

    fn table_record(&mut self, _: TableScope, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        if record.topic == Topic::BarClosed {
            return self.live_bar(record);
        }
        if record.payload.is_none() {
            return Ok(self.apply_tombstone(record));
        }
        if self.table.is_stale(record) || self.table.gate.is_restored(record.partition) {
            return Ok(TableRecord::Taken);
        }
        let change: Option<CoverageChange> = self.wire.read_table(record)?;
        let is_restored = self.table.restore(record.partition, change.as_ref());
        Ok(if is_restored { TableRecord::Taken } else { TableRecord::Skipped })
    }

    fn table_position(&mut self, _: TableScope, topic: Topic, partition: i32, position: i64) {
        if topic == Topic::CoverageChanged {
            self.table.gate.reached(partition, position);
        }
    }

    fn table_end(&mut self, _: TableScope, topic: Topic, partition: i32, end: i64) {
        if topic == Topic::CoverageChanged {
            self.table.gate.ends_at(partition, end);
        }
    }

    fn table_loaded(&mut self, _: TableScope, topic: Topic, partition: i32) {
        match (&mut self.live, topic) {
            (Some(live), Topic::BarClosed) => live.loaded(partition),
            (_, Topic::CoverageChanged) if self.settings.keeper.is_some() => {
                self.table.gate.loaded(partition);
                self.keeping.loaded(partition);
            }
            _ => {}
        }
    }

    fn table_released(&mut self, topic: Topic, partition: i32) {
        match (&mut self.live, topic) {
            (Some(live), Topic::BarClosed) => live.release(partition),
            _ => self.remove_partition(partition),
        }
    }
}

impl ExecutorStage {
    /// Removes the coverage of the series that a tombstone names, at any time: only other producers write tombstones.
    fn apply_tombstone(&mut self, record: &InRecord<'_>) -> TableRecord {
        let partition = record.partition;
        let key = record.key.and_then(CoverageKey::parse);
        let own = key.filter(|key| self.wire.partition_of(key.symbol.as_str()) == partition);
        let Some(series) = own.map(Series::from) else {
            self.table.skipped += 1;
            return TableRecord::Skipped;
        };
        let (symbol, data_type) = (series.symbol, series.data_type);
        let is_restored = self.table.gate.is_restored(partition);
        self.table.deletions.add(partition, series, record.offset);
        self.table.refetch_notes.set(partition, series, None);
        self.table.kept.set(partition, series, KeptSeries::default());
        if self.table.coverage.remove_series(partition, &series) && is_restored {
            tracing::info!(%symbol, %data_type, "coverage deleted by a tombstone: its history is fetched again when requested");
        }
        self.attempts.remove_successes(partition, symbol);
        TableRecord::Taken
    }
}
