//! The announcer as a stage: proposals in, qualifications and promotions out, each once within its window.

use std::time::Duration;

use contracts::{Promotion, Proposal, Qualification, Topic, ids};
use domain::{Layer, Symbol, Timestamp};
use kafka_io::{InRecord, KafkaStage, Note, OutRecord, Wire};
use pipeline::{Effects, Epoch, Now, Reason, RecordId, Source, Stage, Verdict};

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
}

impl AnnouncerStage {
    /// A stage that owns nothing yet.
    #[must_use]
    pub fn new(wire: Wire, announcer: Announcer) -> Self {
        Self { wire, announcer }
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
        match self.announcer.judge(id.source.partition, announcement, occurred_at, wall) {
            Judgement::Announced { .. } => Ok(Verdict::Drop(DUPLICATE)),
            Judgement::Announce => {
                let output =
                    self.event(proposal, announcement, record.traceparent).map_err(|fault| at(&fault))?;
                Ok(Verdict::Emit(vec![output]))
            }
        }
    }

    fn event(
        &self,
        proposal: Proposal,
        announcement: Announcement,
        traceparent: Option<&str>,
    ) -> Result<OutRecord, contracts::EncodeFault> {
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

    fn assigned(&mut self, _source: Source, _epoch: Epoch, _now: Now) {}

    fn released(&mut self, source: Source) {
        self.announcer.released(source.partition);
    }

    fn judge(
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

    fn drain(&mut self, _sources: &[Source], _now: Now, _effects: &mut Effects<OutRecord>) {
        // Nothing is ever held.
    }

    fn is_full(&self, _topic: u16) -> bool {
        false
    }

    fn next_wake(&self, _now: Now) -> Option<Duration> {
        (!self.announcer.is_empty()).then_some(EXPIRE_EVERY)
    }
}

impl KafkaStage for AnnouncerStage {
    fn notes(&self) -> Vec<Note> {
        vec![
            Note { name: "windows", value: self.announcer.len() as u64 },
            Note { name: "windows_forgotten_by_bound", value: self.announcer.forgotten_by_bound() },
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use contracts::Event;
    use kafka_io::Headers;
    use testkit::OwnSchemas;

    use super::*;
    use crate::rules::announce::DEFAULT_WINDOW_MICROS;

    /// 2024-07-10T20:00:00Z.
    const WALL_MICROS: i64 = 1_720_641_600_000_000;

    struct Bench {
        wire: Wire,
        stage: AnnouncerStage,
        offset: i64,
    }

    fn bench() -> Bench {
        let wire =
            Wire::new("publisher", Topic::PublisherDeadLetter, 12, OwnSchemas::ids(), Arc::new(OwnSchemas));
        let stage = AnnouncerStage::new(wire.clone(), Announcer::new(DEFAULT_WINDOW_MICROS, 100));
        Bench { wire, stage, offset: 0 }
    }

    impl Bench {
        fn propose(&mut self, from_layer: Option<i32>, to_layer: i32, hours: i64) -> Verdict<OutRecord> {
            let proposal = Proposal {
                event_id: ids::event_id(),
                occurred_at: WALL_MICROS + hours * 3_600_000_000,
                source: "test".into(),
                correlation_id: None,
                symbol: "AAPL".into(),
                from_layer,
                to_layer,
                reason: "liquid".into(),
                metrics: [("adv".to_owned(), 1e9)].into(),
            };
            let record = self.wire.write(&proposal, Some("00-1-2-01")).unwrap();
            self.offset += 1;
            let source = Source { topic: 0, partition: record.partition };
            let id = RecordId { source, epoch: Epoch(1), offset: self.offset };
            let record = InRecord {
                topic: record.topic,
                partition: record.partition,
                offset: self.offset,
                timestamp_ms: 0,
                key: Some(&record.key),
                payload: Some(&record.payload),
                traceparent: Some("00-1-2-01"),
                headers: Headers::none(),
            };
            let now = Now { monotonic: Duration::ZERO, wall_micros: WALL_MICROS + hours * 3_600_000_000 };
            self.stage.judge(id, record, now, &mut Effects::default())
        }

        fn announced<E: Event>(&self, verdict: Verdict<OutRecord>) -> E {
            let Verdict::Emit(outputs) = verdict else { panic!("{verdict:?}") };
            assert_eq!(outputs[0].headers[0].1, b"00-1-2-01", "the trace goes on");
            contracts::Codec::new().decode(outputs[0].payload.as_slice(), &OwnSchemas).unwrap()
        }
    }

    #[test]
    fn a_proposal_without_a_layer_behind_it_qualifies_and_one_with_is_a_promotion() {
        let mut bench = bench();
        let verdict = bench.propose(None, 1, 0);
        let qualified: Qualification = bench.announced(verdict);
        assert_eq!((qualified.layer, qualified.metrics["adv"]), (1, 1e9));
        assert!(qualified.correlation_id.is_some(), "the proposal's id goes on as the cause");
        let verdict = bench.propose(Some(1), 2, 0);
        let promoted: Promotion = bench.announced(verdict);
        assert_eq!((promoted.from_layer, promoted.to_layer), (1, 2));
    }

    #[test]
    fn the_same_is_announced_once_within_its_window_and_again_after_it() {
        let mut bench = bench();
        assert!(matches!(bench.propose(None, 1, 0), Verdict::Emit(_)));
        assert!(matches!(bench.propose(None, 1, 23), Verdict::Drop(DUPLICATE)));
        assert!(matches!(bench.propose(None, 2, 23), Verdict::Emit(_)), "another layer");
        assert!(matches!(bench.propose(None, 1, 25), Verdict::Emit(_)), "the window has passed");
    }
}
