//! Results of chunks: the outputs of fetched records, and the errors of what the source does not have.
//!
//! A chunk is covered up to the horizon of the source. What follows the horizon, and each range of a symbol that the source does not
//! have, is fetched again by the next request. Both end the series: its later chunks are not fetched.
//!
//! Rejected rows cost the times that their records may have: these are not covered, and the terminal event names the rows. A chunk with
//! invalid data or rejected rows is fetched again in halves, so that they count only for the requests that contain them.

use std::collections::BTreeSet;

use contracts::bounds::cut;
use contracts::{EncodeError, Topic};
use domain::{DataType, Interval, Timeframe, Timestamp};
use kafka_io::OutRecord;
use kit::{ErrorChain, SaturatingFrom};
use pipeline::{Effect, Effects};

use super::ExecutorStage;
use super::event_writer::Cause;
use super::fetch_run::{Chunk, FetchRun};
use super::fetching::series;
use super::request::{ERROR_BYTES_MAX, Shortfall, name_of};
use crate::rules::expected_bars::expects_bar;
use crate::sources::{Defects, Part, Records, SourceError};

/// The error of a part of a fetch.
#[derive(Debug, thiserror::Error)]
enum PartError {
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The source has the symbol, and nothing after this time.
    #[error("source {source_name} has no {records} from {horizon} on yet")]
    NotYet { source_name: &'static str, records: &'static str, horizon: Timestamp },
    /// Another attempt would have outputs of the same size.
    #[error("failed to write chunk of source {source_name}")]
    Unwritable {
        source_name: &'static str,
        #[source]
        cause: EncodeError,
    },
}

impl PartError {
    const fn reason(&self) -> Shortfall {
        match self {
            Self::Source(
                SourceError::Transient { .. } | SourceError::BeingWritten { .. } | SourceError::Busy { .. },
            ) => Shortfall::Exhausted,
            Self::Source(SourceError::UnknownSymbol { .. }) => Shortfall::UnknownSymbol,
            Self::Source(SourceError::InvalidRange { .. } | SourceError::Permanent { .. })
            | Self::Unwritable { .. } => Shortfall::Rejected,
            Self::NotYet { .. } => Shortfall::NotYet,
        }
    }

    /// Returns `true` if a range that was not served for this cause is an error of its request. A range in which no bar is expected, such
    /// as a weekend after the horizon, is none; it is not covered either. Other records may have any time.
    fn concerns(&self, timeframe: Option<Timeframe>, range: Interval) -> bool {
        !matches!(self, Self::NotYet { .. })
            || timeframe.is_none_or(|timeframe| expects_bar(timeframe, range))
    }
}

impl ExecutorStage {
    /// Appends the outputs of the current chunk as one emission on behalf of the first request, and marks the chunk up to the horizon as
    /// covered. A chunk whose outputs are too large fails and is not covered.
    pub(super) fn write(
        &mut self,
        run: &mut FetchRun,
        part: &Part<Records>,
        effects: &mut Effects<OutRecord>,
    ) {
        let Some(chunk) = run.chunk() else { return };
        let Some(&first) = run.fetch.requests.first() else { return };
        let calls = run.failures + 1;
        self.report_defects(run, chunk, &part.defects);
        let Some(served) = part.served(chunk.range) else {
            return self.end_series_at(run, part.horizon, calls);
        };
        let Some(request) = self.requests.get(&first) else { return };
        let (partition, series) = (first.input.partition, series(&run.fetch, chunk.timeframe));
        let known = part.defects.unknown.missing(served);
        if known.is_empty() {
            return self.end_chunk(run, (chunk, served), part.horizon, calls);
        }
        let covered = self.table.coverage.with(partition, &series, &known);
        let outputs = self.events.chunk(run, served, &part.records, request).and_then(|mut outputs| {
            let cause = Cause::of(request);
            outputs.push(self.table.record(&self.events, &series, &covered, run.occurred_at, &cause)?);
            Ok(outputs)
        });
        match outputs {
            Ok(mut outputs) => {
                outputs.extend(self.table.take_reverted(
                    &self.events,
                    request,
                    run.occurred_at,
                    Some(&series),
                ));
                self.table.coverage.restore(partition, series, covered);
                let bars = outputs.iter().filter(|output| output.topic == Topic::BarClosed).count();
                self.pace.written(partition, u64::saturating_from(bars));
                effects.push(Effect::Append { on_behalf_of: first, outputs });
                for id in &run.fetch.requests {
                    if let Some(request) = self.requests.get_mut(id) {
                        request.fetched(run.part_of(chunk), (served, &known), &part.records);
                    }
                }
                self.end_chunk(run, (chunk, served), part.horizon, calls);
            }
            Err(cause) => {
                let error = PartError::Unwritable { source_name: self.source.name(), cause };
                self.count_calls(run, chunk, &[chunk.range], calls);
                self.fail_ranges(run, chunk, &[chunk.range], &error);
            }
        }
    }

    /// Adds the rejected rows and the duplicates of a chunk to each request that contains a part of it.
    fn report_defects(&mut self, run: &FetchRun, chunk: Chunk, defects: &Defects) {
        for id in &run.fetch.requests {
            if let Some(request) = self.requests.get_mut(id) {
                request.found_defects(run.part_of(chunk), chunk.range, defects);
            }
        }
        if let Some(first) = defects.rows.first() {
            let (symbol, rows) = (run.fetch.symbol, defects.count());
            tracing::warn!(%symbol, rows, "rows rejected, the first is {first}");
        }
    }

    /// Counts the calls of a chunk of which this range was served, and ends its series if that is not all of it.
    fn end_chunk(
        &mut self,
        run: &mut FetchRun,
        (chunk, served): (Chunk, Interval),
        horizon: Timestamp,
        calls: u32,
    ) {
        if served == chunk.range {
            self.count_calls(run, chunk, &[chunk.range], calls);
        } else {
            self.end_series_at(run, horizon, calls);
        }
    }

    /// Fails the current chunk, or its series if the source does not have the symbol.
    pub(super) fn fail(&mut self, run: &mut FetchRun, error: SourceError) {
        let Some(chunk) = run.chunk() else { return };
        let ranges = match error {
            SourceError::UnknownSymbol { .. } => run.end_series(chunk.range.start()),
            SourceError::Transient { .. }
            | SourceError::BeingWritten { .. }
            | SourceError::Busy { .. }
            | SourceError::InvalidRange { .. }
            | SourceError::Permanent { .. } => vec![chunk.range],
        };
        self.count_calls(run, chunk, &ranges, run.failures);
        self.fail_ranges(run, chunk, &ranges, &error.into());
    }

    /// Splits the current chunk, whose data are invalid, at the middle one of the starts and ends of its requests. Returns `false` if there
    /// are none within the chunk: each of its requests contains the invalid data.
    pub(super) fn split(&self, run: &mut FetchRun) -> bool {
        let Some(chunk) = run.chunk() else { return false };
        let part = run.part_of(chunk);
        let requests = run.fetch.requests.iter().filter_map(|id| self.requests.get(id));
        let shares = requests.flat_map(|request| request.shares_of(part, &[chunk.range]));
        let cuts: BTreeSet<Timestamp> = shares
            .flat_map(|share| [share.start(), share.end()])
            .filter(|cut| *cut != chunk.range.start() && *cut != chunk.range.end())
            .collect();
        let Some(middle) = cuts.iter().nth(cuts.len() / 2) else { return false };
        run.split_chunk(*middle)
    }

    /// Ends the series of the current chunk at the horizon of the source.
    fn end_series_at(&mut self, run: &mut FetchRun, horizon: Timestamp, calls: u32) {
        let Some(chunk) = run.chunk() else { return };
        let lacking = run.end_series(horizon);
        self.count_calls(run, chunk, &[&[chunk.range], &lacking[..]].concat(), calls);
        let records = match run.fetch.data_type {
            DataType::MarketData => "bars",
            _ => "records",
        };
        let error = PartError::NotYet { source_name: self.source.name(), records, horizon };
        self.fail_ranges(run, chunk, &lacking, &error);
    }

    /// Counts the calls that decided about these ranges, of the series of `chunk`, for each request that contains a part of them: alone it
    /// would have needed them as well.
    fn count_calls(&mut self, run: &FetchRun, chunk: Chunk, ranges: &[Interval], calls: u32) {
        for id in &run.fetch.requests {
            if let Some(request) = self.requests.get_mut(id) {
                request.called(run.part_of(chunk), ranges, calls);
            }
        }
    }

    /// Adds the error to each request that lacks a part of these ranges, which are of the series of `chunk`: by its own range, as if it had
    /// been fetched alone.
    fn fail_ranges(&mut self, run: &FetchRun, chunk: Chunk, ranges: &[Interval], error: &PartError) {
        let part = run.part_of(chunk);
        let mut is_logged = false;
        for id in &run.fetch.requests {
            let Some(request) = self.requests.get_mut(id) else { continue };
            let mut lacking = request.shares_of(part, ranges);
            lacking.retain(|range| error.concerns(chunk.timeframe, *range));
            let [Some(first), Some(last)] = [lacking.first(), lacking.last()] else { continue };
            let text =
                format!("{} from {} to {}: {}", name_of(part), first.start(), last.last(), ErrorChain(error));
            let text = cut(&text, ERROR_BYTES_MAX);
            request.tally.add_error(text, error.reason());
            if !is_logged {
                is_logged = true;
                tracing::warn!(symbol = %run.fetch.symbol, error = text, "range not fetched: it is not retried");
            }
        }
    }
}
