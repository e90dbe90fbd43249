//! The engine alone: a stage that passes each record's bytes on.

use std::sync::Arc;
use std::time::Duration;

use contracts::Topic;
use kafka_io::{InRecord, KafkaStage, OutRecord};
use pipeline::{Effects, Epoch, InputPartition, Now, RecordId, Stage, Verdict};

use crate::Failed;
use crate::stage::{Enough, How, drive};

struct Noop {
    left: u64,
    enough: Arc<Enough>,
}

/// Measures it.
pub(crate) fn run(brokers: &str, how: How) -> Result<(), Failed> {
    let enough = Arc::new(Enough::default());
    drive(brokers, how, "no-op", Noop { left: how.records, enough: Arc::clone(&enough) }, &enough)
}

impl Stage for Noop {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = ();

    fn assigned(&mut self, _: InputPartition, _: Epoch, _: Now) {}

    fn unassigned(&mut self, _: InputPartition) {}

    fn process(
        &mut self,
        _: RecordId,
        record: InRecord<'_>,
        _: Now,
        _: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.enough.reached();
        }
        let payload = record.payload.unwrap_or_default().to_vec();
        let key = record.key.unwrap_or_default();
        Verdict::Emit(vec![OutRecord::new(Topic::BatchRequested, record.partition, key, payload)])
    }

    fn completed(&mut self, (): (), _: Now, _: &mut Effects<OutRecord>) {}

    fn tick(&mut self, _: Now, _: &mut Effects<OutRecord>) {}

    fn drain(&mut self, _: &[InputPartition], _: Now, _: &mut Effects<OutRecord>) {}

    fn is_full(&self, _: u16) -> bool {
        false
    }

    fn next_wake(&self, _: Now) -> Option<Duration> {
        None
    }
}

impl KafkaStage for Noop {}
