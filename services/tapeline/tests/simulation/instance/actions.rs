//! The actions of the engine.

use kafka_io::KafkaStage;
use pipeline::{Action, CompletedRanges, InputPartition, Position, Stop};

use super::{Instance, Life};
use crate::defects::Defect;
use crate::kafka::Kafka;
use crate::oracle::{Broken, broken};
use crate::request::{Request, Step};

impl<S: KafkaStage> Instance<S> {
    pub(super) fn perform(&mut self, kafka: &mut Kafka) -> Result<Life, Broken> {
        while let Some(action) = self.engine.take_action() {
            match action {
                Action::Transact { batch, positions } => {
                    let mut outputs: Vec<_> = self.engine.batch(batch).cloned().collect();
                    if self.defect == Some(Defect::LosesBars) {
                        outputs.retain(|output| output.topic != contracts::Topic::BarClosed);
                    }
                    let (positions, generation) = self.positions(positions, kafka)?;
                    let (transaction, step) = (kafka.log.begin(), Step::Producing(0));
                    let request =
                        Request::Transaction { batch, transaction, outputs, positions, generation, step };
                    self.take_on(request)?;
                }
                Action::Produce { batch } => {
                    return broken("stage", format!("{batch:?} without a transaction"));
                }
                Action::Commit { positions } => {
                    let (positions, generation) = self.positions(positions, kafka)?;
                    self.take_on(Request::Commit { positions, generation })?;
                }
                Action::Pause(input) => self.set_paused(input, true, kafka)?,
                Action::Resume(input) => self.set_paused(input, false, kafka)?,
                Action::Rewind(input, offset) => {
                    if let Some(fetch) = self.fetches.get_mut(&input) {
                        (fetch.next, fetch.end_reached) = (offset, None);
                    }
                }
                Action::AcknowledgeRevocation { inputs, .. } => self.acknowledge(&inputs, kafka),
                Action::Stop(stop) => return self.end(&stop, kafka),
            }
        }
        Ok(Life::Running)
    }

    /// Returns the positions of a request and the generation that fences it. The instance must own their partitions (P4).
    fn positions(
        &self,
        mut positions: Vec<Position>,
        kafka: &mut Kafka,
    ) -> Result<(Vec<Position>, Option<u32>), Broken> {
        for position in &mut positions {
            let Some(fetch) = self.fetches.get(&position.input) else {
                return broken("P4", format!("{} acts for {:?}", self.stage.name(), position.input));
            };
            if self.defect == Some(Defect::CommitsFetchPosition) {
                *position = Position { offset: fetch.next, completed: CompletedRanges::none(), ..*position };
            }
        }
        Ok((positions, kafka.group(self.stage).0.generation_of(self.id)))
    }

    fn take_on(&mut self, request: Request) -> Result<(), Broken> {
        match self.request.replace(request) {
            Some(before) => {
                broken("P5", format!("{} requests more while {before:?} is open", self.stage.name()))
            }
            None => Ok(()),
        }
    }

    fn set_paused(&mut self, input: InputPartition, paused: bool, kafka: &mut Kafka) -> Result<(), Broken> {
        kafka.counts.pauses += u64::from(paused);
        match self.fetches.get_mut(&input) {
            Some(fetch) => fetch.paused = paused,
            None => return broken("P4", format!("{} pauses {input:?}", self.stage.name())),
        }
        Ok(())
    }

    /// Unassigns all partitions of a revocation together when the last one is drained.
    fn acknowledge(&mut self, inputs: &[InputPartition], kafka: &mut Kafka) {
        let was_draining = !self.draining.is_empty();
        self.draining.retain(|input| !inputs.contains(input));
        if was_draining && self.draining.is_empty() {
            for input in std::mem::take(&mut self.revoked) {
                self.fetches.remove(&input);
                kafka.group(self.stage).0.acknowledge_revocation(self.id, input);
            }
            self.follow_tables(kafka);
        }
    }

    fn end(&mut self, stop: &Stop, kafka: &mut Kafka) -> Result<Life, Broken> {
        let counts = self.engine.counts();
        match stop {
            Stop::Drained if counts.held > 0 || self.request.is_some() => {
                return broken("P1", format!("{} stops as drained and holds {counts:?}", self.stage.name()));
            }
            Stop::Drained => kafka.counts.drained[0] += 1,
            Stop::DrainTimedOut { .. } => kafka.counts.drained[1] += 1,
            Stop::Failed(cause) => return broken("stage", format!("{}: {cause}", self.stage.name())),
        }
        self.vanish(kafka);
        Ok(Life::Ended)
    }
}
