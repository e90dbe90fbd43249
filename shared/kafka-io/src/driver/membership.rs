//! Rebalances: assigned, revoked and lost partitions. They are handled between two fetches, never in a callback of librdkafka.

use std::collections::BTreeSet;
use std::time::Instant;

use pipeline::{Event, InputPartition};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;

use super::assignment::RebalanceEvent;
use super::clients;
use super::session::{Exit, Session};
use super::stage::KafkaStage;

impl<S: KafkaStage> Session<'_, '_, '_, S> {
    pub(super) fn handle_rebalances(&mut self) -> Result<(), Exit> {
        if self.assignment.is_draining() && self.clients.work.assignment_lost() {
            let inputs = self.assignment.cancel_drain();
            self.lose(&inputs)?;
        }
        while let Some(event) = self.rebalance_events.pop_front() {
            self.busy = true;
            match event {
                RebalanceEvent::Assign(partitions) => {
                    if let Err(error) = self.assign(&partitions)? {
                        if let Some(suppressed) = self.assign_limit.admit(Instant::now()) {
                            tracing::warn!(
                                group = self.driver.group,
                                %error,
                                suppressed,
                                "assignment delayed: failed to fetch the committed offsets of the group"
                            );
                        }
                        self.rebalance_events.push_front(RebalanceEvent::Assign(partitions));
                        (self.busy, self.retry_soon) = (false, true);
                        return Ok(());
                    }
                }
                RebalanceEvent::Revoke(partitions) => self.revoke(&partitions)?,
            }
        }
        Ok(())
    }

    /// The inner error means that the start offsets are unknown: the caller retries.
    fn assign(&mut self, partitions: &[(String, i32)]) -> Result<Result<(), KafkaError>, Exit> {
        let inputs = self.driver.inputs.inputs(partitions);
        let (starts, list) = match self.assignment.starts(self.clients, &self.driver.inputs, &inputs) {
            Ok(starts) => starts,
            Err(error) => return Ok(Err(error)),
        };
        let restores = self.restoring.is_some() && !self.draining;
        let assigned = match restores {
            true => clients::assign_paused(&self.clients.work, &starts, &self.driver.inputs),
            false => clients::assign(&self.clients.work, &list),
        };
        if let Err(error) = assigned {
            // The group has begun another rebalance: its next event replaces this one.
            tracing::warn!(group = self.driver.group, %error, "failed to assign partitions");
            return Ok(Ok(()));
        }
        tracing::info!(group = self.driver.group, partitions = starts.len(), "assigned");
        self.assignment.add(&starts);
        match &mut self.restoring {
            Some(restoring) if restores => restoring.begin(starts),
            _ => self.apply(Event::Assigned(&starts)),
        }
        if self.draining {
            self.pause(self.assignment.owned().map(|(input, _)| input));
        }
        self.follow_tables()?;
        Ok(Ok(()))
    }

    fn revoke(&mut self, partitions: &[(String, i32)]) -> Result<(), Exit> {
        let inputs = self.driver.inputs.inputs(partitions);
        self.buffer.discard(&inputs);
        if self.clients.work.assignment_lost() {
            return self.lose(&inputs);
        }
        if inputs.is_empty() {
            return self.unassign(&inputs);
        }
        tracing::info!(group = self.driver.group, partitions = inputs.len(), "revoked, draining");
        let list: Vec<InputPartition> = inputs.iter().copied().collect();
        self.cancel_restoration(&inputs)?;
        self.assignment.begin_drain(inputs);
        self.apply(Event::Revoked(&list));
        Ok(())
    }

    fn lose(&mut self, inputs: &BTreeSet<InputPartition>) -> Result<(), Exit> {
        self.buffer.discard(inputs);
        tracing::warn!(group = self.driver.group, partitions = inputs.len(), "lost to another member");
        let list: Vec<InputPartition> = inputs.iter().copied().collect();
        self.cancel_restoration(inputs)?;
        self.apply(Event::Lost(&list));
        self.unassign(inputs)
    }

    pub(super) fn unassign(&mut self, inputs: &BTreeSet<InputPartition>) -> Result<(), Exit> {
        if let Err(error) = clients::unassign(&self.clients.work, &self.driver.inputs.list(inputs)) {
            tracing::warn!(group = self.driver.group, %error, "failed to unassign partitions");
        }
        self.assignment.remove(inputs);
        self.paused.retain(|input| !inputs.contains(input));
        self.follow_tables()
    }

    pub(super) fn follow_tables(&mut self) -> Result<(), Exit> {
        let numbers = self.assignment.numbers();
        let now = self.driver.now();
        let followed = self.side_inputs.follow(&numbers, self.driver.engine.stage_mut(), now);
        followed.map_err(|error| Exit::consumer_failed("tables", &error.into()))
    }

    pub(super) fn follow_globals(&mut self) -> Result<(), Exit> {
        let now = self.driver.now();
        let followed = self.side_inputs.follow_globals(self.driver.engine.stage_mut(), now);
        followed.map_err(|error| Exit::consumer_failed("tables", &error.into()))
    }

    /// Continues the restoration. A restored partition is assigned to the engine, and the client fetches it from then on.
    pub(super) fn restore(&mut self) -> Result<(), Exit> {
        let Some(restoring) = self.restoring.as_mut().filter(|restoring| !restoring.is_idle()) else {
            return Ok(());
        };
        let now = self.driver.now();
        let restored = restoring
            .read(self.driver.engine.stage_mut(), now)
            .map_err(|error| Exit::consumer_failed("restoring", &error))?;
        self.busy |= restored.has_more;
        self.retry_soon = true;
        self.driver.observer.restored(&restored);
        if restored.starts.is_empty() {
            return Ok(());
        }
        self.apply(Event::Assigned(&restored.starts));
        let inputs = restored.starts.iter().map(|start| &start.input);
        self.resume(inputs.filter(|input| self.fetches(**input)));
        Ok(())
    }

    /// Cancels restoration of revoked partitions.
    fn cancel_restoration(&mut self, inputs: &BTreeSet<InputPartition>) -> Result<(), Exit> {
        let Some(restoring) = &mut self.restoring else { return Ok(()) };
        let cancelled = restoring.cancel(inputs);
        let cancelled = cancelled.map_err(|error| Exit::consumer_failed("restoring", &error.into()))?;
        for number in cancelled {
            self.driver.engine.stage_mut().restore_abandoned(number);
        }
        Ok(())
    }

    /// Cancels all restorations: the session ends, or drains for the shutdown.
    pub(super) fn cancel_restorations(&mut self) {
        let Some(restoring) = &mut self.restoring else { return };
        for number in restoring.cancel_all() {
            self.driver.engine.stage_mut().restore_abandoned(number);
        }
    }
}
