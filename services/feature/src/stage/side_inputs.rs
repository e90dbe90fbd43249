//! Side inputs of the stage, its tables, and its metrics.

use std::collections::BTreeSet;

use contracts::Topic;
use kafka_io::{Bound, InRecord, KafkaStage, Note, TableRecord, TableScope, Unavailable};

use super::action_table::ACTION_TOPIC;
use super::bar_table::BAR_TOPIC;
use super::{FeatureStage, TABLES};
use crate::intake::{Lane, TablePartition};
use crate::metric_names as names;

impl KafkaStage for FeatureStage {
    fn tables(&self) -> &[Topic] {
        &TABLES
    }

    fn bounds(&self) -> Vec<Bound> {
        let bound = |name, used, limit| Bound { name, used: used as u64, limit: limit as u64 };
        let limits = &self.limits;
        vec![
            bound("ordinary_requests", self.queue.len(Lane::Ordinary), limits.ordinary.requests),
            bound("ordinary_request_bytes", self.queue.bytes(Lane::Ordinary), limits.ordinary.bytes),
            bound("urgent_requests", self.queue.len(Lane::Urgent), limits.urgent.requests),
            bound("urgent_request_bytes", self.queue.bytes(Lane::Urgent), limits.urgent.bytes),
            bound("waiting_result_bytes", self.reorder.waiting_bytes(), limits.waiting_results_bytes_max),
            bound("splits", self.actions.splits().len(), limits.splits_max),
            bound("requested_symbols", self.dedup_window.len(), limits.dedup_symbols_max),
        ]
    }

    fn notes(&self) -> Vec<Note> {
        let waiting = |lane| self.queue.len(lane) as u64;
        let (series, bytes) = self.bars.size();
        vec![
            Note { name: names::BAR_SERIES.name, value: series as u64 },
            Note { name: names::BAR_TABLE_BYTES.name, value: bytes as u64 },
            Note { name: names::SKIPPED_BARS.name, value: self.bars.skipped() },
            Note { name: names::SKIPPED_BENCHMARK_BARS.name, value: self.benchmarks.skipped() },
            Note { name: names::SKIPPED_ACTIONS.name, value: self.actions.skipped() },
            Note { name: names::SKIPPED_BENCHMARK_ACTIONS.name, value: self.benchmarks.skipped_actions() },
            Note {
                name: names::SPLIT_EVICTIONS.name,
                value: self.actions.splits().evictions() + self.benchmarks.split_evictions(),
            },
            Note { name: names::ORDINARY_LANE_REQUESTS.name, value: waiting(Lane::Ordinary) },
            Note { name: names::URGENT_LANE_REQUESTS.name, value: waiting(Lane::Urgent) },
            Note { name: names::RUNNING_REQUESTS.name, value: self.running.len() as u64 },
            Note { name: names::REQUESTED_SYMBOLS.name, value: self.dedup_window.len() as u64 },
            Note { name: names::REQUESTED_SYMBOL_EVICTIONS.name, value: self.dedup_window.evictions() },
        ]
    }

    fn table_record(&mut self, scope: TableScope, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        match (scope, record.topic) {
            (TableScope::CoPartitioned, BAR_TOPIC) => self.bars.apply(&self.wire, record),
            (TableScope::Global, BAR_TOPIC) => self.benchmarks.apply(&self.wire, record),
            (TableScope::CoPartitioned, ACTION_TOPIC) => self.actions.apply(&self.wire, record),
            (TableScope::Global, ACTION_TOPIC) => self.benchmarks.apply_action(&self.wire, record),
            // The driver reads no other topic.
            _ => Ok(TableRecord::Skipped),
        }
    }

    fn table_position(&mut self, scope: TableScope, topic: Topic, partition: i32, position: i64) {
        let table = TablePartition { scope, topic, partition };
        self.progress.set_position(table, position);
        self.queue.table_reached(table, position);
    }

    fn table_end(&mut self, scope: TableScope, topic: Topic, partition: i32, end: i64) {
        self.progress.set_end(TablePartition { scope, topic, partition }, end);
    }

    fn table_released(&mut self, topic: Topic, partition: i32) {
        match topic {
            BAR_TOPIC => self.bars.release(partition),
            ACTION_TOPIC => self.actions.release(&self.wire, partition),
            // The driver reads no other topic.
            _ => {}
        }
        self.progress.release(topic, partition);
        self.queue.table_released(TablePartition { scope: TableScope::CoPartitioned, topic, partition });
    }

    fn globals(&self) -> BTreeSet<(Topic, i32)> {
        self.benchmarks.partitions()
    }
}
