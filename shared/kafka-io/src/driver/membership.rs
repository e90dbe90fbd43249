//! What the group gives and takes, answered between two fetches: never inside its callback.

use std::collections::BTreeSet;

use pipeline::{Event, InputPartition};
use rdkafka::consumer::Consumer;

use super::clients;
use super::group::Change;
use super::session::{Exit, Session};
use super::stage::KafkaStage;

impl<S: KafkaStage> Session<'_, '_, S> {
    pub(super) fn answer_group(&mut self) -> Result<(), Exit> {
        if self.group.is_leaving() && self.clients.work.assignment_lost() {
            let inputs = self.group.abandon();
            self.lose(&inputs)?;
        }
        while let Some(change) = self.changes.pop_front() {
            self.busy = true;
            match change {
                Change::Assign(partitions) => {
                    if let Err(error) = self.assign(&partitions)? {
                        tracing::warn!(
                            group = self.driver.group,
                            error,
                            "an assignment waits for the group's offsets"
                        );
                        self.changes.push_front(Change::Assign(partitions));
                        (self.busy, self.unanswered) = (false, true);
                        return Ok(());
                    }
                }
                Change::Revoke(partitions) => self.revoke(&partitions)?,
            }
        }
        Ok(())
    }

    fn assign(&mut self, partitions: &[(String, i32)]) -> Result<Result<(), String>, Exit> {
        let inputs = self.driver.inputs.inputs(partitions);
        let (starts, list) = match self.group.starts(self.clients, &self.driver.inputs, &inputs) {
            Ok(starts) => starts,
            Err(error) => return Ok(Err(error)),
        };
        let restores = self.restoring.is_some() && !self.draining;
        let taken = match restores {
            true => clients::assign_paused(&self.clients.work, &starts, &self.driver.inputs),
            false => clients::assign(&self.clients.work, &list),
        };
        if let Err(error) = taken {
            // The group has moved on meanwhile: what it says next is what counts.
            tracing::warn!(group = self.driver.group, error, "an assignment was not taken");
            return Ok(Ok(()));
        }
        tracing::info!(group = self.driver.group, partitions = starts.len(), "assigned");
        self.group.add(&starts);
        match &mut self.restoring {
            Some(restoring) if restores => {
                restoring.begin(starts);
            }
            _ => self.apply(Event::Assigned(&starts)),
        }
        if self.draining {
            self.pause(self.group.owned().map(|(input, _)| input));
        }
        self.follow_tables()?;
        Ok(Ok(()))
    }

    fn revoke(&mut self, partitions: &[(String, i32)]) -> Result<(), Exit> {
        let inputs = self.driver.inputs.inputs(partitions);
        self.waiting.forget(&inputs);
        if self.clients.work.assignment_lost() {
            return self.lose(&inputs);
        }
        if inputs.is_empty() {
            return self.give_back(&inputs);
        }
        tracing::info!(group = self.driver.group, partitions = inputs.len(), "revoked, draining");
        let list: Vec<InputPartition> = inputs.iter().copied().collect();
        self.abandon(&inputs)?;
        self.group.begin_leaving(inputs);
        self.apply(Event::Revoked(&list));
        Ok(())
    }

    fn lose(&mut self, inputs: &BTreeSet<InputPartition>) -> Result<(), Exit> {
        self.waiting.forget(inputs);
        tracing::warn!(group = self.driver.group, partitions = inputs.len(), "lost to another member");
        let list: Vec<InputPartition> = inputs.iter().copied().collect();
        self.abandon(inputs)?;
        self.apply(Event::Lost(&list));
        self.give_back(inputs)
    }

    pub(super) fn give_back(&mut self, inputs: &BTreeSet<InputPartition>) -> Result<(), Exit> {
        if let Err(error) = clients::unassign(&self.clients.work, &self.driver.inputs.list(inputs)) {
            tracing::warn!(group = self.driver.group, error, "partitions were not given back");
        }
        self.group.remove(inputs);
        self.paused.retain(|input| !inputs.contains(input));
        self.follow_tables()
    }

    pub(super) fn follow_tables(&mut self) -> Result<(), Exit> {
        let numbers = self.group.numbers();
        let followed = self.beside.follow(&numbers, self.driver.engine.stage_mut());
        followed.map_err(|cause| Exit::lost("tables", cause))
    }

    /// Reads on in what is restored; a partition whose turn has come is the engine's from here on, and flows.
    pub(super) fn restore(&mut self) -> Result<(), Exit> {
        let Some(restoring) = self.restoring.as_mut().filter(|restoring| !restoring.is_idle()) else {
            return Ok(());
        };
        let now = self.driver.now();
        let step = restoring
            .read(self.driver.engine.stage_mut(), now)
            .map_err(|cause| Exit::lost("restoring", cause))?;
        self.busy |= step.moved;
        self.unanswered = true;
        self.driver.observer.restored(&step);
        if step.restored.is_empty() {
            return Ok(());
        }
        self.apply(Event::Assigned(&step.restored));
        let inputs = step.restored.iter().map(|start| &start.input);
        self.resume(inputs.filter(|input| self.flows(**input)));
        Ok(())
    }

    /// These go, restored or not.
    fn abandon(&mut self, inputs: &BTreeSet<InputPartition>) -> Result<(), Exit> {
        let Some(restoring) = &mut self.restoring else { return Ok(()) };
        let numbers = restoring.abandon(inputs).map_err(|cause| Exit::lost("restoring", cause))?;
        for number in numbers {
            self.driver.engine.stage_mut().restore_abandoned(number);
        }
        Ok(())
    }

    /// Nothing more is restored: the session ends.
    pub(super) fn abandon_restoring(&mut self) {
        let Some(restoring) = &mut self.restoring else { return };
        for number in restoring.abandon_all() {
            self.driver.engine.stage_mut().restore_abandoned(number);
        }
    }
}
