//! The bar table: what the stage knows of the market, by partition.

use contracts::{ClosedBar, Topic};
use domain::{Symbol, Timeframe};
use kafka_io::{InRecord, KafkaStage, Note, TableRecord, Unavailable};

use super::FeatureStage;
use crate::intake::Lane;
use crate::rules::History;

const TABLES: [Topic; 1] = [Topic::BarClosed];

impl KafkaStage for FeatureStage {
    fn tables(&self) -> &[Topic] {
        &TABLES
    }

    fn notes(&self) -> Vec<Note> {
        let waiting = |lane| self.queue.len(lane) as u64;
        vec![
            Note { name: "skipped_bars", value: self.skipped_bars },
            Note { name: "waiting_ordinary", value: waiting(Lane::Ordinary) },
            Note { name: "waiting_urgent", value: waiting(Lane::Urgent) },
            Note { name: "running", value: self.running.len() as u64 },
            Note { name: "asked_symbols", value: self.recent.len() as u64 },
            Note { name: "asked_symbols_forgotten_by_bound", value: self.recent.forgotten_by_bound() },
        ]
    }

    fn table_record(&mut self, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        let bar = self.wire.read_table::<ClosedBar>(record)?;
        let named = bar.and_then(|bar| {
            let symbol = Symbol::parse(&bar.symbol).ok()?;
            let timeframe = Timeframe::from_name(&bar.timeframe)?;
            Some((symbol, timeframe, bar.bar()))
        });
        let Some((symbol, timeframe, bar)) = named else {
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
        self.queue.table_reached(partition, position);
    }

    fn table_end(&mut self, _topic: Topic, partition: i32, end: i64) {
        self.table_ends.insert(partition, end);
    }

    fn table_released(&mut self, _topic: Topic, partition: i32) {
        self.histories.remove(&partition);
        self.table_ends.remove(&partition);
        self.queue.table_released(partition);
    }
}
