//! The second half of a turn: what came back, what the engine wants done, and what others are told.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pipeline::{Action, BatchId, Event, Position, Source};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;

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
                self.paused.insert(source);
                self.pause([&source]);
                Ok(())
            }
            Action::Resume(source) => {
                self.paused.remove(&source);
                if !self.choked {
                    self.resume([&source]);
                }
                Ok(())
            }
            Action::AcknowledgeRevocation(sources) => match self.group.drained(&sources) {
                Some(all) => self.give_back(&all),
                None => Ok(()),
            },
            Action::Stop(stop) => Err(Exit::Ended(Ended::Stopped(stop))),
        }
    }

    pub(super) fn pause<'s>(&self, sources: impl IntoIterator<Item = &'s Source>) {
        if let Err(error) = self.clients.work.pause(&self.driver.inputs.list(sources)) {
            tracing::warn!(group = self.driver.group, %error, "can't pause");
        }
    }

    pub(super) fn resume<'s>(&self, sources: impl IntoIterator<Item = &'s Source>) {
        if let Err(error) = self.clients.work.resume(&self.driver.inputs.list(sources)) {
            tracing::warn!(group = self.driver.group, %error, "can't resume");
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
        let poisoned: BTreeSet<Source> = engine.poisoned().collect();
        let tables_loading = self.tables.as_ref().map_or(0, |tables| tables.loading());
        let seen = Seen {
            counts: engine.counts(),
            waiting: self.lag,
            partitions: self.group.owned().len(),
            table_records: self.driver.table_records,
            tables_loading,
            violations: violations.iter().sum(),
            poisoned: poisoned.len(),
            ready: self.group.has_joined() && tables_loading == 0 && poisoned.is_empty() && !self.draining,
        };
        for source in poisoned.difference(&self.poisoned) {
            let topic = self.driver.inputs.topic(*source).name();
            tracing::error!(
                group = self.driver.group,
                topic,
                partition = source.partition,
                "a partition is poisoned: too many rejects in a row, nothing more of it is read until it is assigned again"
            );
        }
        self.poisoned = poisoned;
        let notes = engine.stage().notes();
        self.driver.observer.note(&notes);
        self.driver.observer.tell(seen, violations);
    }

    /// Records between what was fetched and where the partitions ended at the last fetch.
    fn lag(&self) -> u64 {
        let behind = |(source, position): (&Source, &i64)| {
            let topic = self.driver.inputs.topic(*source);
            let end = raw::known_end(&self.clients.work, topic.name(), source.partition)?;
            u64::try_from(end - position).ok()
        };
        self.group.owned().filter_map(behind).sum()
    }
}
