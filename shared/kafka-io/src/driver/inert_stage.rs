//! Test double: a stage that holds every record and does nothing.

use std::time::Duration;

use pipeline::{Effects, Epoch, InputPartition, Now, RecordId, Stage, Verdict};

use super::stage::KafkaStage;
use crate::record::{InRecord, OutRecord};

pub(super) struct InertStage;

impl Stage for InertStage {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = ();

    fn assigned(&mut self, _: InputPartition, _: Epoch, _: Now) {}
    fn unassigned(&mut self, _: InputPartition) {}
    fn process(
        &mut self,
        _: RecordId,
        _: InRecord<'_>,
        _: Now,
        _: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        Verdict::Hold
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

impl KafkaStage for InertStage {}
