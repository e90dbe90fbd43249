//! Test double: a stage that holds every record and does nothing.

use pipeline::{Effects, Now, RecordId, Stage, Verdict};

use super::stage::KafkaStage;
use crate::record::{InRecord, OutRecord};

pub(super) struct InertStage;

impl Stage for InertStage {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = ();

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
}

impl KafkaStage for InertStage {}
