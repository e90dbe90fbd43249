//! The announcer as a stage: proposals in, qualifications and promotions out, each once within its window.

mod restore;

use std::time::Duration;

use contracts::{Promotion, Proposal, Qualification, Topic, ids};
use domain::{Layer, Symbol, Timestamp};
use kafka_io::{InRecord, OutRecord, Restore, UNWRITABLE, Wire};
use pipeline::{Effects, Epoch, InputPartition, Now, Reason, RecordId, Stage, Verdict};

use crate::rules::announce::{Announcement, Announcer, Judgement};

/// The input topic.
pub const INPUT: Topic = Topic::SymbolProposed;

/// What announcements name as their source.
const SOURCE: &str = "announcer";

/// It was announced within its window.
const DUPLICATE: Reason = Reason("duplicate");

/// How often windows whose time is over are forgotten, traffic or not.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// The stage.
pub struct AnnouncerStage {
    wire: Wire,
    announcer: Announcer,
    restores: [Restore; 2],
    restored: u64,
    restore_skipped: u64,
}

impl AnnouncerStage {
    /// A stage that owns nothing yet.
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
    ) -> Result<Verdict<OutRecord>, String> {
        let wall = Timestamp::from_micros(now.wall_micros);
        let proposal: Proposal = match self.wire.read(record, wall) {
            Ok(proposal) => proposal,
            Err(refused) => return Ok(refused.into()),
        };
        let at = |fault: &dyn std::fmt::Display| format!("{record:?}: {fault}");
        let symbol = Symbol::parse(&proposal.symbol).map_err(|fault| at(&fault))?;
        let layer = |number| Layer::from_number(number).map_err(|fault| at(&fault));
        let from = proposal.from_layer.map(layer).transpose()?;
        let announcement = Announcement::of(symbol, from, layer(proposal.to_layer)?);
        let occurred_at = Timestamp::from_micros(proposal.occurred_at);
        match self.announcer.process(id.input.partition, announcement, occurred_at, wall) {
            Judgement::Announced { .. } => Ok(Verdict::Drop(DUPLICATE)),
            Judgement::Announce { opens } => {
                let output = self.event(proposal, announcement, record.traceparent);
                let output = output.map(|output| if opens { output } else { restore::opens_none(output) });
                // An announcement is as long as its proposal, whose texts have bounds: no valid one comes here. Stopping would bring it
                // back for ever.
                Ok(output.map_or_else(
                    |fault| Verdict::Reject(self.wire.dead_letter(record, UNWRITABLE, &fault.to_string())),
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
    ) -> Result<OutRecord, contracts::EncodeError> {
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

    fn assigned(&mut self, _source: InputPartition, _epoch: Epoch, _now: Now) {}

    fn unassigned(&mut self, source: InputPartition) {
        self.announcer.released(source.partition);
    }

    fn process(
        &mut self,
        id: RecordId,
        record: InRecord<'_>,
        now: Now,
        _effects: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        self.announce(id, &record, now).unwrap_or_else(Verdict::Fail)
    }

    fn completed(&mut self, (): (), _now: Now, _effects: &mut Effects<OutRecord>) {}

    fn tick(&mut self, now: Now, _effects: &mut Effects<OutRecord>) {
        self.announcer.expire(Timestamp::from_micros(now.wall_micros));
    }

    fn drain(&mut self, _sources: &[InputPartition], _now: Now, _effects: &mut Effects<OutRecord>) {
        // Nothing is ever held.
    }

    fn is_full(&self, _topic: u16) -> bool {
        false
    }

    fn next_wake(&self, _now: Now) -> Option<Duration> {
        (self.announcer.held() > 0).then_some(EXPIRE_EVERY)
    }
}

#[cfg(test)]
mod tests;
