//! Co-partitioned bar table: the bars of the symbols whose requests are in the same partitions.

use std::collections::HashMap;

use contracts::{BarKey, ClosedBar, Topic};
use domain::{Bar, Symbol, Timeframe};
use kafka_io::{InRecord, TableRecord, Unavailable, Wire};

use super::limits::Limits;
use crate::rules::History;

/// The topic of both bar tables.
pub(super) const BAR_TOPIC: Topic = Topic::BarClosed;

/// Returns the content of a bar record; `None` if the record is invalid.
pub(super) fn parse_bar(bar: Option<ClosedBar>) -> Option<(Symbol, Timeframe, Bar)> {
    let bar = bar?;
    let symbol = Symbol::parse(&bar.symbol).ok()?;
    let timeframe = Timeframe::from_name(&bar.timeframe)?;
    Some((symbol, timeframe, bar.bar()))
}

/// Returns the bar that a tombstone deletes; `None` if its key is no bar's, or of a symbol of another partition.
pub(super) fn deleted_bar(wire: &Wire, record: &InRecord<'_>) -> Option<BarKey> {
    let key = BarKey::parse(record.key?)?;
    (wire.partition_of(key.symbol.as_str()) == record.partition).then_some(key)
}

/// The bars of each partition of the table.
pub(super) struct BarTable {
    history_bars: usize,
    slack_bars: usize,
    histories: HashMap<i32, History>,
    skipped: u64,
}

impl BarTable {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            history_bars: limits.history_bars,
            slack_bars: limits.slack_bars,
            histories: HashMap::new(),
            skipped: 0,
        }
    }

    /// Stores a bar, deletes the bar of a tombstone, or skips and counts an invalid record.
    pub(super) fn apply(&mut self, wire: &Wire, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        if record.payload.is_none() {
            return Ok(self.delete(wire, record));
        }
        let Some((symbol, timeframe, bar)) = parse_bar(wire.read_table::<ClosedBar>(record)?) else {
            self.skipped += 1;
            return Ok(TableRecord::Skipped);
        };
        self.histories
            .entry(record.partition)
            .or_insert_with(|| History::new(self.history_bars, self.slack_bars))
            .insert(symbol, timeframe, bar);
        Ok(TableRecord::Taken)
    }

    fn delete(&mut self, wire: &Wire, record: &InRecord<'_>) -> TableRecord {
        let Some(BarKey { symbol, timeframe, open_time }) = deleted_bar(wire, record) else {
            self.skipped += 1;
            return TableRecord::Skipped;
        };
        if let Some(history) = self.histories.get_mut(&record.partition) {
            history.remove(symbol, timeframe, open_time);
        }
        TableRecord::Taken
    }

    /// Returns `true` if no partition has bars.
    pub(super) fn is_empty(&self) -> bool {
        self.histories.values().all(History::is_empty)
    }

    /// Returns the number of series, and their memory in bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        let sizes = self.histories.values().map(|history| (history.series(), history.bytes()));
        sizes.fold((0, 0), |(series, bytes), more| (series + more.0, bytes + more.1))
    }

    /// Returns the bars of a partition; `None` if it has none.
    pub(super) fn history(&self, partition: i32) -> Option<&History> {
        self.histories.get(&partition)
    }

    pub(super) fn release(&mut self, partition: i32) {
        self.histories.remove(&partition);
    }

    /// Returns the number of invalid records.
    pub(super) const fn skipped(&self) -> u64 {
        self.skipped
    }
}
