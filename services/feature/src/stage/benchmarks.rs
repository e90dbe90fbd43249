//! The benchmarks' bars: a table of which every instance has all, whatever partitions it owns.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use contracts::{ClosedBar, Topic};
use domain::{Symbol, Timeframe};
use kafka_io::{InRecord, TableRecord, Unavailable, Wire};

use super::table::named;
use super::{Limits, TABLE};
use crate::intake::Table;
use crate::rules::{self, Benchmarks, History};

/// What is known of the benchmarks.
pub(super) struct BenchmarkBars {
    compared: Vec<Symbol>,
    followed: Vec<Symbol>,
    partitions: BTreeSet<i32>,
    history_bars: usize,
    history: History,
    /// What was handed out since the last bar of its timeframe.
    copies: HashMap<Timeframe, Arc<Benchmarks>>,
    ends: BTreeMap<i32, i64>,
    skipped: u64,
}

impl BenchmarkBars {
    pub(super) fn new(wire: &Wire, limits: Limits, compared: Vec<Symbol>) -> Self {
        let followed = rules::followed(&compared);
        let partitions = followed.iter().map(|symbol| wire.partition_of(symbol.as_str())).collect();
        Self {
            compared,
            followed,
            partitions,
            history_bars: limits.history_bars,
            history: History::new(limits.history_bars, limits.slack_bars),
            copies: HashMap::new(),
            ends: BTreeMap::new(),
            skipped: 0,
        }
    }

    /// The partitions in which they lie.
    pub(super) fn places(&self) -> BTreeSet<(Topic, i32)> {
        self.partitions.iter().map(|partition| (TABLE, *partition)).collect()
    }

    /// Takes a bar of a benchmark. Those of other symbols are left unread: a bar's key begins with its symbol.
    pub(super) fn take(&mut self, wire: &Wire, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        let is_ours = |key: &[u8]| {
            let name = key.split(|byte| *byte == b'|').next();
            self.followed.iter().any(|symbol| name == Some(symbol.as_str().as_bytes()))
        };
        if !record.key.is_some_and(is_ours) {
            return Ok(TableRecord::Taken);
        }
        let Some((symbol, timeframe, bar)) = named(wire.read_table::<ClosedBar>(record)?) else {
            self.skipped += 1;
            return Ok(TableRecord::Skipped);
        };
        if self.followed.contains(&symbol) {
            self.history.insert(symbol, timeframe, bar);
            self.copies.remove(&timeframe);
        }
        Ok(TableRecord::Taken)
    }

    pub(super) fn ends_at(&mut self, partition: i32, end: i64) {
        self.ends.insert(partition, end);
    }

    /// What must be reached before a request of now is computed. Of one that doesn't compare as well: it would overtake one that does
    /// (P8).
    pub(super) fn needs(&self) -> impl Iterator<Item = (Table, i64)> {
        self.ends.iter().map(|(partition, end)| (Table::Global(*partition), *end))
    }

    /// Bars that could not be read.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// All that is held, for every job until the next bar.
    pub(super) fn at(&mut self, timeframe: Timeframe) -> Arc<Benchmarks> {
        let (followed, history) = (&self.followed, &self.history);
        let copy = self.copies.entry(timeframe).or_insert_with(|| {
            let series = followed.iter().map(|symbol| (*symbol, history.bars(*symbol, timeframe).to_vec()));
            Arc::new(Benchmarks::new(self.history_bars, self.compared.clone(), series.collect()))
        });
        Arc::clone(copy)
    }
}
