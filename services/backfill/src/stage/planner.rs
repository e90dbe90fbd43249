//! The planner as a stage: a fact is decoded, planned, and leaves as a request for a range, or needs none.
//!
//! It keeps no state. The request's id is made of what it asks for, so a fact that is delivered twice names the same backfill.

use std::time::Duration;

use contracts::{BackfillTrigger, DataKind, Event, Gap, Promotion, Qualification, RangeRequest, Topic, ids};
use domain::{Layer, Priority, Symbol, Timestamp};
use kafka_io::{InRecord, KafkaStage, OutRecord, UNWRITABLE, Wire};
use pipeline::{Effects, Epoch, InputPartition, Now, Reason, RecordId, Stage, Verdict};

use super::SOURCE;
use crate::rules::planner::{Fact, NoPlan, Planner, RangePlan, Trigger};

/// The input topics, in the order of subscription: a source's `topic` is an index into it.
pub const INPUTS: [Topic; 3] = [Topic::SymbolQualified, Topic::SymbolPromoted, Topic::GapDetected];

/// The class of a fact whose request would break a rule: a gap that ends in the future, or of more than ten years.
pub const INVALID: &str = "invalid";

/// A fact, and what its request inherits.
struct Caused {
    symbol: Symbol,
    fact: Fact,
    occurred_at: i64,
    correlation_id: String,
}

/// The stage.
pub struct PlannerStage {
    wire: Wire,
    planner: Planner,
}

impl PlannerStage {
    /// A stage that plans by this configuration.
    #[must_use]
    pub fn new(wire: Wire, planner: Planner) -> Self {
        Self { wire, planner }
    }

    /// The fact in a record of an input topic, or the verdict on what is none.
    fn fact(&self, topic: u16, record: &InRecord<'_>, now: Timestamp) -> Result<Caused, Verdict<OutRecord>> {
        match INPUTS.get(usize::from(topic)) {
            Some(Topic::SymbolQualified) => {
                let event: Qualification = self.wire.read(record, now)?;
                caused(&event, record, |occurred_at| {
                    let layer = Layer::from_number(event.layer).map_err(|fault| fault.to_string())?;
                    Ok(Fact::Qualified { layer, occurred_at })
                })
            }
            Some(Topic::SymbolPromoted) => {
                let event: Promotion = self.wire.read(record, now)?;
                caused(&event, record, |occurred_at| {
                    let to = Layer::from_number(event.to_layer).map_err(|fault| fault.to_string())?;
                    Ok(Fact::Promoted { to, occurred_at })
                })
            }
            Some(Topic::GapDetected) => {
                let event: Gap = self.wire.read(record, now)?;
                caused(&event, record, |_| gap(&event))
            }
            _ => Err(Verdict::Fail(format!("{record:?}: topic {topic} is none of the planner's"))),
        }
    }

    fn plan(
        &self,
        topic: u16,
        record: &InRecord<'_>,
        now: Now,
    ) -> Result<Verdict<OutRecord>, Verdict<OutRecord>> {
        let wall = Timestamp::from_micros(now.wall_micros);
        let caused = self.fact(topic, record, wall)?;
        let plan = match self.planner.plan(caused.symbol, caused.fact) {
            Ok(plan) => plan,
            Err(why) => return Ok(Verdict::Drop(reason(why))),
        };
        let request = request(plan, caused);
        if let Err(fault) = request.validate().and_then(|()| request.check_clock(wall)) {
            return Ok(Verdict::Reject(self.wire.dead_letter(record, INVALID, &fault.to_string())));
        }
        let output = self.wire.write(&request, record.traceparent);
        Ok(output.map_or_else(
            |fault| Verdict::Reject(self.wire.dead_letter(record, UNWRITABLE, &fault.to_string())),
            |output| Verdict::Emit(vec![output]),
        ))
    }
}

fn caused<E: Event>(
    event: &E,
    record: &InRecord<'_>,
    fact: impl FnOnce(Timestamp) -> Result<Fact, String>,
) -> Result<Caused, Verdict<OutRecord>> {
    let envelope = event.envelope();
    let symbol = Symbol::parse(event.symbol()).map_err(|fault| fault.to_string());
    let fact = symbol.and_then(|symbol| Ok((symbol, fact(Timestamp::from_micros(envelope.occurred_at))?)));
    // The contract has checked all of it: a fault here is one of this build.
    let (symbol, fact) = fact.map_err(|text| Verdict::Fail(format!("{record:?}: {text}")))?;
    let correlation_id = envelope.correlation_id.unwrap_or(envelope.event_id).to_owned();
    Ok(Caused { symbol, fact, occurred_at: envelope.occurred_at, correlation_id })
}

fn gap(event: &Gap) -> Result<Fact, String> {
    Ok(Fact::Gap {
        data_type: event.data_type.known().ok_or_else(|| format!("data type {}", event.data_type))?,
        start: Timestamp::from_micros(event.gap_start),
        last: Timestamp::from_micros(event.gap_end),
        priority: Priority::new(event.priority).map_err(|fault| fault.to_string())?,
    })
}

fn reason(why: NoPlan) -> Reason {
    match why {
        NoPlan::GapTooShort => Reason("gap_too_short"),
        NoPlan::NothingConfigured => Reason("nothing_configured"),
        NoPlan::NoRange => Reason("no_range"),
    }
}

fn request(plan: RangePlan, caused: Caused) -> RangeRequest {
    let (start, end) = (plan.range.start(), plan.range.last());
    let trigger = match plan.trigger {
        Trigger::Qualified => BackfillTrigger::Qualified,
        Trigger::Promoted => BackfillTrigger::Promoted,
        Trigger::Gap => BackfillTrigger::Gap,
        Trigger::Manual => BackfillTrigger::Manual,
    };
    RangeRequest {
        event_id: ids::event_id(),
        occurred_at: caused.occurred_at,
        source: SOURCE.to_owned(),
        correlation_id: Some(caused.correlation_id),
        backfill_id: ids::backfill_id(plan.symbol, plan.layer, &plan.data_types, start, end, trigger),
        attempt: 1,
        symbol: plan.symbol.to_string(),
        layer: plan.layer.number(),
        data_types: plan.data_types.into_iter().map(DataKind::from).collect(),
        start: start.micros(),
        end: end.micros(),
        priority: i32::from(plan.priority.get()),
        trigger,
    }
}

impl Stage for PlannerStage {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = ();

    fn assigned(&mut self, _source: InputPartition, _epoch: Epoch, _now: Now) {}

    fn unassigned(&mut self, _source: InputPartition) {}

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

    fn tick(&mut self, _now: Now, _effects: &mut Effects<OutRecord>) {}

    fn drain(&mut self, _sources: &[InputPartition], _now: Now, _effects: &mut Effects<OutRecord>) {
        // Nothing is ever held.
    }

    fn is_full(&self, _topic: u16) -> bool {
        false
    }

    fn next_wake(&self, _now: Now) -> Option<Duration> {
        None
    }
}

impl KafkaStage for PlannerStage {}

#[cfg(test)]
mod tests;
