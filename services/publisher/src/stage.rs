//! Announcer as a stage: reads proposals, publishes qualifications and promotions, each once per dedup window.

mod restore;

use std::time::Duration;

use contracts::{EncodeError, Promotion, Proposal, Qualification, Topic, ids};
use domain::{Layer, LayerError, Symbol, SymbolError, Timestamp};
use kafka_io::{Bound, InRecord, KafkaStage, Note, OutRecord, Restore, UNWRITABLE, Unavailable, Wire};
use pipeline::{Effects, Epoch, InputPartition, Now, Reason, RecordId, Stage, Verdict};

use self::restore::Restored;
use crate::metric_names as names;
use crate::rules::announce::{Announcement, Announcer, Decision};

/// The input topic.
pub const INPUT: Topic = Topic::SymbolProposed;

/// The source of the announcements.
const SOURCE: &str = "announcer";

/// The drop reason of a proposal that was announced within its dedup window.
const DUPLICATE: Reason = Reason("duplicate");

/// The interval at which expired windows are evicted when there are no records.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// The stage.
pub struct AnnouncerStage {
    wire: Wire,
    announcer: Announcer,
    restores: [Restore; 2],
    restored: u64,
    restore_skipped: u64,
}

/// A decoded proposal that the domain rejects. The contract has the same rules, so decoding fails first.
#[derive(Debug, thiserror::Error)]
enum ProposalError {
    #[error(transparent)]
    Symbol(#[from] SymbolError),
    #[error(transparent)]
    Layer(#[from] LayerError),
}

impl AnnouncerStage {
    /// Creates a stage without partitions.
    #[must_use]
    pub fn new(wire: Wire, announcer: Announcer) -> Self {
        let restores = restore::topics(announcer.kept());
        Self { wire, announcer, restores, restored: 0, restore_skipped: 0 }
    }

    fn announce(
        &mut self,
        id: RecordId,
        record: &InRecord<'_>,
        now: Now,
    ) -> Result<Verdict<OutRecord>, ProposalError> {
        let wall = Timestamp::from_micros(now.wall_micros);
        let proposal: Proposal = match self.wire.read(record, wall) {
            Ok(proposal) => proposal,
            Err(failure) => return Ok(failure.into()),
        };
        let symbol = Symbol::parse(&proposal.symbol)?;
        let from = proposal.from_layer.map(Layer::from_number).transpose()?;
        let announcement = Announcement::of(symbol, from, Layer::from_number(proposal.to_layer)?);
        let occurred_at = Timestamp::from_micros(proposal.occurred_at);
        match self.announcer.process(id.input.partition, announcement, occurred_at, wall) {
            Decision::Duplicate { .. } => Ok(Verdict::Drop(DUPLICATE)),
            Decision::Announce { opens } => {
                let output = self.event(proposal, announcement, record.traceparent);
                let output = output.map(|output| if opens { output } else { restore::opens_none(output) });
                // An announcement is as large as its proposal, whose texts are bounded, so a valid proposal never fails here.
                // `Verdict::Fail` would redeliver the record indefinitely.
                Ok(output.map_or_else(
                    |error| Verdict::Reject(self.wire.dead_letter(record, UNWRITABLE, &error.to_string())),
                    |output| Verdict::Emit(vec![output]),
                ))
            }
        }
    }

    fn event(
        &self,
        proposal: Proposal,
        announcement: Announcement,
        traceparent: Option<&str>,
    ) -> Result<OutRecord, EncodeError> {
        let correlation_id = Some(proposal.correlation_id.unwrap_or(proposal.event_id));
        let (event_id, source) = (ids::event_id(), SOURCE.to_owned());
        let Proposal { occurred_at, symbol, reason, metrics, .. } = proposal;
        match announcement {
            Announcement::Qualified { layer, .. } => {
                let layer = layer.number();
                let event = Qualification {
                    event_id,
                    occurred_at,
                    source,
                    correlation_id,
                    symbol,
                    layer,
                    reason,
                    metrics,
                };
                self.wire.write(&event, traceparent)
            }
            Announcement::Promoted { from, to, .. } => {
                let event = Promotion {
                    event_id,
                    occurred_at,
                    source,
                    correlation_id,
                    symbol,
                    from_layer: from.number(),
                    to_layer: to.number(),
                    reason,
                    metrics,
                };
                self.wire.write(&event, traceparent)
            }
        }
    }
}

impl Stage for AnnouncerStage {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = ();

    fn assigned(&mut self, _input: InputPartition, _epoch: Epoch, _now: Now) {}

    fn unassigned(&mut self, input: InputPartition) {
        self.announcer.unassigned(input.partition);
    }

    fn process(
        &mut self,
        id: RecordId,
        record: InRecord<'_>,
        now: Now,
        _effects: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        let verdict = self.announce(id, &record, now);
        verdict.unwrap_or_else(|error| Verdict::Fail(format!("invalid proposal {record:?}: {error}")))
    }

    fn completed(&mut self, (): (), _now: Now, _effects: &mut Effects<OutRecord>) {}

    fn tick(&mut self, now: Now, _effects: &mut Effects<OutRecord>) {
        self.announcer.expire(Timestamp::from_micros(now.wall_micros));
    }

    fn drain(&mut self, _inputs: &[InputPartition], _now: Now, _effects: &mut Effects<OutRecord>) {
        // The stage holds no records.
    }

    fn is_full(&self, _topic: u16) -> bool {
        false
    }

    fn next_wake(&self, _now: Now) -> Option<Duration> {
        (self.announcer.held() > 0).then_some(EXPIRE_EVERY)
    }
}

impl KafkaStage for AnnouncerStage {
    fn restores(&self) -> &[Restore] {
        &self.restores
    }

    fn restore_record(&mut self, record: &InRecord<'_>, now: Now) -> Result<(), Unavailable> {
        match restore::read(&self.wire, record)? {
            Restored::NoWindow => {}
            Restored::Invalid => self.restore_skipped += 1,
            Restored::Window { announcement, occurred_at } => {
                let now = Timestamp::from_micros(now.wall_micros);
                let announced_at = record.appended_at_micros().map_or(now, Timestamp::from_micros);
                self.announcer.restore(record.partition, announcement, occurred_at, (announced_at, now));
                self.restored += 1;
            }
        }
        Ok(())
    }

    fn restore_abandoned(&mut self, partition: i32) {
        self.announcer.unassigned(partition);
    }

    fn bounds(&self) -> Vec<Bound> {
        let (used, limit) = (self.announcer.held() as u64, self.announcer.held_max() as u64);
        vec![Bound { name: "dedup_windows", used, limit }]
    }

    fn notes(&self) -> Vec<Note> {
        vec![
            Note { name: names::DEDUP_WINDOWS.name, value: self.announcer.held() as u64 },
            Note { name: names::DEDUP_WINDOW_EVICTIONS.name, value: self.announcer.evicted_by_bound() },
            Note { name: names::RESTORE_APPLIED.name, value: self.restored },
            Note { name: names::RESTORE_SKIPPED.name, value: self.restore_skipped },
        ]
    }
}

#[cfg(test)]
mod tests;
