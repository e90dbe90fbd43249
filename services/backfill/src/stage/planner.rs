//! Planner stage: decodes a fact, plans it, and emits a request for a range or drops it.
//!
//! The stage has no state. The id of a backfill is derived from the content of the request, so a redelivered fact names the same
//! backfill.

use contracts::{BackfillTrigger, DataKind, Event, Gap, Promotion, Qualification, RangeRequest, Topic, ids};
use domain::{Layer, LayerError, Priority, PriorityError, Symbol, SymbolError, Timestamp};
use kafka_io::{InRecord, KafkaStage, OutRecord, UNWRITABLE, Wire};
use pipeline::{Effects, Now, Reason, RecordId, Stage, Verdict};

use super::event_source::EVENT_SOURCE;
use crate::rules::planner::{Fact, NoPlan, Planner, RangePlan, Trigger};

/// The input topics in the order of subscription: `InputPartition::topic` is an index into it.
pub const INPUTS: [Topic; 3] = [Topic::SymbolQualified, Topic::SymbolPromoted, Topic::GapDetected];

/// The error class of a fact whose request is invalid: a gap that ends in the future or spans more than ten years.
pub const INVALID: &str = "invalid";

/// A decoded fact with the fields that its request inherits.
struct DecodedFact {
    symbol: Symbol,
    fact: Fact,
    occurred_at: i64,
    correlation_id: String,
}

/// A field that the contract has validated, but that the domain rejects: an error of this build.
#[derive(Debug, thiserror::Error)]
enum FactError {
    #[error(transparent)]
    Symbol(#[from] SymbolError),
    #[error(transparent)]
    Layer(#[from] LayerError),
    #[error(transparent)]
    Priority(#[from] PriorityError),
    #[error("unknown data type {0}")]
    DataType(DataKind),
}

/// The planner stage.
pub struct PlannerStage {
    wire: Wire,
    planner: Planner,
}

impl PlannerStage {
    /// Returns a stage with these rules.
    #[must_use]
    pub fn new(wire: Wire, planner: Planner) -> Self {
        Self { wire, planner }
    }

    /// Decodes the fact in a record of an input topic. The error is the verdict on a record without one.
    fn decode(
        &self,
        topic: u16,
        record: &InRecord<'_>,
        now: Timestamp,
    ) -> Result<DecodedFact, Verdict<OutRecord>> {
        let decoded = match INPUTS.get(usize::from(topic)) {
            Some(Topic::SymbolQualified) => {
                let event: Qualification = self.wire.read(record, now)?;
                decoded(&event, |occurred_at| {
                    Ok(Fact::Qualified { layer: Layer::from_number(event.layer)?, occurred_at })
                })
            }
            Some(Topic::SymbolPromoted) => {
                let event: Promotion = self.wire.read(record, now)?;
                decoded(&event, |occurred_at| {
                    Ok(Fact::Promoted { to: Layer::from_number(event.to_layer)?, occurred_at })
                })
            }
            Some(Topic::GapDetected) => {
                let event: Gap = self.wire.read(record, now)?;
                decoded(&event, |_| gap(&event))
            }
            _ => {
                let text =
                    format!("failed to decode {record:?}: topic {topic} is not an input of the planner");
                return Err(Verdict::Fail(text));
            }
        };
        decoded.map_err(|error| Verdict::Fail(format!("failed to decode {record:?}: {error}")))
    }

    fn plan(
        &self,
        topic: u16,
        record: &InRecord<'_>,
        now: Now,
    ) -> Result<Verdict<OutRecord>, Verdict<OutRecord>> {
        let wall = Timestamp::from_micros(now.wall_micros);
        let decoded = self.decode(topic, record, wall)?;
        let plan = match self.planner.plan(decoded.symbol, decoded.fact) {
            Ok(plan) => plan,
            Err(no_plan) => return Ok(Verdict::Drop(reason(no_plan))),
        };
        let request = request(plan, decoded);
        if let Err(violation) = request.validate().and_then(|()| request.check_clock(wall)) {
            return Ok(Verdict::Reject(self.wire.dead_letter(record, INVALID, &violation.to_string())));
        }
        let output = self.wire.write(&request, record.traceparent);
        Ok(output.map_or_else(
            |error| Verdict::Reject(self.wire.dead_letter(record, UNWRITABLE, &error.to_string())),
            |output| Verdict::Emit(vec![output]),
        ))
    }
}

fn decoded<E: Event>(
    event: &E,
    fact: impl FnOnce(Timestamp) -> Result<Fact, FactError>,
) -> Result<DecodedFact, FactError> {
    let envelope = event.envelope();
    let symbol = Symbol::parse(event.symbol())?;
    let fact = fact(Timestamp::from_micros(envelope.occurred_at))?;
    let correlation_id = envelope.correlation_id.unwrap_or(envelope.event_id).to_owned();
    Ok(DecodedFact { symbol, fact, occurred_at: envelope.occurred_at, correlation_id })
}

fn gap(event: &Gap) -> Result<Fact, FactError> {
    Ok(Fact::Gap {
        data_type: event.data_type.known().ok_or(FactError::DataType(event.data_type))?,
        start: Timestamp::from_micros(event.gap_start),
        last: Timestamp::from_micros(event.gap_end),
        priority: Priority::new(event.priority)?,
    })
}

fn reason(no_plan: NoPlan) -> Reason {
    match no_plan {
        NoPlan::GapTooShort => Reason("gap_too_short"),
        NoPlan::NothingConfigured => Reason("nothing_configured"),
        NoPlan::NoRange => Reason("no_range"),
    }
}

fn request(plan: RangePlan, cause: DecodedFact) -> RangeRequest {
    let (start, end) = (plan.range.start(), plan.range.last());
    let trigger = match plan.trigger {
        Trigger::Qualified => BackfillTrigger::Qualified,
        Trigger::Promoted => BackfillTrigger::Promoted,
        Trigger::Gap => BackfillTrigger::Gap,
        Trigger::Manual => BackfillTrigger::Manual,
    };
    RangeRequest {
        event_id: ids::event_id(),
        occurred_at: cause.occurred_at,
        source: EVENT_SOURCE.to_owned(),
        correlation_id: Some(cause.correlation_id),
        backfill_id: ids::backfill_id(
            plan.symbol,
            plan.layer,
            &plan.data_types,
            (start, end),
            trigger,
            false,
        ),
        attempt: 1,
        symbol: plan.symbol.to_string(),
        layer: plan.layer.number(),
        data_types: plan.data_types.into_iter().map(DataKind::from).collect(),
        start: start.micros(),
        end: end.micros(),
        priority: i32::from(plan.priority.get()),
        trigger,
        refetch: false,
        cancel: false,
    }
}

impl Stage for PlannerStage {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = ();

    fn process(
        &mut self,
        id: RecordId,
        record: InRecord<'_>,
        now: Now,
        _effects: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        self.plan(id.input.topic, &record, now).unwrap_or_else(|verdict| verdict)
    }

    fn completed(&mut self, (): (), _now: Now, _effects: &mut Effects<OutRecord>) {}
}

impl KafkaStage for PlannerStage {}

#[cfg(test)]
mod tests;
