//! Admission of a request: decoding, expiry and deduplication, before it is queued.

use std::collections::BTreeMap;

use contracts::{EncodeError, FeatureRequest, RequestErrorClass};
use domain::{Symbol, Timeframe, Timestamp};
use kafka_io::{InRecord, OutRecord, UNWRITABLE};
use kit::ErrorChain;
use pipeline::{Effects, Now, RecordId, Verdict};

use super::result_events::FailureCause;
use super::{Admitted, FeatureStage, lane_of};
use crate::intake::{DedupKey, Occurrence, request_bytes};

impl FeatureStage {
    /// Processes a request record: rejects it, ends it at once (if it is expired, or if all its symbols are duplicates), or queues it.
    pub(super) fn admit(&mut self, id: RecordId, record: &InRecord<'_>, now: Now) -> Verdict<OutRecord> {
        let request: FeatureRequest = match self.wire.read(record, Timestamp::from_micros(now.wall_micros)) {
            Ok(request) => request,
            Err(failure) => return failure.into(),
        };
        // The contract has validated the names; if one cannot be parsed, this build has a bug.
        let Some(timeframe) = Timeframe::from_name(&request.timeframe) else {
            return Verdict::Fail(format!(
                "invalid timeframe {} passed validation: {record:?}",
                request.timeframe
            ));
        };
        let mut admitted = Admitted {
            id,
            lane: lane_of(id.input.topic),
            traceparent: record.traceparent.map(str::to_owned),
            appended_micros: record.appended_at_micros(),
            to_compute: Vec::with_capacity(request.symbols.len()),
            failures: Vec::new(),
            attempts: 0,
            timeframe,
            request,
        };
        if self.is_expired(&admitted, now) {
            let symbols = symbol_names(&admitted.request);
            return match self.failure(&admitted, &symbols, self.expired(), now) {
                Ok(failure) => Verdict::Emit(vec![failure]),
                Err(error) => self.reject_unwritable(record, &error),
            };
        }
        if let Err(verdict) = self.split_duplicates(&mut admitted, record, now) {
            return verdict;
        }
        if admitted.to_compute.is_empty() {
            return Verdict::Emit(admitted.failures);
        }
        let needs = self.progress.needs(id.input.partition);
        let priority = u8::try_from(admitted.request.priority).unwrap_or(u8::MIN);
        let failures: usize = admitted.failures.iter().map(|failure| 2 * failure.size_bytes()).sum();
        let bytes = request_bytes(&admitted.request) + failures;
        self.queue.push(admitted.lane, needs, priority, (admitted, bytes));
        Verdict::Hold
    }

    /// Divides the symbols into those to compute and the duplicates of earlier requests. The latter end in a failure.
    fn split_duplicates(
        &mut self,
        admitted: &mut Admitted,
        record: &InRecord<'_>,
        now: Now,
    ) -> Result<(), Verdict<OutRecord>> {
        let (timeframe, sets) = (admitted.timeframe, admitted.request.sets());
        let priority = u8::try_from(admitted.request.priority).unwrap_or(u8::MIN);
        let mut duplicates: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for requested in &admitted.request.symbols {
            let Ok(symbol) = Symbol::parse(&requested.symbol) else {
                let text = format!("invalid symbol {} passed validation: {record:?}", requested.symbol);
                return Err(Verdict::Fail(text));
            };
            let occurred_at = Timestamp::from_micros(requested.occurred_at);
            let key = DedupKey { symbol, timeframe, sets, occurred_at };
            match self.dedup_window.record(key, priority, &admitted.request.request_id, now.monotonic) {
                Occurrence::New => admitted.to_compute.push((symbol, occurred_at)),
                Occurrence::Duplicate { earlier_request_id } => {
                    duplicates.entry(earlier_request_id).or_default().push(requested.symbol.clone());
                }
            }
        }
        for (earlier, symbols) in duplicates {
            let cause = FailureCause {
                class: RequestErrorClass::Duplicate,
                error: format!("duplicate of request {earlier}: same symbols, timeframe, sets and time"),
                attempts: 0,
                earlier_request_id: Some(earlier),
            };
            let failure = self.failure(admitted, &symbols, cause, now);
            admitted.failures.push(failure.map_err(|error| self.reject_unwritable(record, &error))?);
        }
        Ok(())
    }

    /// Dead-letters a request whose failure cannot be written. No valid request has such a failure.
    fn reject_unwritable(&self, record: &InRecord<'_>, error: &EncodeError) -> Verdict<OutRecord> {
        Verdict::Reject(self.wire.dead_letter(record, UNWRITABLE, &ErrorChain(error).to_string()))
    }

    fn expired(&self) -> FailureCause {
        FailureCause {
            class: RequestErrorClass::Expired,
            error: format!("request expired: older than {} s", self.limits.request_ttl.as_secs()),
            attempts: 0,
            earlier_request_id: None,
        }
    }

    /// Resolves a queued request that has expired.
    pub(super) fn expire(&self, mut admitted: Admitted, now: Now, effects: &mut Effects<OutRecord>) {
        let symbols: Vec<String> = admitted.to_compute.iter().map(|(symbol, _)| symbol.to_string()).collect();
        let mut outputs = std::mem::take(&mut admitted.failures);
        let failure = self.failure(&admitted, &symbols, self.expired(), now);
        let written = failure.map(|failure| {
            outputs.push(failure);
            outputs
        });
        effects.push(self.emit_or_reject(&admitted, written, false));
    }
}

fn symbol_names(request: &FeatureRequest) -> Vec<String> {
    request.symbols.iter().map(|requested| requested.symbol.clone()).collect()
}
