//! Requests that fetch their range again although it is covered (`refetch`).
//!
//! ```text
//!   fetch starts                                 chunk … chunk        terminal event
//!   coverage without the range, `refetching` ──► covered again ─────► coverage, no `refetching`
//! ```
//!
//! The record that takes the range out of the coverage notes the attempt, in the first transaction of the fetch. What follows is an ordinary
//! fetch of what the coverage lacks. After a restart the redelivered request finds its note and takes nothing out again: what has been
//! fetched since is kept. A series has one note, so a fetch has at most one such request ([`Demand::opens_fetch`]).
//!
//! [`Demand::opens_fetch`]: crate::rules::coalescer::Demand::opens_fetch

use std::time::Duration;

use domain::{IntervalSet, Timeframe, Timestamp};
use kafka_io::OutRecord;
use kit::ErrorChain;
use pipeline::{Effect, Effects, RecordId};

use super::ExecutorStage;
use super::event_writer::Cause;
use super::fetching::series;
use super::keeper_passes::SOURCE;
use super::request::{Request, Shortfall};
use crate::rules::attempts::Attempt;
use crate::rules::coalescer::Fetch;
use crate::rules::keeper::{REQUESTED_MAX, RequestedRange};
use crate::rules::series::Series;

impl ExecutorStage {
    /// Passes to the fetches each waiting refetch whose turn it is.
    pub(super) fn start_refetches(&mut self, now: Duration) {
        let is_full = self.has_many_waiting();
        let mut waiting = std::mem::take(&mut self.refetches.waiting);
        waiting.retain(|id| {
            let Some(request) = self.requests.get(id) else { return false };
            if self.waits_for_another(request, is_full) {
                return true;
            }
            self.refetches.running.insert(request.symbol, *id);
            self.coalescer.add(&request.demand(), now);
            false
        });
        self.refetches.waiting = waiting;
    }

    /// Returns `true` if another refetch of the symbol runs, or has begun before a restart and is not known to have ended. A full stage
    /// reads no requests, so the redelivered one might never arrive.
    fn waits_for_another(&self, request: &Request, is_full: bool) -> bool {
        if self.refetches.running.contains_key(&request.symbol) {
            return true;
        }
        let partition = request.id.input.partition;
        let may_be_redelivered = !self.keeping.is_caught_up(partition) && !is_full;
        let of_another = |series: Series| {
            let noted = self.table.refetch_notes.of(partition, &series)?;
            (noted.backfill_id != request.attempt.backfill_id).then_some(noted)
        };
        request.series().filter_map(of_another).any(|noted| {
            may_be_redelivered
                || self
                    .requests
                    .values()
                    .any(|held| held.id.input == request.id.input && held.attempt == noted)
        })
    }

    /// Takes the range of the refetch of this fetch out of the coverage of its series. No effect without one, or if its note shows that its
    /// attempt has done so before a restart.
    pub(super) fn take_out(
        &mut self,
        fetch: &Fetch<RecordId>,
        timeframes: &[Option<Timeframe>],
        occurred_at: i64,
        effects: &mut Effects<OutRecord>,
    ) {
        let is_refetch = |id: &&RecordId| self.requests.get(*id).is_some_and(|request| request.event.refetch);
        let Some(id) = fetch.requests.iter().find(is_refetch).copied() else { return };
        let Some(mut request) = self.requests.remove(&id) else { return };
        let mut outputs = Vec::new();
        for timeframe in timeframes {
            let part = (fetch.data_type, *timeframe);
            if !request.shares_of(part, &[request.range]).is_empty() {
                outputs.extend(self.without_range(series(fetch, *timeframe), occurred_at, &mut request));
            }
        }
        self.requests.insert(id, request);
        if !outputs.is_empty() {
            effects.push(Effect::Append { on_behalf_of: id, outputs });
        }
    }

    /// Takes the range of a request out of the coverage of a series, and returns the record of it. `None` if that was done before.
    fn without_range(
        &mut self,
        series: Series,
        occurred_at: i64,
        request: &mut Request,
    ) -> Option<OutRecord> {
        let partition = request.id.input.partition;
        let noted = self.table.refetch_notes.of(partition, &series);
        let is_before = |noted: Attempt| {
            noted.backfill_id == request.attempt.backfill_id && noted.number >= request.attempt.number
        };
        if noted.is_some_and(is_before) {
            return None;
        }
        let rest = self.table.coverage.without(partition, &series, request.range);
        self.table.refetch_notes.set(partition, series, Some(request.attempt));
        match self.table.record(&self.events, &series, &rest, occurred_at, &Cause::of(request)) {
            Ok(record) => {
                self.table.coverage.restore(partition, series, rest);
                Some(record)
            }
            Err(error) => {
                // The coverage is one interval too large for a record: the range stays covered and is not fetched.
                self.table.refetch_notes.set(partition, series, noted);
                let text = format!(
                    "{}: failed to take the range out of the coverage: {}",
                    series.data_type,
                    ErrorChain(&error)
                );
                request.tally.add_error(&text, Shortfall::Rejected);
                None
            }
        }
    }

    /// Notes the range of a keeper's request that did not fetch all of it, so that the keeper waits before it requests the rest.
    fn note_unfetched(
        &mut self,
        request: &Request,
        series: &Series,
        covered: &IntervalSet,
        occurred_at: i64,
    ) {
        let Some(timeframe) = series.timeframe.filter(|_| request.event.source == SOURCE) else { return };
        let partition = request.id.input.partition;
        let mut kept = self.table.kept.of(partition, series);
        if kept.requested.len() < REQUESTED_MAX {
            let at = Timestamp::from_micros(occurred_at);
            kept.requested.push(RequestedRange { range: request.range, at, attempt: request.event.attempt });
        }
        kept.requested = kept.uncovered(timeframe, covered);
        self.table.kept.set(partition, *series, kept);
    }

    /// Removes the notes of a request that has ended, and returns the records of the coverage without them.
    pub(super) fn end_refetch(&mut self, request: &Request, occurred_at: i64) -> Vec<OutRecord> {
        if !request.event.refetch {
            return Vec::new();
        }
        let partition = request.id.input.partition;
        let mut outputs = Vec::new();
        for series in self.table.refetch_notes.end(partition, request.attempt.backfill_id) {
            let covered = self.table.coverage.whole(partition, &series);
            self.note_unfetched(request, &series, &covered, occurred_at);
            match self.table.record(&self.events, &series, &covered, occurred_at, &Cause::of(request)) {
                Ok(output) => outputs.push(output),
                Err(error) => {
                    tracing::error!(symbol = %series.symbol, %error, "failed to write the coverage of an ended refetch");
                }
            }
        }
        outputs
    }
}
