//! Admission: the verdict on a request record.

use contracts::{BackfillErrorClass, EncodeError, RangeRequest};
use domain::{
    DataType, Interval, IntervalError, Layer, LayerError, Priority, PriorityError, Symbol, SymbolError,
    Timeframe, Timestamp,
};
use kafka_io::{InRecord, OutRecord, UNWRITABLE};
use pipeline::{Effects, Now, Reason, RecordId, Verdict};
use uuid::Uuid;

use super::ExecutorStage;
use super::request::{FailureReason, Request, Shortfall, Tally, name_of};
use crate::range_counts::RangeOutcome;
use crate::rules::attempts::{Admission, Attempt, Identity};

/// The drop reason of a request for a running attempt: the terminal event of that attempt ends this request as well.
const REPEATED: Reason = Reason("repeated");

/// A field that the contract has validated, but that the domain rejects: an error of this build.
#[derive(Debug, thiserror::Error)]
enum RequestError {
    #[error(transparent)]
    Symbol(#[from] SymbolError),
    #[error(transparent)]
    Layer(#[from] LayerError),
    #[error(transparent)]
    Priority(#[from] PriorityError),
    #[error(transparent)]
    Range(#[from] IntervalError),
    #[error("invalid backfill_id: {0}")]
    BackfillId(#[from] uuid::Error),
}

impl ExecutorStage {
    /// Returns the verdict on a request: dead letter, dropped as repeated, ended at once (a duplicate, or no series with a source), or
    /// held. A request with `cancel` ends others.
    ///
    /// A duplicate ends in a failure: only that event has a class for it, and a duplicate serves nothing itself. Its error names the
    /// attempt that fetched the range.
    pub(super) fn admit(
        &mut self,
        id: RecordId,
        record: &InRecord<'_>,
        now: Now,
        effects: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        let wall = Timestamp::from_micros(now.wall_micros);
        let event: RangeRequest = match self.wire.read(record, wall) {
            Ok(event) => event,
            Err(failure) => return failure.into(),
        };
        self.keeping.received(id.input.partition, &event.backfill_id, event.attempt);
        if event.cancel {
            return self.cancel(id, &event, now, effects);
        }
        let mut request = match self.request(id, event, record, now) {
            Ok(request) => request,
            Err(error) => return Verdict::Fail(format!("failed to decode {record:?}: {error}")),
        };
        let partition = id.input.partition;
        match self.attempts.admit(partition, request.identity, request.attempt, wall) {
            Admission::Repeated => return Verdict::Drop(REPEATED),
            Admission::Duplicate { attempt, first } => {
                request.attempt = attempt;
                let failure = self.events.failure(&request, duplicate_of(first));
                if failure.is_ok() {
                    self.counts.count(RangeOutcome::Failed(BackfillErrorClass::Duplicate));
                }
                return self.end_at_once(record, &request, failure, now);
            }
            Admission::Started(attempt) => request.attempt = attempt,
        }
        if request.served.is_empty() {
            let terminal = self.terminal_event(&request, now);
            return self.end_at_once(record, &request, terminal, now);
        }
        self.requests.insert(id, request);
        self.table.gate.add(id);
        Verdict::Hold
    }

    /// Ends a request with this event, or in a dead letter if the event is too large, which does not happen for a valid request.
    fn end_at_once(
        &mut self,
        record: &InRecord<'_>,
        request: &Request,
        terminal: Result<OutRecord, EncodeError>,
        now: Now,
    ) -> Verdict<OutRecord> {
        match terminal {
            Ok(output) => {
                let mut outputs = self.ended(request, output, now);
                outputs.extend(self.want(request, now.wall_micros));
                Verdict::Emit(outputs)
            }
            Err(error) => Verdict::Reject(self.wire.dead_letter(record, UNWRITABLE, &error.to_string())),
        }
    }

    fn request(
        &self,
        id: RecordId,
        event: RangeRequest,
        record: &InRecord<'_>,
        now: Now,
    ) -> Result<Request, RequestError> {
        let symbol = Symbol::parse(&event.symbol)?;
        let layer = Layer::from_number(event.layer)?;
        let priority = Priority::new(event.priority)?;
        let (start, last) = (Timestamp::from_micros(event.start), Timestamp::from_micros(event.end));
        let range = Interval::from_inclusive(start, last)?;
        let backfill_id = Uuid::try_parse(&event.backfill_id)?.as_u128();
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
            identity: Identity::new(symbol, layer, &data_types, range).refetched(event.refetch),
            attempt: Attempt { backfill_id, number: event.attempt },
            served,
            traceparent: record.traceparent.map(str::to_owned),
            received_at: now.wall_micros,
            tally,
            event,
        })
    }

    /// Returns the series of a data type that the source serves, and adds an error for each of the others.
    fn served(&self, layer: Layer, data_type: DataType, tally: &mut Tally) -> Vec<Option<Timeframe>> {
        let serves = |timeframe: &Option<Timeframe>| self.source.serves(data_type, *timeframe);
        let requested: Vec<_> = self.settings.timeframes.of(layer, data_type).collect();
        let (served, unserved): (Vec<_>, Vec<_>) = requested.iter().copied().partition(serves);
        if requested.is_empty() {
            let text = format!("{data_type}: no timeframe of layer {layer} is enabled");
            tally.add_error(&text, Shortfall::NoSource);
        }
        for timeframe in unserved {
            let name = name_of((data_type, timeframe));
            tally.add_error(&format!("{name}: no source serves it"), Shortfall::NoSource);
        }
        served
    }
}

fn duplicate_of(first: Attempt) -> FailureReason {
    let id = Uuid::from_u128(first.backfill_id);
    FailureReason {
        class: BackfillErrorClass::Duplicate,
        is_retryable: false,
        error: format!(
            "duplicate request: attempt {} of backfill {id} fetched the same within the dedup window",
            first.number
        ),
    }
}
