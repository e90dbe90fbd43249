//! The backfill source of a run: the history of the replay.

use std::collections::HashMap;

use backfill::sources::{Source, SourceBars, SourceError};
use devstack::replay::Replay;
use domain::{Bar, DataType, Interval, Symbol, Timeframe};

/// Day bars from before the replay's first date, and none after it.
#[derive(Debug)]
pub(super) struct History {
    bars: HashMap<Symbol, Vec<Bar>>,
}

impl History {
    pub(super) fn of(replay: &Replay) -> Self {
        let bars = replay.symbols.iter().map(|plan| (plan.symbol, plan.history().to_vec())).collect();
        Self { bars }
    }
}

impl Source for History {
    fn name(&self) -> &'static str {
        "history"
    }

    fn serves(&self, data_type: DataType, timeframe: Option<Timeframe>) -> bool {
        data_type == DataType::MarketData && timeframe == Some(Timeframe::Day1)
    }

    /// Later bars are published by the replay itself, so each range is complete.
    fn bars(&self, symbol: Symbol, _: Timeframe, range: Interval) -> Result<SourceBars, SourceError> {
        let unknown = || SourceError::unknown_symbol(self.name(), symbol, "the replay does not have it");
        let bars = self.bars.get(&symbol).ok_or_else(unknown)?;
        let inside = bars.iter().filter(|bar| range.contains(bar.open_time));
        Ok(SourceBars::complete(inside.copied().collect(), range))
    }
}
