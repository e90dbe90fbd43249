//! The bridge's stage, with a limit of records.

use std::sync::Arc;
use std::time::Duration;

use contracts::Topic;
use kafka_io::{InRecord, KafkaConfig, KafkaStage, OutRecord, Wire};
use pipeline::{Effects, Epoch, InputPartition, Now, RecordId, Stage, Verdict};
use scanner_bridge::config::AlertsSection;
use scanner_bridge::mapping_file;
use scanner_bridge::stage::BridgeStage;
use testkit::OwnSchemas;

use crate::driver::{DriveArgs, StopSignal, drive};
use crate::error::Error;

/// More than any machine processes, so that the limiter has no effect.
const UNLIMITED_SYMBOLS_PER_S: u32 = 1_000_000_000;

/// Windows per partition: all of a run, so that none is evicted.
pub(crate) const ALL_WINDOWS: usize = 1_000_000;

/// The bridge's stage and the number of records that are left. It restores nothing, since each run starts from the beginning.
pub(crate) struct Counted {
    bridge: BridgeStage,
    left: u64,
    stop: Arc<StopSignal>,
}

impl Counted {
    /// Creates the stage. It sends the stop signal after `records` records.
    pub(crate) fn new(
        records: u64,
        partition_windows_max: usize,
        stop: &Arc<StopSignal>,
    ) -> Result<Self, Error> {
        let partitions = KafkaConfig::default().partitions;
        let dead_letters = Topic::ScannerBridgeDeadLetter;
        let wire =
            Wire::new("scanner-bridge", dead_letters, partitions, OwnSchemas::ids(), Arc::new(OwnSchemas));
        let mapping = mapping_file::parse(mapping_file::DEFAULT).map_err(|error| error.to_string())?;
        let alerts = AlertsSection {
            group_symbols_per_s: UNLIMITED_SYMBOLS_PER_S,
            partition_windows_max,
            ..AlertsSection::default()
        };
        let bridge = BridgeStage::new(wire, mapping, alerts.settings());
        Ok(Self { bridge, left: records, stop: Arc::clone(stop) })
    }
}

/// Measures the stage.
pub(crate) fn run(brokers: &str, args: DriveArgs) -> Result<(), Error> {
    let stop = Arc::new(StopSignal::default());
    let stage = Counted::new(args.records, ALL_WINDOWS, &stop)?;
    drive(brokers, args, "bridge", stage, &stop, Some(args.records))
}

impl Stage for Counted {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = ();

    fn assigned(&mut self, input: InputPartition, epoch: Epoch, now: Now) {
        self.bridge.assigned(input, epoch, now);
    }

    fn unassigned(&mut self, input: InputPartition) {
        self.bridge.unassigned(input);
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
            self.stop.send();
        }
        self.bridge.process(id, record, now, effects)
    }

    fn completed(&mut self, (): (), now: Now, effects: &mut Effects<OutRecord>) {
        self.bridge.completed((), now, effects);
    }

    fn tick(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        self.bridge.tick(now, effects);
    }

    fn drain(&mut self, inputs: &[InputPartition], now: Now, effects: &mut Effects<OutRecord>) {
        self.bridge.drain(inputs, now, effects);
    }

    fn is_full(&self, topic: u16) -> bool {
        self.bridge.is_full(topic)
    }

    fn next_wake(&self, now: Now) -> Option<Duration> {
        self.bridge.next_wake(now)
    }
}

impl KafkaStage for Counted {}
