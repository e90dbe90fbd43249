//! Admission: what a request must be before it may wait.

use std::collections::BTreeMap;

use contracts::{EncodeError, FeatureRequest, RequestErrorClass};
use domain::{Symbol, Timeframe, Timestamp};
use kafka_io::{InRecord, OutRecord, UNWRITABLE};
use pipeline::{Effects, Now, RecordId, Verdict};

use super::answer::Failing;
use super::{Admitted, FeatureStage, lane_of};
use crate::intake::{Asked, Key, Table};

impl FeatureStage {
    /// Judges a request record: a dead letter, ended at once (expired, or a duplicate in all its symbols), or waiting.
    pub(super) fn admit(&mut self, id: RecordId, record: &InRecord<'_>, now: Now) -> Verdict<OutRecord> {
        let request: FeatureRequest = match self.wire.read(record, Timestamp::from_micros(now.wall_micros)) {
            Ok(request) => request,
            Err(refused) => return refused.into(),
        };
        // The contract has checked the names; a failure to parse them again would be a fault of this build.
        let Some(timeframe) = Timeframe::from_name(&request.timeframe) else {
            return Verdict::Fail(format!("{record:?}: timeframe {} passed validation", request.timeframe));
        };
        let mut admitted = Admitted {
            id,
            lane: lane_of(id.input.topic),
            traceparent: record.traceparent.map(str::to_owned),
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
                Err(fault) => self.unwritable(record, &fault),
            };
        }
        if let Err(verdict) = self.split_duplicates(&mut admitted, record, now) {
            return verdict;
        }
        if admitted.to_compute.is_empty() {
            return Verdict::Emit(admitted.failures);
        }
        let partition = id.input.partition;
        let share = (Table::Share(partition), self.table_ends.get(&partition).copied().unwrap_or(0));
        let needs = self.benchmarks.needs().chain([share]).collect();
        let priority = u8::try_from(admitted.request.priority).unwrap_or(u8::MIN);
        self.queue.push(admitted.lane, needs, priority, admitted);
        Verdict::Hold
    }

    /// Sorts the symbols into those to compute and those that an earlier request answers; the latter get their failure.
    fn split_duplicates(
        &mut self,
        admitted: &mut Admitted,
        record: &InRecord<'_>,
        now: Now,
    ) -> Result<(), Verdict<OutRecord>> {
        let (timeframe, sets) = (admitted.timeframe, admitted.request.sets());
        let priority = u8::try_from(admitted.request.priority).unwrap_or(u8::MIN);
        let mut duplicates: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for asked in &admitted.request.symbols {
            let Ok(symbol) = Symbol::parse(&asked.symbol) else {
                let text = format!("{record:?}: symbol {} passed validation", asked.symbol);
                return Err(Verdict::Fail(text));
            };
            let occurred_at = Timestamp::from_micros(asked.occurred_at);
            let key = Key { symbol, timeframe, sets, occurred_at };
            match self.recent.ask(key, priority, &admitted.request.request_id, now.monotonic) {
                Asked::New => admitted.to_compute.push((symbol, occurred_at)),
                Asked::Before { request_id } => {
                    duplicates.entry(request_id).or_default().push(asked.symbol.clone());
                }
            }
        }
        for (earlier, symbols) in duplicates {
            let failing = Failing {
                class: RequestErrorClass::Duplicate,
                error: format!("request {earlier} asks for the same symbols, timeframe, sets and time"),
                attempts: 0,
                earlier_request_id: Some(earlier),
            };
            let failure = self.failure(admitted, &symbols, failing, now);
            admitted.failures.push(failure.map_err(|fault| self.unwritable(record, &fault))?);
        }
        Ok(())
    }

    /// Ends a request in a dead letter because its failure can't be written, which is so of no valid request.
    fn unwritable(&self, record: &InRecord<'_>, fault: &EncodeError) -> Verdict<OutRecord> {
        Verdict::Reject(self.wire.dead_letter(record, UNWRITABLE, &fault.to_string()))
    }

    fn expired(&self) -> Failing {
        Failing {
            class: RequestErrorClass::Expired,
            error: format!("older than {} s", self.limits.request_ttl.as_secs()),
            attempts: 0,
            earlier_request_id: None,
        }
    }

    /// Ends a waiting request whose time is over.
    pub(super) fn expire(&self, mut admitted: Admitted, now: Now, effects: &mut Effects<OutRecord>) {
        let symbols: Vec<String> = admitted.to_compute.iter().map(|(symbol, _)| symbol.to_string()).collect();
        let mut outputs = std::mem::take(&mut admitted.failures);
        let failure = self.failure(&admitted, &symbols, self.expired(), now);
        let written = failure.map(|failure| {
            outputs.push(failure);
            outputs
        });
        effects.push(self.ended(&admitted, written, false));
    }
}

fn symbol_names(request: &FeatureRequest) -> Vec<String> {
    request.symbols.iter().map(|asked| asked.symbol.clone()).collect()
}
