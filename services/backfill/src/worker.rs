//! Job of a worker thread: fetches one chunk of bars from the source and validates it.

use domain::{Bar, BarError, Interval, Symbol, Timeframe, Timestamp};

use crate::rules::coalescer::FetchId;
use crate::sources::{Source, SourceError};

/// One chunk to fetch.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// The fetch of the chunk. A fetch has at most one job at a time.
    pub fetch: FetchId,
    pub symbol: Symbol,
    pub timeframe: Timeframe,
    /// The open times of the bars.
    pub range: Interval,
}

/// The result of a job.
#[derive(Debug)]
pub struct JobResult {
    pub fetch: FetchId,
    /// The bars that open within the range of the job, ascending, without duplicates.
    pub bars: Result<Vec<Bar>, SourceError>,
}

/// A violation of the contract of [`Source::bars`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
enum InvalidBars {
    #[error("invalid bar of {open_time}")]
    Bar {
        open_time: Timestamp,
        #[source]
        cause: BarError,
    },
    #[error("bar of {open_time} is outside the requested range {range:?}")]
    OutOfRange { open_time: Timestamp, range: Interval },
    #[error("bars are not in ascending order: {later} precedes {open_time}")]
    Unsorted { later: Timestamp, open_time: Timestamp },
}

/// Fetches a chunk. Invalid bars are a permanent error: another attempt would return them again.
#[must_use]
pub fn fetch_chunk(source: &dyn Source, job: &Job) -> JobResult {
    let bars = source.bars(job.symbol, job.timeframe, job.range).and_then(|bars| {
        let valid = validate(&bars, job.range);
        valid.map_err(|error| SourceError::permanent(source.name(), error)).map(|()| bars)
    });
    JobResult { fetch: job.fetch, bars }
}

fn validate(bars: &[Bar], range: Interval) -> Result<(), InvalidBars> {
    for bar in bars {
        let open_time = bar.open_time;
        bar.validate().map_err(|cause| InvalidBars::Bar { open_time, cause })?;
        if !range.contains(open_time) {
            return Err(InvalidBars::OutOfRange { open_time, range });
        }
    }
    match bars.windows(2).find(|pair| pair[0].open_time >= pair[1].open_time) {
        Some(pair) => Err(InvalidBars::Unsorted { later: pair[0].open_time, open_time: pair[1].open_time }),
        None => Ok(()),
    }
}
