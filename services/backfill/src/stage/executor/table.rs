//! The coverage table: what earlier owners of a partition have fetched.
//!
//! A partition's coverage is restored from the records that were there when it came; the first request that passes the gate ends that.
//! What the table tells afterwards is what this stage has written itself, and it comes late: between two chunks it would roll the
//! coverage back to the one before.

//!
//! Beside it, the ends of requests that earlier owners wrote: which attempts there were.

use std::time::Duration;

use contracts::{CoverageChange, RangeCompletion, RangeFailure, Topic};
use domain::window::SLACK_MICROS;
use domain::{IntervalSet, Symbol, Timeframe, Timestamp};
use kafka_io::{InRecord, KafkaStage, Note, Restore, TableRecord, TableScope, Unavailable};
use pipeline::Now;
use uuid::Uuid;

use super::ExecutorStage;
use crate::metric_names as names;
use crate::rules::answered::Attempt;
use crate::rules::series::Series;

const TABLES: [Topic; 1] = [Topic::CoverageChanged];

/// Clocks of brokers and of ours don't agree, and a transaction takes its time: read so much further back than ends are kept.
const MARGIN: Duration = Duration::from_secs(60);

/// The topics in which requests end, as far back as ends are remembered.
pub(super) fn ends(dedup_window: Duration) -> [Restore; 2] {
    let back = dedup_window + Duration::from_micros(SLACK_MICROS.unsigned_abs()) + MARGIN;
    [Topic::RangeCompleted, Topic::RangeFailed].map(|topic| Restore { topic, back })
}

impl KafkaStage for ExecutorStage {
    fn tables(&self) -> &[Topic] {
        &TABLES
    }

    fn notes(&self) -> Vec<Note> {
        vec![
            Note { name: names::SKIPPED_COVERAGE_CHANGES.name, value: self.skipped_coverage },
            Note { name: names::WAITING_REQUESTS.name, value: self.requests.len() as u64 },
            Note { name: names::RUNNING_FETCHES.name, value: self.running.len() as u64 },
            Note { name: names::RESTORE_APPLIED.name, value: self.restored },
            Note { name: names::RESTORE_SKIPPED.name, value: self.restore_skipped },
        ]
    }

    fn restores(&self) -> &[Restore] {
        &self.restores
    }

    fn restore_record(&mut self, record: &InRecord<'_>, now: Now) -> Result<(), Unavailable> {
        let ended = match record.topic {
            Topic::RangeCompleted => {
                let end: Option<RangeCompletion> = self.wire.read_table(record)?;
                end.and_then(|end| attempt(&end.backfill_id, end.attempt))
            }
            Topic::RangeFailed => {
                let end: Option<RangeFailure> = self.wire.read_table(record)?;
                end.and_then(|end| attempt(&end.backfill_id, end.attempt))
            }
            _ => None,
        };
        let Some(attempt) = ended else {
            self.restore_skipped += 1;
            return Ok(());
        };
        let ended_at = record.appended_at_micros().unwrap_or(now.wall_micros);
        self.answered.restore(record.partition, attempt, Timestamp::from_micros(ended_at));
        self.restored += 1;
        Ok(())
    }

    fn restore_abandoned(&mut self, partition: i32) {
        self.answered.released(partition);
    }

    fn table_record(&mut self, _: TableScope, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        if self.gate.is_restored(record.partition) {
            return Ok(TableRecord::Taken);
        }
        let Some((series, intervals)) =
            self.wire.read_table::<CoverageChange>(record)?.as_ref().and_then(coverage)
        else {
            self.skipped_coverage += 1;
            return Ok(TableRecord::Skipped);
        };
        self.coverage.restore(record.partition, series, intervals);
        Ok(TableRecord::Taken)
    }

    fn table_position(&mut self, _: TableScope, _topic: Topic, partition: i32, position: i64) {
        self.gate.reached(partition, position);
    }

    fn table_end(&mut self, _: TableScope, _topic: Topic, partition: i32, end: i64) {
        self.gate.ends_at(partition, end);
    }

    fn table_released(&mut self, _topic: Topic, partition: i32) {
        self.forget(partition);
    }
}

fn attempt(backfill_id: &str, number: i32) -> Option<Attempt> {
    Some(Attempt { backfill_id: Uuid::try_parse(backfill_id).ok()?.as_u128(), number })
}

fn coverage(change: &CoverageChange) -> Option<(Series, IntervalSet)> {
    let symbol = Symbol::parse(&change.symbol).ok()?;
    let data_type = change.data_type.known()?;
    // The contract has checked that only data without bars has no timeframe.
    let timeframe = Timeframe::from_name(&change.timeframe);
    Some((Series { symbol, data_type, timeframe }, change.coverage().ok()?))
}
