//! Admission: what becomes of a request when it comes.

use contracts::{BackfillErrorClass, EncodeError, RangeRequest};
use domain::{DataType, Interval, Layer, Priority, Symbol, Timeframe, Timestamp};
use kafka_io::{InRecord, OutRecord, UNWRITABLE};
use pipeline::{Now, Reason, RecordId, Verdict};
use uuid::Uuid;

use super::ExecutorStage;
use super::answer::Failing;
use super::ending::{Request, Tally};
use crate::rules::answered::{Admission, Attempt, Identity};

/// The same attempt is being worked on: its end answers this request too.
const REPEATED: Reason = Reason("repeated");

impl ExecutorStage {
    /// Judges a request record: a dead letter, dropped as repeated, ended at once (a duplicate, or nothing of it has a source), or held.
    ///
    /// A duplicate ends in a failure: only that event has a class for it, and it serves nothing itself. Its error names the attempt that
    /// fetched the same.
    pub(super) fn admit(
        &mut self,
        id: RecordId,
        record: &InRecord<'_>,
        now: Now,
    ) -> Result<Verdict<OutRecord>, String> {
        let wall = Timestamp::from_micros(now.wall_micros);
        let event: RangeRequest = match self.wire.read(record, wall) {
            Ok(event) => event,
            Err(refused) => return Ok(refused.into()),
        };
        let mut request =
            self.request(id, event, record, now).map_err(|text| format!("{record:?}: {text}"))?;
        let partition = id.input.partition;
        match self.answered.admit(partition, request.identity, request.attempt, wall) {
            Admission::Repeated => return Ok(Verdict::Drop(REPEATED)),
            Admission::Duplicate { attempt, first } => {
                request.attempt = attempt;
                let failure = self.failure(&request, duplicate_of(first));
                return Ok(self.at_once(record, failure));
            }
            Admission::Work(attempt) => request.attempt = attempt,
        }
        if request.served.is_empty() {
            let failure = self.terminal(&request, now);
            return Ok(self.at_once(record, failure));
        }
        self.requests.insert(id, request);
        self.gate.wait(id);
        Ok(Verdict::Hold)
    }

    /// Ends a request with this failure, or in a dead letter when it can't be written, which is so of no valid request.
    fn at_once(&self, record: &InRecord<'_>, failure: Result<OutRecord, EncodeError>) -> Verdict<OutRecord> {
        failure.map_or_else(
            |fault| Verdict::Reject(self.wire.dead_letter(record, UNWRITABLE, &fault.to_string())),
            |failure| Verdict::Emit(vec![failure]),
        )
    }

    /// The contract has checked the values; an error here is a fault of this build.
    fn request(
        &self,
        id: RecordId,
        event: RangeRequest,
        record: &InRecord<'_>,
        now: Now,
    ) -> Result<Request, String> {
        let symbol = Symbol::parse(&event.symbol).map_err(|fault| fault.to_string())?;
        let layer = Layer::from_number(event.layer).map_err(|fault| fault.to_string())?;
        let priority = Priority::new(event.priority).map_err(|fault| fault.to_string())?;
        let (start, last) = (Timestamp::from_micros(event.start), Timestamp::from_micros(event.end));
        let range = Interval::from_inclusive(start, last).map_err(|fault| fault.to_string())?;
        let backfill_id = Uuid::try_parse(&event.backfill_id).map_err(|fault| fault.to_string())?.as_u128();
        let data_types: Vec<DataType> = event.data_types.iter().filter_map(|kind| kind.known()).collect();
        let mut tally = Tally::default();
        let mut served = Vec::new();
        for data_type in &data_types {
            let timeframes = self.served(layer, *data_type, &mut tally);
            if !timeframes.is_empty() {
                served.push((*data_type, timeframes));
            }
        }
        Ok(Request {
            id,
            symbol,
            range,
            priority,
            identity: Identity::new(symbol, layer, &data_types, range),
            attempt: Attempt { backfill_id, number: event.attempt },
            served,
            traceparent: record.traceparent.map(str::to_owned),
            received_at: now.wall_micros,
            tally,
            event,
        })
    }

    /// The timeframes of a kind of data that the source serves; what it doesn't goes among the errors.
    fn served(&self, layer: Layer, data_type: DataType, tally: &mut Tally) -> Vec<Option<Timeframe>> {
        let serves = |timeframe: &Option<Timeframe>| {
            // A source gives bars, and nothing else yet: what has no timeframe has no source.
            timeframe.is_some_and(|timeframe| self.source.serves(data_type, timeframe))
        };
        let wanted: Vec<_> = self.settings.timeframes.of(layer, data_type).collect();
        let (served, unserved): (Vec<_>, Vec<_>) = wanted.iter().copied().partition(serves);
        if wanted.is_empty() {
            tally.error(&format!("{data_type}: no timeframe of layer {layer} is filled here"));
        }
        for timeframe in unserved {
            let timeframe = timeframe.map(|timeframe| format!(" {timeframe}")).unwrap_or_default();
            tally.error(&format!("{data_type}{timeframe}: no source serves it"));
        }
        served
    }
}

fn duplicate_of(first: Attempt) -> Failing {
    let id = Uuid::from_u128(first.backfill_id);
    Failing {
        class: BackfillErrorClass::Duplicate,
        is_retryable: false,
        error: format!("attempt {} of backfill {id} has fetched the same a short while ago", first.number),
    }
}
