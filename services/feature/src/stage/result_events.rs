//! Result events of a request: vectors and failures.

use std::collections::BTreeMap;

use contracts::bounds::{TEXT_BYTES_MAX, cut};
use contracts::{EncodeError, RequestErrorClass, RequestFailure, SetStatus, Topic, Vector, ids};
use kafka_io::OutRecord;
use kit::{ErrorChain, SaturatingFrom};
use pipeline::{Effect, Effects, Now};

use super::resolved::Resolved;
use super::{Admitted, FeatureStage, INPUTS};
use crate::intake::Lane;
use crate::rules::{self, Status};
use crate::set_counts::SetTally;
use crate::worker::{JobError, SymbolResult};

/// The `source` field of vectors and failures.
const SOURCE: &str = "feature";

/// The reason why symbols have no vector.
pub(super) struct FailureCause {
    pub(super) class: RequestErrorClass,
    pub(super) error: String,
    pub(super) attempts: u32,
    pub(super) earlier_request_id: Option<String>,
}

impl FeatureStage {
    /// Resolves a request which was computed, or whose last attempt failed.
    pub(super) fn resolve(
        &self,
        mut admitted: Admitted,
        result: Result<Vec<SymbolResult>, JobError>,
        now: Now,
    ) -> Resolved {
        let urgent = admitted.lane == Lane::Urgent;
        let earlier = std::mem::take(&mut admitted.failures);
        let written = self.outputs(&admitted, earlier, result, now);
        let effect = self.emit_or_reject(&admitted, written, urgent);
        Resolved { effect, appended_micros: admitted.appended_micros }
    }

    /// Emits the outputs of a request whose turn it is, and records the latency of its vectors.
    pub(super) fn release(&self, resolved: Resolved, now: Now, effects: &mut Effects<OutRecord>) {
        if let Effect::Emit { outputs, urgent, .. } = &resolved.effect {
            for _ in outputs.iter().filter(|output| output.topic == Topic::VectorComputed) {
                self.latency.record(resolved.appended_micros, now.wall_micros, *urgent);
            }
        }
        effects.push(resolved.effect);
    }

    /// Returns the effect that emits the outputs of a request. If one of them cannot be written, none is emitted and the request is
    /// dead-lettered. The record's bytes are no longer available then: the dead letter names the offset in the input topic.
    pub(super) fn emit_or_reject(
        &self,
        admitted: &Admitted,
        written: Result<Vec<OutRecord>, EncodeError>,
        urgent: bool,
    ) -> Effect<OutRecord> {
        let id = admitted.id;
        let error = match written {
            Ok(outputs) => return Effect::Emit { ids: vec![id], outputs, urgent },
            Err(error) => error,
        };
        self.wire.reject_unwritable(INPUTS[usize::from(admitted.lane == Lane::Urgent)], id, &error)
    }

    /// Returns all events of a request: the earlier failures, and a vector or a failure for each symbol to compute.
    fn outputs(
        &self,
        admitted: &Admitted,
        mut outputs: Vec<OutRecord>,
        result: Result<Vec<SymbolResult>, JobError>,
        now: Now,
    ) -> Result<Vec<OutRecord>, EncodeError> {
        let exhausted = |error: &dyn std::error::Error| FailureCause {
            class: RequestErrorClass::Exhausted,
            error: ErrorChain(error).to_string(),
            attempts: admitted.attempts,
            earlier_request_id: None,
        };
        let mut failed: Vec<(String, FailureCause)> = Vec::new();
        match result {
            Ok(symbols) => {
                for result in symbols {
                    let (symbol, tally) = (result.symbol.to_string(), SetTally::of(&result.sets));
                    match self.vector(admitted, result) {
                        Ok(record) => {
                            self.counts.add(&tally);
                            outputs.push(record);
                        }
                        // The vector exceeds the maximum of a record: the symbol ends in a failure.
                        Err(error) => failed.push((symbol, exhausted(&error))),
                    }
                }
            }
            Err(error) => {
                let symbols = admitted.to_compute.iter();
                failed.extend(symbols.map(|(symbol, _)| (symbol.to_string(), exhausted(&error))));
            }
        }
        for (symbol, cause) in failed {
            outputs.push(self.failure(admitted, &[symbol], cause, now)?);
        }
        Ok(outputs)
    }

    fn vector(&self, admitted: &Admitted, result: SymbolResult) -> Result<OutRecord, EncodeError> {
        let request = &admitted.request;
        let name = result.symbol.to_string();
        let requested = request.symbols.iter().find(|requested| requested.symbol == name);
        let occurred_at = requested.map_or(request.occurred_at, |requested| requested.occurred_at);
        let vector = Vector {
            event_id: ids::event_id(),
            occurred_at,
            source: SOURCE.to_owned(),
            correlation_id: request.correlation_id.clone(),
            request_id: request.request_id.clone(),
            symbol: name,
            timeframe: request.timeframe.clone(),
            // Without bars there is no open time; the requested time is the only correct value.
            as_of: result.as_of.map_or(occurred_at, |as_of| as_of.micros()),
            bars_held: i32::saturating_from(result.bars_held),
            priority: request.priority,
            sets: result.sets.into_iter().map(|(set, r)| (set.as_str().to_owned(), wire_result(r))).collect(),
            computation_micros: result.computation_micros,
        };
        self.wire.write(&vector, admitted.traceparent.as_deref())
    }

    /// Writes the failure of these symbols of a request. They are sorted, as those of the request are.
    pub(super) fn failure(
        &self,
        admitted: &Admitted,
        symbols: &[String],
        cause: FailureCause,
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
            error_class: cause.class,
            error: cut(&cause.error, TEXT_BYTES_MAX).to_owned(),
            attempts: i32::saturating_from(cause.attempts),
            earlier_request_id: cause.earlier_request_id,
        };
        self.wire.write(&failure, admitted.traceparent.as_deref())
    }
}

fn wire_result(result: rules::SetResult) -> contracts::SetResult {
    let status = match result.status {
        Status::Computed => SetStatus::Computed,
        Status::Unavailable => SetStatus::Unavailable,
        Status::Failed => SetStatus::Failed,
    };
    let values: BTreeMap<String, f64> =
        result.values.into_iter().map(|(name, value)| (name.into_owned(), value)).collect();
    let reason = result.reason.map(|reason| cut(&reason, TEXT_BYTES_MAX).to_owned());
    contracts::SetResult { status, reason, values }
}
