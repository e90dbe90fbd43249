//! Ends of requests: the terminal event of an attempt.

use contracts::{BackfillErrorClass, EncodeError};
use domain::Timestamp;
use kafka_io::OutRecord;
use pipeline::{Effect, Effects, Now, RecordId};

use super::request::{Ending, FailureReason, Request};
use super::{ExecutorStage, INPUT};
use crate::range_counts::RangeOutcome;

impl ExecutorStage {
    /// Ends a request whose fetches have all ended.
    pub(super) fn end(&mut self, id: RecordId, now: Now, effects: &mut Effects<OutRecord>) {
        let Some(request) = self.requests.remove(&id) else { return };
        self.refetches.ended(&request);
        effects.push(match self.terminal_event(&request, now) {
            Ok(record) => {
                let urgent = request.priority.is_urgent();
                let mut outputs = self.ended(&request, record, now);
                outputs.extend(self.want(&request, now.wall_micros));
                Effect::Emit { ids: vec![id], outputs, urgent }
            }
            Err(error) => self.wire.reject_unwritable(INPUT, id, &error),
        });
    }

    /// Returns the outputs of a request that ends with this terminal event: the event, and the coverage that its end changes.
    pub(super) fn ended(&mut self, request: &Request, terminal: OutRecord, now: Now) -> Vec<OutRecord> {
        let mut outputs = vec![terminal];
        outputs.extend(self.end_refetch(request, now.wall_micros));
        outputs.extend(self.table.take_reverted(&self.events, request, now.wall_micros, None));
        outputs
    }

    /// Returns the terminal event of a request and records the end of its attempt. A completion that is too large becomes a failure of
    /// class `invalid`; the fetched ranges remain covered. (A completion lists the ranges of the request, and their number has no bound:
    /// coverage may have any number of gaps.)
    pub(super) fn terminal_event(&mut self, request: &Request, now: Now) -> Result<OutRecord, EncodeError> {
        let (terminal, outcome) = match request.tally.ending() {
            Ending::Success => self.completion(request, RangeOutcome::Completed, now),
            Ending::Partial(reason) => self.completion(request, RangeOutcome::Partial(reason.class()), now),
            Ending::Failed(reason) => {
                let (class, is_retryable) = (reason.class(), reason.is_retryable());
                let error = request.tally.error_summary();
                let failure = self.events.failure(request, FailureReason { class, is_retryable, error });
                (failure, RangeOutcome::Failed(class))
            }
        };
        let (partition, wall) = (request.id.input.partition, Timestamp::from_micros(now.wall_micros));
        let is_success = outcome == RangeOutcome::Completed;
        self.attempts.end(partition, request.identity, request.attempt, is_success, wall);
        if terminal.is_ok() {
            self.counts.count(outcome);
        }
        terminal
    }

    fn completion(
        &self,
        request: &Request,
        outcome: RangeOutcome,
        now: Now,
    ) -> (Result<OutRecord, EncodeError>, RangeOutcome) {
        let completion = self.events.completion(request, outcome == RangeOutcome::Completed, now);
        let Err(error) = completion else { return (completion, outcome) };
        let class = BackfillErrorClass::Invalid;
        let reason = FailureReason { class, is_retryable: false, error: error.to_string() };
        (self.events.failure(request, reason), RangeOutcome::Failed(class))
    }
}
