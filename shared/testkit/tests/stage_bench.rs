//! The bench of a stage, with a stage that holds each symbol's proposal and qualifies it on the next tick.

use std::time::Duration;

use contracts::{Proposal, Qualification, Topic, ids};
use kafka_io::{InRecord, KafkaStage, OutRecord, Wire};
use pipeline::{Effect, Effects, Epoch, InputPartition, Now, RecordId, Stage, Verdict};
use testkit::StageBench;
use testkit::stage_bench::{now_after, rejected, wire};

struct Qualifier {
    wire: Wire,
    held: Vec<(RecordId, Proposal)>,
    /// The number of times that each record is emitted.
    repeats: usize,
}

impl Stage for Qualifier {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = ();

    fn assigned(&mut self, _input: InputPartition, _epoch: Epoch, _now: Now) {}

    fn unassigned(&mut self, input: InputPartition) {
        self.held.retain(|(id, _)| id.input != input);
    }

    fn process(
        &mut self,
        id: RecordId,
        record: InRecord<'_>,
        now: Now,
        _effects: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        match self.wire.read(&record, domain::Timestamp::from_micros(now.wall_micros)) {
            Ok(proposal) => self.held.push((id, proposal)),
            Err(failure) => return failure.into(),
        }
        Verdict::Hold
    }

    fn completed(&mut self, (): (), _now: Now, _effects: &mut Effects<OutRecord>) {}

    fn tick(&mut self, _now: Now, effects: &mut Effects<OutRecord>) {
        for (id, proposal) in self.held.drain(..) {
            let event = Qualification {
                event_id: ids::event_id(),
                occurred_at: proposal.occurred_at,
                source: proposal.source,
                correlation_id: None,
                symbol: proposal.symbol,
                layer: proposal.to_layer,
                reason: proposal.reason,
                metrics: proposal.metrics,
            };
            let output = self.wire.write(&event, None).expect("a valid event");
            for _ in 0..self.repeats {
                effects.push(Effect::Emit { ids: vec![id], outputs: vec![output.clone()], urgent: false });
            }
        }
    }

    fn drain(&mut self, _inputs: &[InputPartition], _now: Now, effects: &mut Effects<OutRecord>) {
        let ids = self.held.drain(..).map(|(id, _)| id).collect();
        effects.push(Effect::Release { ids });
    }

    fn is_full(&self, _topic: u16) -> bool {
        false
    }

    fn next_wake(&self, _now: Now) -> Option<Duration> {
        None
    }
}

impl KafkaStage for Qualifier {}

fn bench(repeats: usize) -> StageBench<Qualifier> {
    let wire = wire("test", Topic::PublisherDeadLetter);
    let stage = Qualifier { wire: wire.clone(), held: Vec::new(), repeats };
    StageBench::new(wire, &[Topic::SymbolProposed], stage)
}

fn now() -> Now {
    now_after(Duration::ZERO)
}

fn proposal() -> Proposal {
    Proposal {
        event_id: ids::event_id(),
        occurred_at: now().wall_micros,
        source: "test".into(),
        correlation_id: None,
        symbol: "AAPL".into(),
        from_layer: None,
        to_layer: 1,
        reason: "liquid".into(),
        metrics: [].into(),
    }
}

#[test]
fn held_record_is_resolved_by_the_output_that_is_read_back() {
    let mut bench = bench(1);
    assert!(matches!(bench.process(&proposal(), now()), Verdict::Hold));
    assert_eq!((bench.held().len(), bench.resolved().len()), (1, 0));
    let outputs = bench.outputs_at(now());
    assert_eq!(bench.decode::<Qualification>(&outputs[0]).symbol, "AAPL");
    assert_eq!((bench.held().len(), bench.resolved()[0].offset), (0, bench.last_offset()));
}

#[test]
fn drained_record_is_released_and_processed_again_at_its_offset() {
    let mut bench = bench(1);
    let inputs = bench.inputs();
    bench.assign(&inputs, now());
    assert!(matches!(bench.process(&proposal(), now()), Verdict::Hold));
    let offset = bench.last_offset();
    bench.drain(&inputs, now());
    assert!(matches!(&bench.effects()[..], [Effect::Release { ids }] if ids[0].offset == offset));
    bench.unassign(&inputs);
    bench.set_next_offset(offset);
    assert!(matches!(bench.process(&proposal(), now()), Verdict::Hold));
    assert_eq!(bench.held().first().map(|id| (id.epoch, id.offset)), Some((Epoch(2), offset)));
}

#[test]
fn truncated_record_is_rejected_with_its_class_and_offset() {
    let mut bench = bench(1);
    let mut record = bench.wire.write(&proposal(), None).unwrap();
    record.payload.truncate(20);
    let dead_letter = rejected(bench.process_record(&record, now()));
    assert_eq!((dead_letter.topic, dead_letter.offset), (Topic::PublisherDeadLetter, 1));
    assert_eq!(
        (dead_letter.class.as_str(), dead_letter.input_topic.as_str()),
        ("truncated", record.topic.name())
    );
}

#[test]
#[should_panic(expected = "is not held")]
fn record_that_is_resolved_twice_fails_the_test() {
    let mut bench = bench(2);
    assert!(matches!(bench.process(&proposal(), now()), Verdict::Hold));
    bench.tick(now());
}
