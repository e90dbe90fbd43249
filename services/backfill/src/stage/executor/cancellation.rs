//! Requests with `cancel`: they end the running attempts of their backfill.
//!
//! The terminal events of the attempts resolve their requests and the one that cancels them, in one emission: after a crash all are
//! redelivered, or none. Chunks that are written stay, and the result of a chunk at a worker is discarded. Other requests of the same fetch
//! continue without the chunks that only the cancelled ones contain.

use std::collections::BTreeSet;

use contracts::{BackfillErrorClass, EncodeError, RangeRequest};
use domain::Timestamp;
use kafka_io::OutRecord;
use pipeline::{Effect, Effects, Now, Reason, RecordId, Verdict};

use super::request::FailureReason;
use super::{ExecutorStage, INPUT};
use crate::range_counts::RangeOutcome;
use crate::rules::attempts::Attempt;

/// The drop reason of a request to cancel a backfill that is unknown or has ended.
const NOT_RUNNING: Reason = Reason("not_running");

impl ExecutorStage {
    /// Ends the running attempts of a backfill, on behalf of the request at `id` that cancels it.
    pub(super) fn cancel(
        &mut self,
        id: RecordId,
        event: &RangeRequest,
        now: Now,
        effects: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        let cancelled = Attempt::named(&event.backfill_id, event.attempt).map(|attempt| attempt.backfill_id);
        let running = self
            .requests
            .values()
            .filter(|request| request.id.input == id.input && Some(request.attempt.backfill_id) == cancelled);
        let running: BTreeSet<RecordId> = running.map(|request| request.id).collect();
        let (mut ids, mut outputs) = (Vec::new(), Vec::new());
        for request_id in &running {
            match self.cancelled(*request_id, event, now) {
                Some(Ok(mut ended)) => {
                    ids.push(*request_id);
                    outputs.append(&mut ended);
                }
                Some(Err(error)) => effects.push(self.wire.reject_unwritable(INPUT, *request_id, &error)),
                None => {}
            }
        }
        self.leave_fetches(&running);
        if ids.is_empty() {
            return Verdict::Drop(NOT_RUNNING);
        }
        tracing::info!(backfill_id = event.backfill_id, attempts = ids.len(), "backfill cancelled");
        ids.push(id);
        effects.push(Effect::Emit { ids, outputs, urgent: true });
        Verdict::Hold
    }

    /// Removes a request and returns its terminal event, with the coverage that it changes.
    fn cancelled(
        &mut self,
        id: RecordId,
        by: &RangeRequest,
        now: Now,
    ) -> Option<Result<Vec<OutRecord>, EncodeError>> {
        let request = self.requests.remove(&id)?;
        self.refetches.ended(&request);
        let class = BackfillErrorClass::Cancelled;
        let error = format!("cancelled by request {}", by.event_id);
        let failure = self.events.failure(&request, FailureReason { class, is_retryable: false, error });
        let wall = Timestamp::from_micros(now.wall_micros);
        self.attempts.end(id.input.partition, request.identity, request.attempt, false, wall);
        if failure.is_ok() {
            self.counts.count(RangeOutcome::Failed(class));
        }
        Some(failure.map(|failure| self.ended(&request, failure, now)))
    }

    /// Removes ended requests from the gate and from their fetches. A fetch without a request stops.
    fn leave_fetches(&mut self, ended: &BTreeSet<RecordId>) {
        self.table.gate.release(|id| ended.contains(id));
        for fetch in self.coalescer.remove(|id| ended.contains(id)) {
            self.stop(fetch);
        }
        let Self { runs, requests, .. } = self;
        for run in runs.values_mut() {
            let before = run.fetch.requests.len();
            run.fetch.requests.retain(|id| !ended.contains(id));
            if run.fetch.requests.len() < before {
                run.retain_chunks(run.done + 1, requests);
            }
        }
    }
}
