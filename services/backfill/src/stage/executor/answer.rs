//! The events that the executor writes.

use std::collections::BTreeMap;

use contracts::bounds::{TEXT_BYTES_MAX, cut};
use contracts::{
    BackfillErrorClass, ClosedBar, CoverageChange, DataKind, EncodeError, RangeCompletion, RangeFailure,
    RangeProgress, Span, TypedRange, ids,
};
use domain::{Bar, DataType, IntervalSet, Timestamp, calendar};
use kafka_io::OutRecord;
use pipeline::Now;

use super::ExecutorStage;
use super::ending::{Ending, Part, Request};
use super::fetching::{Chunk, Running};
use crate::rules::series::Series;
use crate::stage::SOURCE;

/// Why a request ends in a failure.
pub(super) struct Failing {
    pub(super) class: BackfillErrorClass,
    pub(super) is_retryable: bool,
    pub(super) error: String,
}

impl ExecutorStage {
    /// The event in which a request ends, noted as its end. A completion that is too large (its ranges are as many as its coverage has
    /// holes, which nothing bounds) becomes a failure that says so; what was fetched stays covered.
    pub(super) fn terminal(&mut self, request: &Request, now: Now) -> Result<OutRecord, EncodeError> {
        let ending = request.tally.ending();
        let (partition, wall) = (request.id.input.partition, Timestamp::from_micros(now.wall_micros));
        let failing = |class, is_retryable| {
            let mut error = request.tally.errors.first().cloned().unwrap_or_default();
            if request.tally.error_count > 1 {
                error = format!("{error}; and {} more", request.tally.error_count - 1);
            }
            Failing { class, is_retryable, error }
        };
        let mut is_success = ending == Ending::Success;
        let written = match ending {
            Ending::Success | Ending::Partial => self.completion(request, is_success, now).or_else(|fault| {
                is_success = false;
                let (class, error) = (BackfillErrorClass::Invalid, fault.to_string());
                self.failure(request, Failing { class, is_retryable: false, error })
            }),
            Ending::NoSource => self.failure(request, failing(BackfillErrorClass::NoSource, false)),
            Ending::Refused => self.failure(request, failing(BackfillErrorClass::Refused, false)),
            Ending::Exhausted => self.failure(request, failing(BackfillErrorClass::Exhausted, true)),
        };
        self.answered.ended(partition, request.identity, request.attempt, is_success, wall);
        written
    }

    fn completion(&self, request: &Request, success: bool, now: Now) -> Result<OutRecord, EncodeError> {
        let (event, tally) = (&request.event, &request.tally);
        let completion = RangeCompletion {
            event_id: ids::event_id(),
            occurred_at: event.occurred_at,
            source: SOURCE.to_owned(),
            correlation_id: event.correlation_id.clone(),
            backfill_id: event.backfill_id.clone(),
            attempt: request.attempt.number,
            symbol: event.symbol.clone(),
            layer: event.layer,
            success,
            partial: !success,
            records: tally.records.iter().map(|(kind, count)| (kind.as_str().to_owned(), *count)).collect(),
            fetched: ranges(&tally.fetched),
            skipped: ranges(&tally.skipped),
            duration_micros: now.wall_micros.saturating_sub(request.received_at).max(0),
            errors: tally.errors.clone(),
            error_count: tally.error_count,
        };
        self.wire.write(&completion, request.traceparent.as_deref())
    }

    pub(super) fn failure(&self, request: &Request, failing: Failing) -> Result<OutRecord, EncodeError> {
        let event = &request.event;
        let failure = RangeFailure {
            event_id: ids::event_id(),
            occurred_at: event.occurred_at,
            source: SOURCE.to_owned(),
            correlation_id: event.correlation_id.clone(),
            backfill_id: event.backfill_id.clone(),
            attempt: request.attempt.number,
            symbol: event.symbol.clone(),
            layer: event.layer,
            data_types: event.data_types.clone(),
            error_class: failing.class,
            retryable: failing.is_retryable,
            attempts: request.tally.calls,
            error: cut(&failing.error, TEXT_BYTES_MAX).to_owned(),
        };
        self.wire.write(&failure, request.traceparent.as_deref())
    }

    /// What a chunk leaves: its bars, the progress of the request on whose behalf it was fetched, and the series' new coverage. It is
    /// covered from here on, unless something of it can't be written.
    pub(super) fn chunk_outputs(
        &mut self,
        running: &Running,
        chunk: Chunk,
        bars: &[Bar],
        request: &Request,
    ) -> Result<Vec<OutRecord>, EncodeError> {
        let traceparent = request.traceparent.as_deref();
        let mut outputs = Vec::with_capacity(bars.len() + 2);
        for bar in bars {
            outputs.push(self.wire.write(&self.closed_bar(chunk, bar, request), traceparent)?);
        }
        let progress = self.progress(running, chunk, bars.len(), request);
        outputs.push(self.wire.write(&progress, traceparent)?);
        let data_type = running.fetch.data_type;
        let series = Series { symbol: request.symbol, data_type, timeframe: Some(chunk.timeframe) };
        let partition = request.id.input.partition;
        let covered = self.coverage.with(partition, &series, chunk.range);
        let change = CoverageChange {
            event_id: ids::event_id(),
            occurred_at: running.occurred_at,
            source: SOURCE.to_owned(),
            correlation_id: request.event.correlation_id.clone(),
            symbol: request.event.symbol.clone(),
            data_type: DataKind::from(data_type),
            timeframe: chunk.timeframe.as_str().to_owned(),
            intervals: covered.iter().map(Span::from).collect(),
        };
        outputs.push(self.wire.write(&change, traceparent)?);
        self.coverage.mark(partition, series, chunk.range);
        Ok(outputs)
    }

    fn closed_bar(&self, chunk: Chunk, bar: &Bar, request: &Request) -> ClosedBar {
        ClosedBar {
            event_id: ids::event_id(),
            // When it closed, which is not ahead of the clock: a bar that is still open isn't fetched.
            occurred_at: calendar::bar_close(chunk.timeframe, bar.open_time).micros(),
            source: self.source.name().to_owned(),
            correlation_id: request.event.correlation_id.clone(),
            symbol: request.event.symbol.clone(),
            timeframe: chunk.timeframe.as_str().to_owned(),
            open_time: bar.open_time.micros(),
            open: bar.open,
            high: bar.high,
            low: bar.low,
            close: bar.close,
            volume: bar.volume,
            vwap: None,
            trades: None,
            backfilled: true,
        }
    }

    fn progress(&self, running: &Running, chunk: Chunk, records: usize, request: &Request) -> RangeProgress {
        let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        RangeProgress {
            event_id: ids::event_id(),
            occurred_at: running.occurred_at,
            source: self.source.name().to_owned(),
            correlation_id: request.event.correlation_id.clone(),
            backfill_id: request.event.backfill_id.clone(),
            attempt: request.attempt.number,
            symbol: request.event.symbol.clone(),
            data_type: DataKind::from(running.fetch.data_type),
            timeframe: chunk.timeframe.as_str().to_owned(),
            chunk_start: chunk.range.start().micros(),
            chunk_end: chunk.range.last().micros(),
            records: i64::try_from(records).unwrap_or(i64::MAX),
            empty: records == 0,
            done: count(running.done + 1),
            total: count(running.chunks.len()),
        }
    }
}

fn ranges(parts: &BTreeMap<Part, IntervalSet>) -> Vec<TypedRange> {
    let of_part = |(part, set): (&(DataType, _), &IntervalSet)| {
        let (data_type, timeframe): Part = *part;
        let typed = move |interval: domain::Interval| TypedRange {
            data_type: DataKind::from(data_type),
            timeframe: timeframe.map_or_else(String::new, |timeframe| timeframe.as_str().to_owned()),
            start: interval.start().micros(),
            end: interval.last().micros(),
        };
        set.iter().map(typed).collect::<Vec<_>>()
    };
    parts.iter().flat_map(of_part).collect()
}
