//! Global bar table: the bars of the benchmarks, which every instance reads, whatever partitions it is assigned.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use contracts::{BarKey, ClosedBar, Topic};
use domain::{Symbol, Timeframe};
use kafka_io::{InRecord, TableRecord, Unavailable, Wire};

use super::bar_table::{BAR_TOPIC, deleted_bar, parse_bar};
use super::limits::Limits;
use crate::rules::{self, Benchmarks, History};

/// The bars of the benchmarks.
pub(super) struct BenchmarkTable {
    /// The configured benchmarks.
    compared: Vec<Symbol>,
    /// The symbols whose bars are kept: the configured benchmarks and those that sets name.
    followed: Vec<Symbol>,
    partitions: BTreeSet<i32>,
    history_bars: usize,
    history: History,
    /// Snapshots for jobs, each valid until the next bar of its timeframe.
    snapshots: HashMap<Timeframe, Arc<Benchmarks>>,
    skipped: u64,
}

impl BenchmarkTable {
    pub(super) fn new(wire: &Wire, limits: Limits, compared: Vec<Symbol>) -> Self {
        let followed = rules::followed(&compared);
        let partitions = followed.iter().map(|symbol| wire.partition_of(symbol.as_str())).collect();
        Self {
            compared,
            followed,
            partitions,
            history_bars: limits.history_bars,
            history: History::new(limits.history_bars, limits.slack_bars),
            snapshots: HashMap::new(),
            skipped: 0,
        }
    }

    /// Returns the partitions that contain bars of the benchmarks.
    pub(super) fn partitions(&self) -> BTreeSet<(Topic, i32)> {
        self.partitions.iter().map(|partition| (BAR_TOPIC, *partition)).collect()
    }

    /// Stores a bar of a benchmark, deletes the bar of a tombstone, or skips and counts an invalid record. Records of other symbols are not decoded: the key of a bar
    /// begins with its symbol.
    pub(super) fn apply(&mut self, wire: &Wire, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        let is_followed = |key: &[u8]| {
            let name = key.split(|byte| *byte == b'|').next();
            self.followed.iter().any(|symbol| name == Some(symbol.as_str().as_bytes()))
        };
        if !record.key.is_some_and(is_followed) {
            return Ok(TableRecord::Taken);
        }
        if record.payload.is_none() {
            return Ok(self.delete(wire, record));
        }
        let Some((symbol, timeframe, bar)) = parse_bar(wire.read_table::<ClosedBar>(record)?) else {
            self.skipped += 1;
            return Ok(TableRecord::Skipped);
        };
        if self.followed.contains(&symbol) {
            self.history.insert(symbol, timeframe, bar);
            self.snapshots.remove(&timeframe);
        }
        Ok(TableRecord::Taken)
    }

    fn delete(&mut self, wire: &Wire, record: &InRecord<'_>) -> TableRecord {
        let Some(BarKey { symbol, timeframe, open_time }) = deleted_bar(wire, record) else {
            self.skipped += 1;
            return TableRecord::Skipped;
        };
        self.history.remove(symbol, timeframe, open_time);
        self.snapshots.remove(&timeframe);
        TableRecord::Taken
    }

    /// Returns the number of invalid records.
    pub(super) const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Returns the bars of a timeframe. All jobs share the snapshot until the next bar.
    pub(super) fn snapshot(&mut self, timeframe: Timeframe) -> Arc<Benchmarks> {
        let (followed, history) = (&self.followed, &self.history);
        let snapshot = self.snapshots.entry(timeframe).or_insert_with(|| {
            let series = followed.iter().map(|symbol| (*symbol, history.bars(*symbol, timeframe).to_vec()));
            Arc::new(Benchmarks::new(self.history_bars, self.compared.clone(), series.collect()))
        });
        Arc::clone(snapshot)
    }
}
