//! The events in which a request ends.

use std::collections::BTreeMap;

use contracts::bounds::{TEXT_BYTES_MAX, cut};
use contracts::{EncodeError, RequestErrorClass, RequestFailure, SetResult, SetStatus, Vector, ids};
use kafka_io::OutRecord;
use pipeline::{Effect, Now};

use super::{Admitted, FeatureStage, INPUTS};
use crate::intake::Lane;
use crate::rules::{self, Status};
use crate::work::Answer;

/// What vectors and failures name as their source.
const SOURCE: &str = "feature";

/// Why symbols get no vector.
pub(super) struct Failing {
    pub(super) class: RequestErrorClass,
    pub(super) error: String,
    pub(super) attempts: u32,
    pub(super) earlier_request_id: Option<String>,
}

impl FeatureStage {
    /// The end of a request that was computed, or given up.
    pub(super) fn end(
        &self,
        mut admitted: Admitted,
        answers: Result<Vec<Answer>, String>,
        now: Now,
    ) -> Effect<OutRecord> {
        let urgent = admitted.lane == Lane::Urgent;
        let earlier = std::mem::take(&mut admitted.failures);
        let written = self.outputs(&admitted, earlier, answers, now);
        self.ended(&admitted, written, urgent)
    }

    /// The end in these outputs; when some can't be written, in a dead letter, and none of the others leaves. A request's bytes are gone
    /// by then: the letter names the place in the input topic where they lie.
    pub(super) fn ended(
        &self,
        admitted: &Admitted,
        written: Result<Vec<OutRecord>, EncodeError>,
        urgent: bool,
    ) -> Effect<OutRecord> {
        let id = admitted.id;
        let fault = match written {
            Ok(outputs) => return Effect::Emit { ids: vec![id], outputs, urgent },
            Err(fault) => fault,
        };
        self.wire.reject_unwritable(INPUTS[usize::from(admitted.lane == Lane::Urgent)], id, &fault)
    }

    /// Everything that a request ends in: a vector or a failure for all that was to compute, beside its earlier failures.
    fn outputs(
        &self,
        admitted: &Admitted,
        mut outputs: Vec<OutRecord>,
        answers: Result<Vec<Answer>, String>,
        now: Now,
    ) -> Result<Vec<OutRecord>, EncodeError> {
        let exhausted = |error: String| Failing {
            class: RequestErrorClass::Exhausted,
            error,
            attempts: admitted.attempts,
            earlier_request_id: None,
        };
        let mut failed: Vec<(String, Failing)> = Vec::new();
        match answers {
            Ok(answers) => {
                for answer in answers {
                    let symbol = answer.symbol.to_string();
                    match self.vector(admitted, answer) {
                        Ok(record) => outputs.push(record),
                        // A vector beyond what a topic takes: the symbol still ends, in a failure.
                        Err(fault) => failed.push((symbol, exhausted(fault.to_string()))),
                    }
                }
            }
            Err(cause) => {
                failed.extend(
                    admitted.to_compute.iter().map(|(s, _)| (s.to_string(), exhausted(cause.clone()))),
                );
            }
        }
        for (symbol, failing) in failed {
            outputs.push(self.failure(admitted, &[symbol], failing, now)?);
        }
        Ok(outputs)
    }

    fn vector(&self, admitted: &Admitted, answer: Answer) -> Result<OutRecord, EncodeError> {
        let request = &admitted.request;
        let name = answer.symbol.to_string();
        let asked = request.symbols.iter().find(|asked| asked.symbol == name);
        let occurred_at = asked.map_or(request.occurred_at, |asked| asked.occurred_at);
        let vector = Vector {
            event_id: ids::event_id(),
            occurred_at,
            source: SOURCE.to_owned(),
            correlation_id: request.correlation_id.clone(),
            request_id: request.request_id.clone(),
            symbol: name,
            timeframe: request.timeframe.clone(),
            // Without any bar nothing was looked at; the instant asked for is then the only honest one.
            as_of: answer.as_of.map_or(occurred_at, |t| t.micros()),
            bars_held: i32::try_from(answer.bars_held).unwrap_or(i32::MAX),
            priority: request.priority,
            sets: answer.sets.into_iter().map(|(set, r)| (set.as_str().to_owned(), wire_result(r))).collect(),
            computation_micros: answer.computation_micros,
        };
        self.wire.write(&vector, admitted.traceparent.as_deref())
    }

    /// The failure of these symbols of a request (sorted, as the request's are).
    pub(super) fn failure(
        &self,
        admitted: &Admitted,
        symbols: &[String],
        failing: Failing,
        now: Now,
    ) -> Result<OutRecord, EncodeError> {
        let request = &admitted.request;
        let failure = RequestFailure {
            event_id: ids::event_id(),
            occurred_at: request.occurred_at.min(now.wall_micros),
            source: SOURCE.to_owned(),
            correlation_id: request.correlation_id.clone(),
            request_id: request.request_id.clone(),
            symbols: symbols.to_vec(),
            feature_sets: request.feature_sets.clone(),
            error_class: failing.class,
            error: cut(&failing.error, TEXT_BYTES_MAX).to_owned(),
            attempts: i32::try_from(failing.attempts).unwrap_or(i32::MAX),
            earlier_request_id: failing.earlier_request_id,
        };
        self.wire.write(&failure, admitted.traceparent.as_deref())
    }
}

fn wire_result(result: rules::SetResult) -> SetResult {
    let status = match result.status {
        Status::Computed => SetStatus::Computed,
        Status::Unavailable => SetStatus::Unavailable,
        Status::Failed => SetStatus::Failed,
    };
    let values: BTreeMap<String, f64> =
        result.values.into_iter().map(|(name, value)| (name.into_owned(), value)).collect();
    let reason = result.reason.map(|reason| cut(&reason, TEXT_BYTES_MAX).to_owned());
    SetResult { status, reason, values }
}
