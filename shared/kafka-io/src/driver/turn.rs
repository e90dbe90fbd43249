//! The second half of a turn: what came back, and what the engine wants done.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pipeline::{Action, BatchId, Event, InputPartition, Position, Stop};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::Offset;

use super::Driver;
use super::output::Outcome;
use super::session::{Ended, Exit, Session};
use super::stage::KafkaStage;
use crate::call_error::CallError;
use crate::record::OutRecord;

/// Completions taken in one turn.
const COMPLETIONS_A_TURN: usize = 1_024;

impl<S: KafkaStage> Session<'_, '_, S> {
    pub(super) fn take_completions(&mut self) {
        for _ in 0..COMPLETIONS_A_TURN {
            let Ok(completion) = self.driver.completed.receiver.try_recv() else { return };
            self.busy = true;
            self.apply(Event::Completed(completion));
        }
    }

    pub(super) fn take_acknowledgements(&mut self) -> Result<(), Exit> {
        if let Some((batch, outcome)) = self.output.settled()? {
            self.busy = true;
            self.resolve(batch, outcome)?;
        }
        Ok(())
    }

    /// Performs what the engine asks for until it asks for nothing more, but begins one batch at most: between two, the group
    /// and the tables are heard.
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
            self.press(&mut changed);
            if !performed {
                return Ok(());
            }
        }
    }

    /// `changed`: the inputs that were paused or let flow before and of which the client doesn't know yet.
    fn perform(&mut self, action: Action, changed: &mut BTreeSet<InputPartition>) -> Result<(), Exit> {
        if !matches!(action, Action::Pause(_) | Action::Resume(_)) {
            self.press(changed);
        }
        match action {
            Action::Transact { batch, positions } => self.transact(batch, &positions),
            Action::Produce { batch } => {
                let outputs: Vec<&OutRecord> = self.driver.engine.batch(batch).collect();
                self.driver.observer.produced(outputs.len());
                self.output.produce(batch, outputs.into_iter())?;
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
                    self.driver.observer.spent_budgets.increment(1);
                    let (group, partitions) = (&self.driver.group, inputs.len());
                    tracing::warn!(
                        group,
                        partitions,
                        left,
                        "the drain budget is spent, unfinished records come again to the next owner"
                    );
                }
                match self.group.drained(&inputs) {
                    Some(all) => self.give_back(&all),
                    None => Ok(()),
                }
            }
            Action::Stop(stop) => {
                if matches!(stop, Stop::DrainTimedOut { .. }) {
                    self.driver.observer.spent_budgets.increment(1);
                }
                Err(Exit::Ended(Ended::Stopped(stop)))
            }
        }
    }

    /// A paused input begins again at this offset when it flows again.
    fn rewind(&mut self, input: InputPartition, offset: i64) -> Result<(), Exit> {
        self.waiting.forget(&BTreeSet::from([input]));
        self.group.fetched(input, offset);
        let topic = self.driver.inputs.topic(input);
        let patience = Duration::from_millis(self.driver.kafka.query_timeout_ms.into());
        self.clients.work.seek(topic.name(), input.partition, Offset::Offset(offset), patience).map_err(
            |error| {
                Exit::lost(
                    "work",
                    format!("can't go back to offset {offset} of {topic}[{}]: {error}", input.partition),
                )
            },
        )
    }

    fn transact(&mut self, batch: BatchId, positions: &[Position]) -> Result<(), Exit> {
        let begun = Instant::now();
        let outputs: Vec<&OutRecord> = self.driver.engine.batch(batch).collect();
        self.driver.observer.produced(outputs.len());
        let positions = self.driver.inputs.positions(positions);
        // Each call below is bounded by the transaction's timeout, and is progress while it lasts.
        (self.driver.observer.hooks.heartbeat)();
        let give_up = &mut *self.driver.observer.hooks.give_up;
        let outcome =
            match self.output.transact(outputs.into_iter(), &positions, &self.clients.work, give_up)? {
                Ok(()) => Outcome::Committed,
                Err(fault) => {
                    (self.driver.observer.hooks.heartbeat)();
                    self.output.abort(fault)?
                }
            };
        self.driver.observer.commit_ms.record(begun.elapsed().as_secs_f64() * 1_000.0);
        self.resolve(batch, outcome)
    }

    fn resolve(&mut self, batch: BatchId, outcome: Outcome) -> Result<(), Exit> {
        match outcome {
            Outcome::Committed => {
                self.not_in_vain();
                self.driver.observer.batch("committed");
                self.apply(Event::Committed(batch));
            }
            Outcome::Delivered => {
                self.not_in_vain();
                self.driver.observer.batch("delivered");
                self.apply(Event::Delivered(batch));
            }
            Outcome::Aborted(fault) => {
                tracing::info!(group = self.driver.group, %fault, "transaction aborted, its outputs are produced again");
                self.driver.observer.batch("aborted");
                self.apply(Event::Aborted(batch));
            }
            Outcome::AbortedInDoubt(fault) => {
                self.renew_output(&fault)?;
                self.driver.observer.batch("aborted");
                self.apply(Event::Aborted(batch));
            }
            Outcome::Failed(cause) => {
                tracing::warn!(
                    group = self.driver.group,
                    cause,
                    "a batch was not acknowledged, it is produced again"
                );
                self.driver.observer.batch("failed");
                self.apply(Event::DeliveryFailed(batch));
            }
            Outcome::Broken(fault) => return Err(Exit::Ended(Ended::Broken(fault))),
        }
        Ok(())
    }

    fn renew_output(&mut self, fault: &CallError) -> Result<(), Exit> {
        let Driver { kafka, group, wake, observer, .. } = &mut *self.driver;
        tracing::warn!(group, %fault, "transaction aborted with outputs in doubt, the producer is made anew");
        observer.rebuilds.increment(1);
        (observer.hooks.heartbeat)();
        let renewed = self.output.renew(kafka, group, wake.clone())?;
        renewed.map_err(|fault| Exit::Ended(Ended::Broken(fault)))
    }

    fn not_in_vain(&mut self) {
        if let Some(last) = &mut self.driver.rebuilt {
            last.in_vain = false;
        }
    }

    /// Asks for a commit; the fetch brings its answer, so that the loop stays alive meanwhile.
    fn commit(&mut self, positions: &[Position]) {
        let list = self.driver.inputs.positions(positions);
        match self.work.commit(&list) {
            Ok(()) => self.commit_asked = Some(Instant::now()),
            Err(code) => self.commit_answered(Err(code)),
        }
    }

    pub(super) fn commit_answered(&mut self, answer: Result<(), RDKafkaErrorCode>) {
        self.busy = true;
        self.commit_asked = None;
        match answer {
            Ok(()) => {
                self.not_in_vain();
                self.apply(Event::OffsetsCommitted);
            }
            Err(code) => {
                tracing::info!(group = self.driver.group, %code, "offsets were not committed, a later commit carries them");
                self.apply(Event::OffsetCommitFailed);
            }
        }
    }

    /// While the stage lives a commit may take what librdkafka gives it: given up sooner, it might still be made, behind a later
    /// one. At the end nothing comes behind it, and the process has its own patience.
    pub(super) fn bound_last_commit(&mut self) {
        let patience = Duration::from_millis(self.driver.kafka.commit_timeout_ms.into());
        if self.draining && self.commit_asked.is_some_and(|asked| asked.elapsed() >= patience) {
            self.late_commits += 1;
            self.commit_answered(Err(RDKafkaErrorCode::OperationTimedOut));
        }
    }
}
