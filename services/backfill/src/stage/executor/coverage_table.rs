//! Coverage of the assigned partitions and its restoration from the compacted topic.
//!
//! The coverage of a partition is restored from the records that the topic had at assignment. It ends with the first request that passes
//! the gate. Later records of the topic are the stage's own and arrive late: between two chunks they would revert the coverage to an
//! older one. Tombstones are never its own: they delete the coverage of a series whenever they are read. If the stage was writing the series
//! meanwhile, its record may follow the tombstone in the topic; it then counts after the next assignment.

use contracts::CoverageChange;
use domain::{IntervalSet, Symbol, Timeframe};

use super::coverage_gate::CoverageGate;
use crate::rules::coverage::Coverage;
use crate::rules::series::Series;

#[derive(Debug, Default)]
pub(super) struct CoverageTable {
    pub(super) coverage: Coverage,
    pub(super) gate: CoverageGate,
    /// The number of records without valid coverage.
    pub(super) skipped: u64,
}

impl CoverageTable {
    /// Restores the coverage of a series from a record: `None` if the record has no event. Returns `false` if there is no valid coverage.
    pub(super) fn restore(&mut self, partition: i32, change: Option<&CoverageChange>) -> bool {
        let Some((series, intervals)) = change.and_then(coverage) else {
            self.skipped += 1;
            return false;
        };
        self.coverage.restore(partition, series, intervals);
        true
    }

    pub(super) fn remove(&mut self, partition: i32) {
        self.gate.remove(partition);
        self.coverage.remove(partition);
    }
}

fn coverage(change: &CoverageChange) -> Option<(Series, IntervalSet)> {
    let symbol = Symbol::parse(&change.symbol).ok()?;
    let data_type = change.data_type.known()?;
    // Only data without timeframes has no timeframe: validated by the contract.
    let timeframe = Timeframe::from_name(&change.timeframe);
    Some((Series { symbol, data_type, timeframe }, change.coverage().ok()?))
}
