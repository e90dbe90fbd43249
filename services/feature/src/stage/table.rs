//! The bar table: what the stage knows of the market, by partition.

use std::collections::BTreeSet;

use contracts::{ClosedBar, Topic};
use domain::{Bar, Symbol, Timeframe};
use kafka_io::{InRecord, KafkaStage, Note, TableRecord, Unavailable};

use super::{FeatureStage, TABLE};
use crate::intake::{Lane, Table};
use crate::rules::History;

/// What a table's record says; none when it can't be read.
pub(super) fn named(bar: Option<ClosedBar>) -> Option<(Symbol, Timeframe, Bar)> {
    let bar = bar?;
    let symbol = Symbol::parse(&bar.symbol).ok()?;
    let timeframe = Timeframe::from_name(&bar.timeframe)?;
    Some((symbol, timeframe, bar.bar()))
}

impl KafkaStage for FeatureStage {
    fn tables(&self) -> &[Topic] {
        &[TABLE]
    }

    fn notes(&self) -> Vec<Note> {
        let waiting = |lane| self.queue.len(lane) as u64;
        vec![
            Note { name: "skipped_bars", value: self.skipped_bars },
            Note { name: "skipped_benchmark_bars", value: self.benchmarks.skipped() },
            Note { name: "waiting_ordinary", value: waiting(Lane::Ordinary) },
            Note { name: "waiting_urgent", value: waiting(Lane::Urgent) },
            Note { name: "running", value: self.running.len() as u64 },
            Note { name: "asked_symbols", value: self.recent.len() as u64 },
            Note { name: "asked_symbols_forgotten_by_bound", value: self.recent.forgotten_by_bound() },
        ]
    }

    fn table_record(&mut self, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        let Some((symbol, timeframe, bar)) = named(self.wire.read_table::<ClosedBar>(record)?) else {
            self.skipped_bars += 1;
            return Ok(TableRecord::Skipped);
        };
        let limits = self.limits;
        self.histories
            .entry(record.partition)
            .or_insert_with(|| History::new(limits.history_bars, limits.slack_bars))
            .insert(symbol, timeframe, bar);
        Ok(TableRecord::Taken)
    }

    fn table_position(&mut self, _topic: Topic, partition: i32, position: i64) {
        self.queue.table_reached(Table::Share(partition), position);
    }

    fn table_end(&mut self, _topic: Topic, partition: i32, end: i64) {
        self.table_ends.insert(partition, end);
    }

    fn table_released(&mut self, _topic: Topic, partition: i32) {
        self.histories.remove(&partition);
        self.table_ends.remove(&partition);
        self.queue.table_released(Table::Share(partition));
    }

    fn globals(&self) -> BTreeSet<(Topic, i32)> {
        self.benchmarks.places()
    }

    fn global_record(&mut self, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        self.benchmarks.take(&self.wire, record)
    }

    fn global_position(&mut self, _topic: Topic, partition: i32, position: i64) {
        self.queue.table_reached(Table::Global(partition), position);
    }

    fn global_end(&mut self, _topic: Topic, partition: i32, end: i64) {
        self.benchmarks.ends_at(partition, end);
    }
}
