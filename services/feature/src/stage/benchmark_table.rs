//! Global tables: the bars and splits of the benchmarks, which every instance reads, whatever partitions it is assigned.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use contracts::{BarKey, ClosedBar, Topic};
use domain::{Symbol, Timeframe};
use kafka_io::{InRecord, TableRecord, Unavailable, Wire};

use super::action_table::{ACTION_TOPIC, ParsedAction, parse_action};
use super::bar_table::{BAR_TOPIC, deleted_bar, parse_bar};
use super::limits::Limits;
use crate::rules::{self, Benchmarks, History, Splits};

/// The maximum number of splits of all benchmarks.
const SPLITS_MAX: usize = 1_000;

/// The bars and splits of the benchmarks.
pub(super) struct BenchmarkTable {
    /// The configured benchmarks.
    compared: Vec<Symbol>,
    /// The symbols whose bars are kept: the configured benchmarks and those that sets name.
    followed: Vec<Symbol>,
    partitions: BTreeSet<i32>,
    history_bars: usize,
    history: History,
    splits: Splits,
    /// Snapshots for jobs, each valid until the next bar of its timeframe or the next split.
    snapshots: HashMap<Timeframe, Arc<Benchmarks>>,
    skipped: u64,
    skipped_actions: u64,
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
            splits: Splits::new(SPLITS_MAX),
            snapshots: HashMap::new(),
            skipped: 0,
            skipped_actions: 0,
        }
    }

    /// Returns the partitions that contain bars and actions of the benchmarks.
    pub(super) fn partitions(&self) -> BTreeSet<(Topic, i32)> {
        let of = |partition: &i32| [BAR_TOPIC, ACTION_TOPIC].map(|topic| (topic, *partition));
        self.partitions.iter().flat_map(of).collect()
    }

    /// Returns `true` if a key, of a bar or of an action, begins with the symbol of a benchmark.
    fn is_followed(&self, key: Option<&[u8]>) -> bool {
        let name = key.and_then(|key| key.split(|byte| *byte == b'|').next());
        self.followed.iter().any(|symbol| name == Some(symbol.as_str().as_bytes()))
    }

    /// Stores a bar of a benchmark, deletes the bar of a tombstone, or skips and counts an invalid record. Records of other symbols are not decoded: the key of a bar
    /// begins with its symbol.
    pub(super) fn apply(&mut self, wire: &Wire, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        if !self.is_followed(record.key) {
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

    /// Stores a split of a benchmark, or skips and counts an invalid record. Records of other symbols are not decoded.
    pub(super) fn apply_action(
        &mut self,
        wire: &Wire,
        record: &InRecord<'_>,
    ) -> Result<TableRecord, Unavailable> {
        if !self.is_followed(record.key) {
            return Ok(TableRecord::Taken);
        }
        match parse_action(wire, record)? {
            ParsedAction::Split(symbol, split) if self.followed.contains(&symbol) => {
                self.splits.insert(symbol, split);
                self.snapshots.clear();
            }
            ParsedAction::Split(..) | ParsedAction::Other => {}
            ParsedAction::Invalid => {
                self.skipped_actions += 1;
                return Ok(TableRecord::Skipped);
            }
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

    /// Returns the number of invalid records of bars.
    pub(super) const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Returns the number of invalid records of actions.
    pub(super) const fn skipped_actions(&self) -> u64 {
        self.skipped_actions
    }

    /// Returns the number of splits that were evicted because there were too many.
    pub(super) const fn split_evictions(&self) -> u64 {
        self.splits.evictions()
    }

    /// Returns the bars of a timeframe. All jobs share the snapshot until the next bar or split.
    pub(super) fn snapshot(&mut self, timeframe: Timeframe) -> Arc<Benchmarks> {
        let (followed, history, splits) = (&self.followed, &self.history, &self.splits);
        let snapshot = self.snapshots.entry(timeframe).or_insert_with(|| {
            let series = followed.iter().map(|symbol| (*symbol, history.bars(*symbol, timeframe).to_vec()));
            let (bars, compared) = (self.history_bars, self.compared.clone());
            Arc::new(Benchmarks::with_splits(bars, compared, series.collect(), splits))
        });
        Arc::clone(snapshot)
    }
}
