//! The engine alone, with a stage that forwards the bytes of each record.

use std::sync::Arc;

use contracts::Topic;
use kafka_io::{InRecord, KafkaStage, OutRecord};
use pipeline::{Effects, Now, RecordId, Stage, Verdict};

use crate::driver::{DriveArgs, StopSignal, drive};
use crate::error::Error;

pub(crate) struct Noop {
    left: u64,
    stop: Arc<StopSignal>,
}

impl Noop {
    /// Creates the stage. It sends the stop signal after `records` records.
    pub(crate) fn new(records: u64, stop: &Arc<StopSignal>) -> Self {
        Self { left: records, stop: Arc::clone(stop) }
    }
}

/// Measures the stage.
pub(crate) fn run(brokers: &str, args: DriveArgs) -> Result<(), Error> {
    let stop = Arc::new(StopSignal::default());
    drive(brokers, args, "no-op", Noop::new(args.records, &stop), &stop, Some(args.records))
}

impl Stage for Noop {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = ();

    fn process(
        &mut self,
        _: RecordId,
        record: InRecord<'_>,
        _: Now,
        _: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.stop.send();
        }
        let payload = record.payload.unwrap_or_default().to_vec();
        let key = record.key.unwrap_or_default();
        Verdict::Emit(vec![OutRecord::new(Topic::BatchRequested, record.partition, key, payload)])
    }

    fn completed(&mut self, (): (), _: Now, _: &mut Effects<OutRecord>) {}
}

impl KafkaStage for Noop {}
