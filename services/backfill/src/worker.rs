//! Job of a worker thread: fetches one chunk of bars from the source and validates it.

use domain::{Bar, BarError, Interval, Symbol, Timeframe, Timestamp};

use crate::rules::coalescer::FetchId;
use crate::sources::{Source, SourceBars, SourceError};

/// One chunk to fetch.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// The fetch of the chunk. A fetch has at most one job at a time.
    pub fetch: FetchId,
    pub symbol: Symbol,
    pub timeframe: Timeframe,
    /// The open times of the bars.
    pub range: Interval,
    /// The first open time at which a bar may still change, whatever the source has.
    pub final_before: Timestamp,
}

/// The result of a job.
#[derive(Debug)]
pub struct JobResult {
    pub fetch: FetchId,
    /// The bars that open within the range of the job and before the horizon, ascending, without duplicates.
    pub bars: Result<SourceBars, SourceError>,
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
    let bars = source.bars(job.symbol, job.timeframe, job.range).and_then(|mut part| {
        validate(&part.bars, job.range).map_err(|error| SourceError::invalid_range(source.name(), error))?;
        part.horizon = part.horizon.min(job.final_before);
        // A bar at the horizon may still change: a later request fetches it.
        part.bars.retain(|bar| bar.open_time < part.horizon);
        Ok(part)
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

#[cfg(test)]
mod tests {
    use domain::calendar::{Date, day_open};
    use domain::{DataType, Interval};

    use super::*;
    use crate::rules::coalescer::{Coalescer, Demand, Limits};

    /// A source whose last bar may still change.
    struct OpenEnded;

    fn bar(day: i8) -> Bar {
        let open_time = day_open(Date::constant(2024, 7, day));
        Bar { open_time, open: 1.0, high: 1.0, low: 1.0, close: 1.0, volume: 1.0 }
    }

    impl Source for OpenEnded {
        fn name(&self) -> &'static str {
            "open-ended"
        }

        fn serves(&self, _: DataType, _: Timeframe) -> bool {
            true
        }

        fn bars(&self, _: Symbol, _: Timeframe, _: Interval) -> Result<SourceBars, SourceError> {
            Ok(SourceBars { bars: vec![bar(1), bar(2), bar(3)], horizon: bar(3).open_time })
        }
    }

    fn fetch_id(symbol: Symbol, range: Interval) -> FetchId {
        let mut coalescer: Coalescer<u8, ()> = Coalescer::new(Limits::default());
        let data = vec![(DataType::MarketData, vec![Some(Timeframe::Day1)])];
        let demand =
            Demand { id: 1, symbol, range, priority: domain::Priority::NORMAL, data, opens_fetch: false };
        coalescer.add(&demand, std::time::Duration::ZERO);
        coalescer.start(Limits::default().gather).unwrap().id
    }

    fn chunk_final_before(final_before: Timestamp) -> SourceBars {
        let symbol = Symbol::constant("AAPL");
        let range = Interval::from_inclusive(bar(1).open_time, bar(4).open_time).unwrap();
        let fetch = fetch_id(symbol, range);
        let job = Job { fetch, symbol, timeframe: Timeframe::Day1, range, final_before };
        fetch_chunk(&OpenEnded, &job).bars.unwrap()
    }

    #[test]
    fn bar_at_the_horizon_is_left_out() {
        let part = chunk_final_before(bar(9).open_time);
        assert_eq!(part.bars, [bar(1), bar(2)]);
        assert_eq!(part.horizon, bar(3).open_time);
    }

    #[test]
    fn horizon_of_every_source_is_at_most_final() {
        let part = chunk_final_before(bar(2).open_time);
        assert_eq!((part.bars, part.horizon), (vec![bar(1)], bar(2).open_time));
    }
}
