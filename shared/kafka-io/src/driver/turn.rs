//! The second half of a turn: what came back, what the engine wants done, and what others are told.

use std::time::{Duration, Instant};

use pipeline::{Action, BatchId, Event, Position};
use rdkafka::consumer::{CommitMode, Consumer};

use super::observer::Seen;
use super::output::Outcome;
use super::session::{Ended, Exit, Session};
use super::stage::KafkaStage;
use crate::raw;
use crate::record::OutRecord;

/// Completions taken in one turn.
const COMPLETIONS_A_TURN: usize = 1_024;

/// How often lag is looked up, and counts are told while the loop is busy.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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
            let mut performed = false;
            while let Some(action) = self.driver.engine.take_action() {
                performed = true;
                let is_batch = matches!(action, Action::Transact { .. } | Action::Produce { .. });
                self.perform(action)?;
                if is_batch {
                    self.busy = true;
                    return Ok(());
                }
            }
            if !performed {
                return Ok(());
            }
        }
    }

    fn perform(&mut self, action: Action) -> Result<(), Exit> {
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
            Action::Pause(source) => {
                self.flow(self.clients.work.pause(&self.driver.inputs.list([&source])));
                Ok(())
            }
            Action::Resume(source) => {
                self.flow(self.clients.work.resume(&self.driver.inputs.list([&source])));
                Ok(())
            }
            Action::AcknowledgeRevocation(sources) => match self.group.drained(&sources) {
                Some(all) => self.give_back(&all),
                None => Ok(()),
            },
            Action::Stop(stop) => Err(Exit::Ended(Ended::Stopped(stop))),
        }
    }

    fn flow(&self, answer: rdkafka::error::KafkaResult<()>) {
        if let Err(error) = answer {
            tracing::warn!(group = self.driver.group, %error, "can't pause or resume");
        }
    }

    fn transact(&mut self, batch: BatchId, positions: &[Position]) -> Result<(), Exit> {
        let begun = Instant::now();
        let outputs: Vec<&OutRecord> = self.driver.engine.batch(batch).collect();
        self.driver.observer.produced(outputs.len());
        let positions = self.driver.inputs.positions(positions);
        // Each call below is bounded by the transaction's timeout, and is progress while it lasts.
        (self.driver.observer.hooks.heartbeat)();
        let outcome = match self.output.transact(outputs.into_iter(), &positions, &self.clients.work)? {
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

    fn not_in_vain(&mut self) {
        if let Some(last) = &mut self.driver.rebuilt {
            last.in_vain = false;
        }
    }

    fn commit(&mut self, positions: &[Position]) {
        let list = self.driver.inputs.positions(positions);
        match self.clients.work.commit(&list, CommitMode::Sync) {
            Ok(()) => self.apply(Event::OffsetsCommitted),
            Err(error) => {
                tracing::info!(group = self.driver.group, %error, "offsets were not committed, a later commit carries them");
                self.apply(Event::OffsetCommitFailed);
            }
        }
    }

    /// Tells what others may know: at once when the loop comes to rest, now and then while it is busy.
    pub(super) fn observe(&mut self) {
        let due = self.looked_up.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
        if due {
            self.looked_up = Some(Instant::now());
            self.lag = self.lag();
            // Serves the log lines of a client that is only ever asked.
            let _nothing_comes = self.clients.ends.poll(Duration::ZERO);
        }
        if due || !self.busy {
            self.tell();
        }
    }

    pub(super) fn tell(&mut self) {
        let engine = &self.driver.engine;
        let violations = engine.violations();
        let tables_loading = self.tables.as_ref().map_or(0, |tables| tables.loading());
        let seen = Seen {
            counts: engine.counts(),
            waiting: self.lag,
            partitions: self.group.owned().len(),
            table_records: self.driver.table_records,
            tables_loading,
            violations: violations.iter().sum(),
            ready: self.group.has_joined() && tables_loading == 0 && !self.draining,
        };
        let notes = engine.stage().notes();
        self.driver.observer.note(&notes);
        self.driver.observer.tell(seen, violations);
    }

    /// Records between what was fetched and where the partitions ended at the last fetch.
    fn lag(&self) -> u64 {
        let behind = |(source, position): (&pipeline::Source, &i64)| {
            let topic = self.driver.inputs.topic(*source);
            let end = raw::known_end(&self.clients.work, topic.name(), source.partition)?;
            u64::try_from(end - position).ok()
        };
        self.group.owned().filter_map(behind).sum()
    }
}
