//! The bar table: what the stage knows of the market, by partition.

use std::collections::BTreeSet;

use contracts::{ClosedBar, Topic};
use domain::{Bar, Symbol, Timeframe};
use kafka_io::{InRecord, KafkaStage, Note, TableRecord, TableScope, Unavailable};

use super::{FeatureStage, TABLE};
use crate::intake::{Lane, Table};
use crate::metric_names as names;
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
            Note { name: names::SKIPPED_BARS.name, value: self.skipped_bars },
            Note { name: names::SKIPPED_BENCHMARK_BARS.name, value: self.benchmarks.skipped() },
            Note { name: names::ORDINARY_LANE_REQUESTS.name, value: waiting(Lane::Ordinary) },
            Note { name: names::URGENT_LANE_REQUESTS.name, value: waiting(Lane::Urgent) },
            Note { name: names::RUNNING_REQUESTS.name, value: self.running.len() as u64 },
            Note { name: names::REQUESTED_SYMBOLS.name, value: self.recent.len() as u64 },
            Note { name: names::REQUESTED_SYMBOL_EVICTIONS.name, value: self.recent.forgotten_by_bound() },
        ]
    }

    fn table_record(&mut self, scope: TableScope, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        if scope == TableScope::Global {
            return self.benchmarks.take(&self.wire, record);
        }
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

    fn table_position(&mut self, scope: TableScope, _topic: Topic, partition: i32, position: i64) {
        let table = match scope {
            TableScope::CoPartitioned => Table::Share(partition),
            TableScope::Global => Table::Global(partition),
        };
        self.queue.table_reached(table, position);
    }

    fn table_end(&mut self, scope: TableScope, _topic: Topic, partition: i32, end: i64) {
        match scope {
            TableScope::CoPartitioned => {
                self.table_ends.insert(partition, end);
            }
            TableScope::Global => self.benchmarks.ends_at(partition, end),
        }
    }

    fn table_released(&mut self, _topic: Topic, partition: i32) {
        self.histories.remove(&partition);
        self.table_ends.remove(&partition);
        self.queue.table_released(Table::Share(partition));
    }

    fn globals(&self) -> BTreeSet<(Topic, i32)> {
        self.benchmarks.places()
    }
}
