//! Live bars of the stage: the bars of its partitions that other producers write, as far as the keeper needs them.
//!
//! The topic of the bars is followed as a table from `keeper.live_hours` back. A session that is complete at 04:00 of the next day becomes covered
//! ([`super::keeping`]); until then its slots are no holes. What is held is not changed by the stage itself, so it outlives an assignment as long as
//! the driver follows the topic.

use contracts::{BarKey, ClosedBar};
use domain::{Interval, IntervalSet, Timeframe, Timestamp};
use kafka_io::{InRecord, TableRecord, Unavailable};

use super::ExecutorStage;
use crate::rules::keeper::Wanted;
use crate::rules::live_bars::LiveBars;
use crate::rules::live_sessions::complete_sessions;
use crate::rules::series::Series;

impl ExecutorStage {
    /// Takes a record of the topic of the bars. Only a recent one in a slot is decoded: the stage reads what it has fetched itself as well.
    pub(super) fn live_bar(&mut self, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        let Some(live) = &mut self.live else { return Ok(TableRecord::Taken) };
        let partition = record.partition;
        let key = record.key.and_then(BarKey::parse);
        let own = key.filter(|key| self.wire.partition_of(key.symbol.as_str()) == partition);
        let Some(BarKey { symbol, timeframe, open_time }) = own else { return Ok(TableRecord::Skipped) };
        if record.payload.is_none() {
            live.remove(partition, symbol, timeframe, open_time);
            return Ok(TableRecord::Taken);
        }
        let appended_at = record.appended_at_micros().map(Timestamp::from_micros);
        if !appended_at.is_some_and(|appended_at| live.needs(timeframe, open_time, appended_at)) {
            return Ok(TableRecord::Taken);
        }
        let Some(bar) = self.wire.read_table::<ClosedBar>(record)? else { return Ok(TableRecord::Skipped) };
        if !bar.backfilled {
            live.add(partition, symbol, timeframe, open_time);
        }
        Ok(TableRecord::Taken)
    }

    /// Returns `true` if the live bars of a partition are complete, or are not followed.
    pub(super) fn has_live_bars(&self, partition: i32) -> bool {
        self.live.as_ref().is_none_or(|live| live.is_loaded(partition))
    }

    /// Removes the live bars that are too old.
    pub(super) fn expire_live_bars(&mut self, now: Timestamp) {
        if let Some(live) = &mut self.live {
            live.expire(now);
        }
    }

    /// Returns the coverage of a series with the time of its live bars, and the sessions that they complete and that become covered.
    pub(super) fn live_coverage(
        &self,
        (partition, series, timeframe): (i32, &Series, Timeframe),
        (wanted, covered): (Wanted, &IntervalSet),
        now: Timestamp,
    ) -> (IntervalSet, Vec<Interval>) {
        let mut known = covered.clone();
        let Some(live) = &self.live else { return (known, Vec::new()) };
        let held = live.of(partition, series.symbol, timeframe);
        if held.is_empty() {
            return (known, Vec::new());
        }
        known.union(&held);
        let sessions =
            complete_sessions(timeframe, live.dates(partition), (covered, &known), (wanted.from, now));
        (known, sessions)
    }

    /// Returns the number of held sessions and its limit.
    pub(super) fn live_sessions(&self) -> (usize, usize) {
        self.live.as_ref().map_or((0, 0), |live| (LiveBars::sessions(live), LiveBars::sessions_max(live)))
    }
}
