//! Ends of requests: the terminal event of an attempt.

use contracts::{BackfillErrorClass, EncodeError};
use domain::Timestamp;
use kafka_io::OutRecord;
use pipeline::{Effect, Effects, Now, RecordId};

use super::request::{Ending, FailureReason, Request};
use super::{ExecutorStage, INPUT};

impl ExecutorStage {
    /// Ends a request whose fetches have all ended.
    pub(super) fn end(&mut self, id: RecordId, now: Now, effects: &mut Effects<OutRecord>) {
        let Some(request) = self.requests.remove(&id) else { return };
        effects.push(match self.terminal_event(&request, now) {
            Ok(record) => {
                let urgent = request.priority.is_urgent();
                Effect::Emit { ids: vec![id], outputs: vec![record], urgent }
            }
            Err(error) => self.wire.reject_unwritable(INPUT, id, &error),
        });
    }

    /// Returns the terminal event of a request and records the end of its attempt. A completion that is too large becomes a failure of
    /// class `invalid`; the fetched ranges remain covered. (A completion lists the ranges of the request, and their number has no bound:
    /// coverage may have any number of gaps.)
    pub(super) fn terminal_event(&mut self, request: &Request, now: Now) -> Result<OutRecord, EncodeError> {
        let ending = request.tally.ending();
        let failed =
            |class, is_retryable| FailureReason { class, is_retryable, error: request.tally.error_summary() };
        let mut is_success = ending == Ending::Success;
        let terminal = match ending {
            Ending::Success | Ending::Partial => {
                self.events.completion(request, is_success, now).or_else(|error| {
                    is_success = false;
                    let (class, error) = (BackfillErrorClass::Invalid, error.to_string());
                    self.events.failure(request, FailureReason { class, is_retryable: false, error })
                })
            }
            Ending::NoSource => self.events.failure(request, failed(BackfillErrorClass::NoSource, false)),
            Ending::Rejected => self.events.failure(request, failed(BackfillErrorClass::Refused, false)),
            Ending::Exhausted => self.events.failure(request, failed(BackfillErrorClass::Exhausted, true)),
        };
        let (partition, wall) = (request.id.input.partition, Timestamp::from_micros(now.wall_micros));
        self.attempts.end(partition, request.identity, request.attempt, is_success, wall);
        terminal
    }
}
