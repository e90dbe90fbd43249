//! Output events of the executor.

use std::collections::BTreeMap;

use contracts::bounds::{TEXT_BYTES_MAX, cut};
use contracts::{
    CoverageChange, DataKind, EncodeError, RangeCompletion, RangeFailure, RangeProgress, RefetchAttempt,
    Span, TypedRange, ids,
};
use domain::{DataType, Interval, IntervalSet, Timeframe};
use kafka_io::{OutRecord, Wire};
use kit::SaturatingFrom;
use pipeline::Now;
use uuid::Uuid;

use super::fetch_run::{Chunk, FetchRun};
use super::kept_series;
use super::record_events::RecordWriter;
use super::request::{FailureReason, Part, Request};
use crate::rules::attempts::Attempt;
use crate::rules::deletions::READ_TO;
use crate::rules::keeper::KeptSeries;
use crate::rules::series::Series;
use crate::sources::Records;
use crate::stage::event_source::EVENT_SOURCE;

/// Writes the events of requests and chunks.
pub(super) struct EventWriter {
    wire: Wire,
    /// The name of the source of the records.
    source_name: &'static str,
}

/// The cause of a coverage record.
pub(super) struct Cause<'a> {
    pub(super) partition: i32,
    correlation_id: Option<&'a str>,
    traceparent: Option<&'a str>,
}

/// The content of a coverage record.
pub(super) struct SeriesState<'a> {
    pub(super) covered: &'a IntervalSet,
    pub(super) refetching: Option<Attempt>,
    pub(super) kept: &'a KeptSeries,
}

impl<'a> Cause<'a> {
    /// Returns the cause of a record that is written on behalf of a request.
    pub(super) fn of(request: &'a Request) -> Self {
        Self {
            partition: request.id.input.partition,
            correlation_id: request.event.correlation_id.as_deref(),
            traceparent: request.traceparent.as_deref(),
        }
    }

    /// Returns the cause of a record that no request causes.
    pub(super) const fn nothing(partition: i32) -> Self {
        Self { partition, correlation_id: None, traceparent: None }
    }
}

impl EventWriter {
    pub(super) fn new(wire: Wire, source_name: &'static str) -> Self {
        Self { wire, source_name }
    }

    /// Returns the completion of a request.
    pub(super) fn completion(
        &self,
        request: &Request,
        success: bool,
        now: Now,
    ) -> Result<OutRecord, EncodeError> {
        let (event, tally) = (&request.event, &request.tally);
        let completion = RangeCompletion {
            event_id: ids::event_id(),
            occurred_at: event.occurred_at,
            source: EVENT_SOURCE.to_owned(),
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
            errors: tally.errors.iter().map(|(reason, text)| format!("{}: {text}", reason.class())).collect(),
            error_count: tally.error_count,
            quality: tally.quality.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        };
        self.wire.write(&completion, request.traceparent.as_deref())
    }

    /// Returns the failure of a request.
    pub(super) fn failure(&self, request: &Request, reason: FailureReason) -> Result<OutRecord, EncodeError> {
        let event = &request.event;
        let failure = RangeFailure {
            event_id: ids::event_id(),
            occurred_at: event.occurred_at,
            source: EVENT_SOURCE.to_owned(),
            correlation_id: event.correlation_id.clone(),
            backfill_id: event.backfill_id.clone(),
            attempt: request.attempt.number,
            symbol: event.symbol.clone(),
            layer: event.layer,
            data_types: event.data_types.clone(),
            error_class: reason.class,
            retryable: reason.is_retryable,
            attempts: request.tally.calls,
            error: cut(&reason.error, TEXT_BYTES_MAX).to_owned(),
        };
        self.wire.write(&failure, request.traceparent.as_deref())
    }

    /// Returns the outputs of the current chunk, of which `served` was fetched: its records and the progress of `request`.
    pub(super) fn chunk(
        &self,
        run: &FetchRun,
        served: Interval,
        records: &Records,
        request: &Request,
    ) -> Result<Vec<OutRecord>, EncodeError> {
        let Some(chunk) = run.chunk() else { return Ok(Vec::new()) };
        let chunk = Chunk { range: served, ..chunk };
        let writer = RecordWriter { wire: &self.wire, source_name: self.source_name, request };
        // Progress and coverage follow.
        let mut outputs = writer.write(records, chunk.timeframe, 2)?;
        let progress = self.progress(run, chunk, records.len(), request);
        outputs.push(self.wire.write(&progress, request.traceparent.as_deref())?);
        Ok(outputs)
    }

    /// Returns the coverage record of a series, written when the table had been read to this position.
    pub(super) fn coverage(
        &self,
        series: &Series,
        state: &SeriesState<'_>,
        (read_to, occurred_at): (i64, i64),
        cause: &Cause<'_>,
    ) -> Result<OutRecord, EncodeError> {
        let (wanted, requested) = kept_series::to_record(series, state.kept, state.covered);
        let change = CoverageChange {
            event_id: ids::event_id(),
            occurred_at,
            source: EVENT_SOURCE.to_owned(),
            correlation_id: cause.correlation_id.map(str::to_owned),
            symbol: series.symbol.to_string(),
            data_type: DataKind::from(series.data_type),
            timeframe: name(series.timeframe),
            intervals: state.covered.iter().map(Span::from).collect(),
            wanted,
            asked: requested,
            refetching: state.refetching.map(|attempt| RefetchAttempt {
                backfill_id: Uuid::from_u128(attempt.backfill_id).to_string(),
                attempt: attempt.number,
            }),
        };
        let record = self.wire.write(&change, cause.traceparent)?;
        Ok(record.with_header(READ_TO, read_to.to_string().into_bytes()))
    }

    fn progress(&self, run: &FetchRun, chunk: Chunk, records: usize, request: &Request) -> RangeProgress {
        RangeProgress {
            event_id: ids::event_id(),
            occurred_at: run.occurred_at,
            source: self.source_name.to_owned(),
            correlation_id: request.event.correlation_id.clone(),
            backfill_id: request.event.backfill_id.clone(),
            attempt: request.attempt.number,
            symbol: request.event.symbol.clone(),
            data_type: DataKind::from(run.fetch.data_type),
            timeframe: name(chunk.timeframe),
            chunk_start: chunk.range.start().micros(),
            chunk_end: chunk.range.last().micros(),
            records: i64::saturating_from(records),
            empty: records == 0,
            done: i32::saturating_from(run.done + 1),
            total: i32::saturating_from(run.chunks.len()),
        }
    }
}

fn ranges(parts: &BTreeMap<Part, IntervalSet>) -> Vec<TypedRange> {
    let of_part = |(part, set): (&(DataType, _), &IntervalSet)| {
        let (data_type, timeframe): Part = *part;
        let typed = move |interval: Interval| TypedRange {
            data_type: DataKind::from(data_type),
            timeframe: name(timeframe),
            start: interval.start().micros(),
            end: interval.last().micros(),
        };
        set.iter().map(typed).collect::<Vec<_>>()
    };
    parts.iter().flat_map(of_part).collect()
}

/// Returns the name of a timeframe in the contract: empty for data without one.
fn name(timeframe: Option<Timeframe>) -> String {
    timeframe.map_or_else(String::new, |timeframe| timeframe.as_str().to_owned())
}
