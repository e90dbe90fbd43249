//! What a worker does: one chunk of bars, asked of the source and looked at before anybody believes it.

use domain::{Bar, Interval, Symbol, Timeframe};

use crate::rules::coalesce::FetchId;
use crate::sources::{Source, SourceError};

/// One chunk to fetch.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// The fetch that it belongs to; one job of a fetch at a time.
    pub fetch: FetchId,
    /// Whose bars.
    pub symbol: Symbol,
    /// How long each lasts.
    pub timeframe: Timeframe,
    /// Where they open.
    pub range: Interval,
}

/// What came of a chunk.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The fetch.
    pub fetch: FetchId,
    /// Its bars, oldest first, each once; all open within the chunk.
    pub result: Result<Vec<Bar>, SourceError>,
}

/// Asks the source for a chunk. Bars that break a rule are the source's fault, and asking again won't mend them.
#[must_use]
pub fn fetch(source: &dyn Source, job: &Job) -> Done {
    let answer = source.bars(job.symbol, job.timeframe, job.range);
    let result = answer.and_then(|bars| match broken_rule(&bars, job.range) {
        None => Ok(bars),
        Some(cause) => Err(SourceError::Permanent { source_name: source.name(), cause }),
    });
    Done { fetch: job.fetch, result }
}

fn broken_rule(bars: &[Bar], range: Interval) -> Option<String> {
    for bar in bars {
        if let Err(fault) = bar.validate() {
            return Some(format!("bar of {}: {fault}", bar.open_time));
        }
        if !range.contains(bar.open_time) {
            return Some(format!("bar of {} lies outside {range:?}, which was asked for", bar.open_time));
        }
    }
    let unsorted = bars.windows(2).find(|pair| pair[0].open_time >= pair[1].open_time)?;
    Some(format!("bar of {} comes after that of {}", unsorted[1].open_time, unsorted[0].open_time))
}
