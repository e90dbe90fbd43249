//! The events in which a request ends.

use std::collections::BTreeMap;

use contracts::{EncodeFault, RequestErrorClass, RequestFailure, SetResult, SetStatus, Vector, ids};
use kafka_io::OutRecord;
use pipeline::Now;

use super::{Admitted, FeatureStage};
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
    /// Everything that a request ends in: its vectors, or one failure for all that was to compute, and its earlier failures.
    pub(super) fn outputs(
        &self,
        mut admitted: Admitted,
        answers: Result<Vec<Answer>, String>,
        now: Now,
    ) -> Vec<OutRecord> {
        let mut outputs = std::mem::take(&mut admitted.failures);
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
                    match self.vector(&admitted, answer) {
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
            match self.failure(&admitted, &[symbol], failing, now) {
                Ok(record) => outputs.push(record),
                Err(text) => tracing::error!(error = text, "a failed request couldn't be ended"),
            }
        }
        outputs
    }

    fn vector(&self, admitted: &Admitted, answer: Answer) -> Result<OutRecord, EncodeFault> {
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
    ) -> Result<OutRecord, String> {
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
            error: failing.error,
            attempts: i32::try_from(failing.attempts).unwrap_or(i32::MAX),
            earlier_request_id: failing.earlier_request_id,
        };
        self.wire.write(&failure, admitted.traceparent.as_deref()).map_err(|fault| fault.to_string())
    }
}

fn wire_result(result: rules::SetResult) -> SetResult {
    let status = match result.status {
        Status::Computed => SetStatus::Computed,
        Status::Unavailable => SetStatus::Unavailable,
        Status::Failed => SetStatus::Failed,
    };
    let values: BTreeMap<String, f64> = result.values.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
    SetResult { status, reason: result.reason, values }
}
