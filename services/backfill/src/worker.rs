//! Job of a worker thread: fetches one chunk of a series from the source and validates it.

use domain::{Bar, BarError, DataType, Interval, Symbol, Timeframe, Timestamp};

use crate::rules::coalescer::FetchId;
use crate::rules::series::Series;
use crate::sources::{Action, Part, Records, Source, SourceError, fetch};

/// One chunk to fetch.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// The fetch of the chunk. A fetch has at most one job at a time.
    pub fetch: FetchId,
    pub symbol: Symbol,
    pub data_type: DataType,
    /// `None` for data without timeframes.
    pub timeframe: Option<Timeframe>,
    /// The times of the records.
    pub range: Interval,
    /// The first time at which a record may still change, whatever the source has.
    pub final_before: Timestamp,
}

/// The result of a job.
#[derive(Debug)]
pub struct JobResult {
    pub fetch: FetchId,
    /// The records within the range of the job and before the horizon, ascending. Bars are without duplicates.
    pub part: Result<Part<Records>, SourceError>,
}

/// A violation of the contract of [`Source`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
enum InvalidRecords {
    #[error("invalid bar of {time}")]
    Bar {
        time: Timestamp,
        #[source]
        cause: BarError,
    },
    #[error("{kind} of {time} is outside the requested range {range:?}")]
    OutOfRange { kind: &'static str, time: Timestamp, range: Interval },
    #[error("{kind}s are not in ascending order: {later} precedes {time}")]
    Unsorted { kind: &'static str, later: Timestamp, time: Timestamp },
}

/// Fetches a chunk. Invalid records are a permanent error: another attempt would return them again.
#[must_use]
pub fn fetch_chunk(source: &dyn Source, job: &Job) -> JobResult {
    let Job { symbol, data_type, timeframe, range, .. } = *job;
    let series = Series { symbol, data_type, timeframe };
    let part = fetch(source, series, range).and_then(|mut part| {
        validate(&part.records, range).map_err(|error| SourceError::invalid_range(source.name(), error))?;
        part.horizon = part.horizon.min(job.final_before);
        // A record at the horizon may still change: a later request fetches it.
        let Part { horizon, defects, records } = &mut part;
        records.retain(|time| time < *horizon && !defects.unknown.contains(time));
        Ok(part)
    });
    JobResult { fetch: job.fetch, part }
}

fn validate(records: &Records, range: Interval) -> Result<(), InvalidRecords> {
    match records {
        Records::Bars(bars) => {
            for bar in bars {
                bar.validate().map_err(|cause| InvalidRecords::Bar { time: bar.open_time, cause })?;
            }
            validate_times("bar", bars.iter().map(|bar: &Bar| bar.open_time), range, 1)
        }
        Records::News(news) => validate_times("news item", news.iter().map(|item| item.time), range, 0),
        Records::Actions(actions) => {
            validate_times("corporate action", actions.iter().map(Action::time), range, 0)
        }
    }
}

/// Checks that the times are within the range and at least `distance` microseconds apart, in ascending order.
fn validate_times(
    kind: &'static str,
    times: impl Iterator<Item = Timestamp>,
    range: Interval,
    distance: i64,
) -> Result<(), InvalidRecords> {
    let mut last: Option<Timestamp> = None;
    for time in times {
        if !range.contains(time) {
            return Err(InvalidRecords::OutOfRange { kind, time, range });
        }
        if let Some(later) = last.filter(|last| time < last.saturating_add_micros(distance)) {
            return Err(InvalidRecords::Unsorted { kind, later, time });
        }
        last = Some(time);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::calendar::{Date, day_open};
    use domain::{DataType, Interval};

    use super::*;
    use crate::rules::coalescer::{Coalescer, Demand, Limits};
    use crate::sources::SourceBars;

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

        fn serves(&self, _: DataType, _: Option<Timeframe>) -> bool {
            true
        }

        fn bars(&self, _: Symbol, _: Timeframe, _: Interval) -> Result<SourceBars, SourceError> {
            Ok(SourceBars::up_to(bar(3).open_time, vec![bar(1), bar(2), bar(3)]))
        }
    }

    fn fetch_id(symbol: Symbol, range: Interval) -> FetchId {
        let mut coalescer: Coalescer<u8, ()> = Coalescer::new(Limits::default());
        let data = vec![(DataType::MarketData, vec![Some(Timeframe::Day1)])];
        let priority = domain::Priority::NORMAL;
        let demand = Demand { id: 1, symbol, partition: 0, range, priority, data, opens_fetch: false };
        coalescer.add(&demand, std::time::Duration::ZERO);
        coalescer.start(Limits::default().gather).unwrap().id
    }

    fn chunk_final_before(final_before: Timestamp) -> Part<Records> {
        let symbol = Symbol::constant("AAPL");
        let range = Interval::from_inclusive(bar(1).open_time, bar(4).open_time).unwrap();
        let fetch = fetch_id(symbol, range);
        let (data_type, timeframe) = (DataType::MarketData, Some(Timeframe::Day1));
        let job = Job { fetch, symbol, data_type, timeframe, range, final_before };
        fetch_chunk(&OpenEnded, &job).part.unwrap()
    }

    #[test]
    fn bar_at_the_horizon_is_left_out() {
        let part = chunk_final_before(bar(9).open_time);
        assert_eq!(part.records, Records::Bars(vec![bar(1), bar(2)]));
        assert_eq!(part.horizon, bar(3).open_time);
    }

    #[test]
    fn horizon_of_every_source_is_at_most_final() {
        let part = chunk_final_before(bar(2).open_time);
        assert_eq!((part.records, part.horizon), (Records::Bars(vec![bar(1)]), bar(2).open_time));
    }
}
