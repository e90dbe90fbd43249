//! The benchmarks' bars: a table of which every instance has all, whatever partitions it owns.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{ClosedBar, Topic};
use domain::{Symbol, Timeframe, Timestamp};
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
        }
        Ok(TableRecord::Taken)
    }

    pub(super) fn ends_at(&mut self, partition: i32, end: i64) {
        self.ends.insert(partition, end);
    }

    /// What must be reached before a request of now is compared.
    pub(super) fn needs(&self) -> impl Iterator<Item = (Table, i64)> {
        self.ends.iter().map(|(partition, end)| (Table::Global(*partition), *end))
    }

    /// Bars that could not be read.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// A copy of what windows that end between these instants may see.
    pub(super) fn between(&self, timeframe: Timeframe, first: Timestamp, last: Timestamp) -> Benchmarks {
        let series = self.followed.iter().map(|symbol| {
            let bars = self.history.bars(*symbol, timeframe);
            let end_by = |instant| rules::select(bars, timeframe, instant, usize::MAX).len();
            let begin = end_by(first).saturating_sub(self.history_bars);
            (*symbol, bars[begin..end_by(last)].to_vec())
        });
        Benchmarks::new(self.history_bars, self.compared.clone(), series.collect())
    }
}
