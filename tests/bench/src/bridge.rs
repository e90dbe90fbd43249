//! The bridge's own stage, counted from outside.

use std::sync::Arc;
use std::time::Duration;

use contracts::Topic;
use kafka_io::{InRecord, KafkaConfig, KafkaStage, OutRecord, Wire};
use pipeline::{Effects, Epoch, InputPartition, Now, RecordId, Stage, Verdict};
use scanner_bridge::config::AlertsSection;
use scanner_bridge::mapping_file;
use scanner_bridge::stage::BridgeStage;
use testkit::OwnSchemas;

use crate::Failed;
use crate::stage::{Enough, How, drive};

/// More than any machine reaches: what is measured is the work, not the limit.
const UNLIMITED_SYMBOLS_PER_S: u32 = 1_000_000_000;

/// The bridge's stage, and how many records it is still to judge. What it would restore is left out: each run begins anew.
pub(crate) struct Counted {
    bridge: BridgeStage,
    left: u64,
    enough: Arc<Enough>,
}

impl Counted {
    pub(crate) fn new(records: u64, enough: &Arc<Enough>) -> Result<Self, Failed> {
        let partitions = KafkaConfig::default().partitions;
        let letters = Topic::ScannerBridgeDeadLetter;
        let wire = Wire::new("scanner-bridge", letters, partitions, OwnSchemas::ids(), Arc::new(OwnSchemas));
        let mapping = mapping_file::parse(mapping_file::DEFAULT).map_err(|fault| fault.to_string())?;
        let alerts =
            AlertsSection { group_symbols_per_s: UNLIMITED_SYMBOLS_PER_S, ..AlertsSection::default() };
        let bridge = BridgeStage::new(wire, mapping, alerts.settings());
        Ok(Self { bridge, left: records, enough: Arc::clone(enough) })
    }
}

/// Measures it.
pub(crate) fn run(brokers: &str, how: How) -> Result<(), Failed> {
    let enough = Arc::new(Enough::default());
    drive(brokers, how, "bridge", Counted::new(how.records, &enough)?, &enough)
}

impl Stage for Counted {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = ();

    fn assigned(&mut self, source: InputPartition, epoch: Epoch, now: Now) {
        self.bridge.assigned(source, epoch, now);
    }

    fn unassigned(&mut self, source: InputPartition) {
        self.bridge.unassigned(source);
    }

    fn process(
        &mut self,
        id: RecordId,
        record: InRecord<'_>,
        now: Now,
        effects: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.enough.reached();
        }
        self.bridge.process(id, record, now, effects)
    }

    fn completed(&mut self, (): (), now: Now, effects: &mut Effects<OutRecord>) {
        self.bridge.completed((), now, effects);
    }

    fn tick(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        self.bridge.tick(now, effects);
    }

    fn drain(&mut self, sources: &[InputPartition], now: Now, effects: &mut Effects<OutRecord>) {
        self.bridge.drain(sources, now, effects);
    }

    fn is_full(&self, topic: u16) -> bool {
        self.bridge.is_full(topic)
    }

    fn next_wake(&self, now: Now) -> Option<Duration> {
        self.bridge.next_wake(now)
    }
}

impl KafkaStage for Counted {}
