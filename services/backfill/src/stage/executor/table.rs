//! The coverage table: what earlier owners of a partition have fetched.
//!
//! A partition's coverage is restored from the records that were there when it came; the first request that passes the gate ends that.
//! What the table tells afterwards is what this stage has written itself, and it comes late: between two chunks it would roll the
//! coverage back to the one before.

use contracts::{CoverageChange, Topic};
use domain::{IntervalSet, Symbol, Timeframe};
use kafka_io::{InRecord, KafkaStage, Note, Unavailable};

use super::ExecutorStage;
use crate::rules::series::Series;

const TABLES: [Topic; 1] = [Topic::CoverageChanged];

impl KafkaStage for ExecutorStage {
    fn tables(&self) -> &[Topic] {
        &TABLES
    }

    fn notes(&self) -> Vec<Note> {
        vec![
            Note { name: "skipped_coverage", value: self.skipped_coverage },
            Note { name: "requests_waiting", value: self.requests.len() as u64 },
            Note { name: "fetches_running", value: self.running.len() as u64 },
        ]
    }

    fn table_record(&mut self, record: &InRecord<'_>) -> Result<(), Unavailable> {
        if self.gate.is_restored(record.partition) {
            return Ok(());
        }
        match self.wire.read_table::<CoverageChange>(record)?.as_ref().and_then(coverage) {
            Some((series, intervals)) => self.coverage.restore(record.partition, series, intervals),
            None => self.skipped_coverage += 1,
        }
        Ok(())
    }

    fn table_position(&mut self, _topic: Topic, partition: i32, position: i64) {
        self.gate.reached(partition, position);
    }

    fn table_end(&mut self, _topic: Topic, partition: i32, end: i64) {
        self.gate.ends_at(partition, end);
    }

    fn table_released(&mut self, _topic: Topic, partition: i32) {
        self.forget(partition);
    }
}

fn coverage(change: &CoverageChange) -> Option<(Series, IntervalSet)> {
    let symbol = Symbol::parse(&change.symbol).ok()?;
    let data_type = change.data_type.known()?;
    // The contract has checked that only data without bars has no timeframe.
    let timeframe = Timeframe::from_name(&change.timeframe);
    Some((Series { symbol, data_type, timeframe }, change.coverage().ok()?))
}
