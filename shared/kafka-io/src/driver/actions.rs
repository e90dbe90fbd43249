//! Actions: the second half of an iteration, which receives results and performs what the engine requests.

use std::collections::BTreeSet;
use std::time::Instant;

use pipeline::{Action, BatchId, Event, InputPartition, Position, Stop};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::Offset;

use super::output::BatchOutcome;
use super::session::{Ended, Exit, Session};
use super::stage::KafkaStage;
use super::timeouts;
use crate::call_error::CallError;
use crate::record::OutRecord;

/// Completions received per iteration.
const COMPLETIONS_PER_ITERATION_MAX: usize = 1_024;

impl<S: KafkaStage> Session<'_, '_, '_, S> {
    pub(super) fn receive_completions(&mut self) {
        for _ in 0..COMPLETIONS_PER_ITERATION_MAX {
            // The workers wait meanwhile.
            if self.driver.engine.has_full_outputs() {
                return;
            }
            let Ok(completion) = self.driver.completed.receiver.try_recv() else { return };
            self.busy = true;
            self.apply(Event::Completed(completion));
        }
    }

    pub(super) fn receive_acknowledgements(&mut self) -> Result<(), Exit> {
        if let Some((batch, outcome)) = self.output.take_outcome()? {
            self.busy = true;
            self.batch_finished(batch, outcome)?;
        }
        Ok(())
    }

    /// Settles the engine and performs its actions until there are none, but begins at most one batch: group and tables are polled
    /// between two batches.
    pub(super) fn settle_and_perform(&mut self) -> Result<(), Exit> {
        loop {
            let now = self.driver.now();
            self.driver.engine.settle(now);
            let (mut performed, mut changed) = (false, BTreeSet::new());
            while let Some(action) = self.driver.engine.take_action() {
                performed = true;
                let is_batch = matches!(action, Action::Transact { .. } | Action::Produce { .. });
                self.perform(action, &mut changed)?;
                if is_batch {
                    self.busy = true;
                    return Ok(());
                }
            }
            self.apply_pauses(&mut changed);
            if !performed {
                return Ok(());
            }
        }
    }

    /// Performs an action. `changed` collects the inputs whose pauses are not applied at the client yet.
    fn perform(&mut self, action: Action, changed: &mut BTreeSet<InputPartition>) -> Result<(), Exit> {
        if !matches!(action, Action::Pause(_) | Action::Resume(_)) {
            self.apply_pauses(changed);
        }
        match action {
            Action::Transact { batch, positions } => self.transact(batch, &positions),
            Action::Produce { batch } => {
                let outputs: Vec<&OutRecord> = self.driver.engine.batch(batch).collect();
                self.driver.observer.produced(outputs.len());
                self.output.produce(batch, &outputs)?;
                Ok(())
            }
            Action::Commit { positions } => {
                self.commit(&positions);
                Ok(())
            }
            Action::Pause(input) => {
                self.paused.insert(input);
                changed.insert(input);
                Ok(())
            }
            Action::Resume(input) => {
                self.paused.remove(&input);
                changed.insert(input);
                Ok(())
            }
            Action::Rewind(input, offset) => self.rewind(input, offset),
            Action::AcknowledgeRevocation { inputs, left } => {
                if left > 0 {
                    self.driver.observer.drain_timeouts.increment(1);
                    let (group, partitions) = (&self.driver.group, inputs.len());
                    tracing::warn!(
                        group,
                        partitions,
                        left,
                        "drain timeout exceeded: unfinished records will be redelivered"
                    );
                }
                match self.assignment.drained(&inputs) {
                    Some(all) => self.unassign(&all),
                    None => Ok(()),
                }
            }
            Action::Stop(stop) => {
                if matches!(stop, Stop::DrainTimedOut { .. }) {
                    self.driver.observer.drain_timeouts.increment(1);
                }
                Err(Exit::Ended(Ended::Stopped(stop)))
            }
        }
    }

    /// Seeks a paused input: it continues at this offset when it is resumed.
    fn rewind(&mut self, input: InputPartition, offset: i64) -> Result<(), Exit> {
        self.buffer.discard(&BTreeSet::from([input]));
        self.assignment.set_position(input, offset);
        let (topic, partition) = (self.driver.inputs.topic(input).name(), input.partition);
        let sought =
            self.clients.work.seek(topic, partition, Offset::Offset(offset), self.driver.query_timeout());
        sought.map_err(|error| {
            let text = format!("work: failed to seek to offset {offset} of {topic}[{partition}]: {error}");
            Exit::broken(RDKafkaErrorCode::Fail, text)
        })
    }

    fn transact(&mut self, batch: BatchId, positions: &[Position]) -> Result<(), Exit> {
        let begun = Instant::now();
        let outputs: Vec<&OutRecord> = self.driver.engine.batch(batch).collect();
        self.driver.observer.produced(outputs.len());
        let positions = self.driver.inputs.positions(positions);
        let hooks = &mut self.driver.observer.hooks;
        let outcome = self.output.transact(&outputs, &positions, &self.clients.work, hooks)?;
        self.driver.observer.commit_ms.record(begun.elapsed().as_secs_f64() * 1_000.0);
        self.batch_finished(batch, outcome)
    }

    fn batch_finished(&mut self, batch: BatchId, outcome: BatchOutcome) -> Result<(), Exit> {
        match outcome {
            BatchOutcome::Committed => {
                self.record_success();
                self.driver.observer.batch("committed");
                self.apply(Event::Committed(batch));
            }
            BatchOutcome::Delivered => {
                self.record_success();
                self.driver.observer.batch("delivered");
                self.apply(Event::Delivered(batch));
            }
            BatchOutcome::Aborted(error) => {
                tracing::info!(group = self.driver.group, %error, "transaction aborted: producing its outputs again");
                self.driver.observer.batch("aborted");
                self.apply(Event::Aborted(batch));
            }
            BatchOutcome::AbortedInDoubt(error) => {
                self.recreate_output(&error)?;
                self.driver.observer.batch("aborted");
                self.apply(Event::Aborted(batch));
            }
            BatchOutcome::Failed(cause) => {
                tracing::warn!(
                    group = self.driver.group,
                    cause,
                    "batch not acknowledged: producing it again"
                );
                self.driver.observer.batch("failed");
                self.apply(Event::DeliveryFailed(batch));
            }
            BatchOutcome::Broken(error) => return Err(Exit::producer_failed(error)),
        }
        Ok(())
    }

    fn recreate_output(&mut self, error: &CallError) -> Result<(), Exit> {
        let group = &self.driver.group;
        tracing::warn!(group, %error, "transaction aborted with outputs in doubt: recreating the producer");
        self.driver.observer.client_recreations.increment(1);
        self.output.recreate(self.driver.output_options())?.map_err(Exit::producer_failed)
    }

    /// Records that the current clients have delivered or committed something.
    fn record_success(&mut self) {
        if let Some(last) = &mut self.driver.recreation {
            last.was_useful = true;
        }
    }

    /// Requests a commit. The fetch receives its result, so that the loop continues meanwhile.
    fn commit(&mut self, positions: &[Position]) {
        let list = self.driver.inputs.positions(positions);
        match self.work.commit(&list) {
            Ok(()) => self.commit_requested = Some(Instant::now()),
            Err(code) => self.commit_finished(Err(code)),
        }
    }

    pub(super) fn commit_finished(&mut self, result: Result<(), RDKafkaErrorCode>) {
        self.busy = true;
        self.commit_requested = None;
        match result {
            Ok(()) => {
                self.record_success();
                self.apply(Event::OffsetsCommitted);
            }
            Err(code) => {
                tracing::info!(group = self.driver.group, %code, "offset commit failed: a later commit includes its offsets");
                self.apply(Event::OffsetCommitFailed);
            }
        }
    }

    /// Bounds the last commit of the shutdown drain. Before the shutdown, librdkafka's own timeout applies: a commit that is abandoned
    /// earlier might still be applied after a later one. In the shutdown no commit follows, and the process has a time limit.
    pub(super) fn time_out_last_commit(&mut self) {
        let timeout = timeouts::commit(&self.driver.kafka);
        if self.draining && self.commit_requested.is_some_and(|requested| requested.elapsed() >= timeout) {
            self.abandoned_commits += 1;
            self.commit_finished(Err(RDKafkaErrorCode::OperationTimedOut));
        }
    }
}
