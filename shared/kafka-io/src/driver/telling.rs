//! What others are told of a running stage, and what is looked after beside the work.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use pipeline::Source;

use super::observer::Seen;
use super::restoring::Restoring;
use super::session::{Ended, Exit, Session};
use super::stage::KafkaStage;
use super::watchdog::Finding;
use crate::inquirer::watermarks_of;
use crate::raw;

/// How often lag is looked up, and counts are told while the loop is busy.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl<S: KafkaStage> Session<'_, '_, S> {
    /// Tells what others may know: at once when the loop comes to rest, now and then while it is busy.
    pub(super) fn observe(&mut self) -> Result<(), Exit> {
        let due = self.looked_up.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
        if due {
            self.looked_up = Some(Instant::now());
            self.lag = self.lag();
            // Serves the log lines of a client that is only ever asked.
            let _nothing_comes = self.clients.ends.poll(Duration::ZERO);
            if let Some(refusal) = self.clients.refusal() {
                return Err(Exit::Ended(Ended::Broken(refusal)));
            }
            self.watch()?;
        }
        if due || !self.busy {
            self.tell(true);
        }
        Ok(())
    }

    /// Tells others what they may know; one that `lives` may be ready.
    pub(super) fn tell(&mut self, lives: bool) {
        self.tell_poisoned();
        self.tell_deferred();
        let engine = &self.driver.engine;
        let violations = engine.violations();
        let waits_for = if lives { self.waits_for() } else { Some("its clients are made anew".to_owned()) };
        let seen = Seen {
            counts: engine.counts(),
            waiting: self.lag,
            partitions: self.group.owned().len(),
            table_records: self.driver.table_records,
            tables_loading: self.tables.as_ref().map_or(0, |tables| tables.loading()),
            violations: violations.iter().sum(),
            poisoned: self.poisoned.len(),
            restoring: self.restoring.as_ref().map_or(0, Restoring::len),
            deferred: self.deferred.len(),
            blocked: self.watchdog.blocked(),
            stalls: self.driver.stalls,
            ready: waits_for.is_none(),
            waits_for: waits_for.unwrap_or_default(),
        };
        let notes = engine.stage().notes();
        self.driver.observer.note(&notes);
        self.driver.observer.tell(seen, violations);
    }

    /// What keeps the stage from being ready.
    fn waits_for(&self) -> Option<String> {
        if self.draining {
            return Some("draining".to_owned());
        }
        if !self.group.has_joined() {
            return Some("no partitions yet".to_owned());
        }
        if let Some(restoring) = self.restoring.as_ref().filter(|restoring| !restoring.is_idle()) {
            return Some(format!("restoring, {} %", restoring.percent()));
        }
        if let Some(tables) = self.tables.as_ref().filter(|tables| tables.loading() > 0 || tables.stuck() > 0)
        {
            return Some(match tables.stuck() {
                0 => format!("{} table partitions are loading", tables.loading()),
                stuck => format!("{stuck} table partitions can't be read now"),
            });
        }
        if !self.poisoned.is_empty() {
            return Some(format!("{} partitions are poisoned", self.poisoned.len()));
        }
        (!self.deferred.is_empty())
            .then(|| format!("records of {} partitions can't be judged now", self.deferred.len()))
    }

    /// One line when a partition begins to wait, or waits for something else.
    fn tell_deferred(&mut self) {
        let deferred: BTreeMap<Source, String> =
            self.driver.engine.deferred().map(|(source, cause)| (source, cause.to_owned())).collect();
        for (source, cause) in
            deferred.iter().filter(|(source, cause)| self.deferred.get(source) != Some(cause))
        {
            let (group, topic) = (&self.driver.group, self.driver.inputs.topic(*source).name());
            tracing::warn!(
                group,
                topic,
                partition = source.partition,
                cause,
                "records can't be judged now, their partition waits"
            );
        }
        for source in self.deferred.keys().filter(|source| !deferred.contains_key(source)) {
            let (group, topic) = (&self.driver.group, self.driver.inputs.topic(*source).name());
            tracing::info!(group, topic, partition = source.partition, "a partition waits no longer");
        }
        self.deferred = deferred;
    }

    fn tell_poisoned(&mut self) {
        let poisoned: BTreeSet<Source> = self.driver.engine.poisoned().collect();
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
    }

    /// Looks after partitions that are silent: asks for one of them at most.
    fn watch(&mut self) -> Result<(), Exit> {
        let now = self.driver.now().monotonic;
        let waiting = self.waiting.sources();
        // Until a rebalance is answered, librdkafka pauses what this member keeps as well.
        let rebalances = self.group.is_leaving() || !self.changes.is_empty();
        let flowing: Vec<(Source, i64)> = self
            .group
            .owned()
            .filter(|(source, _)| !rebalances && self.flows(**source) && !waiting.contains(source))
            .map(|(source, position)| (*source, *position))
            .collect();
        self.watchdog.see(flowing, now);
        let Some(source) = self.watchdog.next(now) else { return Ok(()) };
        let (topic, partition) = (self.driver.inputs.topic(source).name(), source.partition);
        let patience = Duration::from_millis(self.driver.kafka.query_timeout_ms.into());
        // A client that reads committed records is told the last stable offset as the end.
        let ends = watermarks_of(&self.clients.work, topic, partition, patience).and_then(|(_, stable)| {
            Ok((stable, watermarks_of(&self.clients.ends, topic, partition, patience)?.1))
        });
        let now = self.driver.now().monotonic;
        let (stable, end) = match ends {
            Ok(ends) => ends,
            Err(error) => {
                tracing::debug!(topic, partition, %error, "the watchdog has no answer");
                self.watchdog.unanswered(source, now);
                return Ok(());
            }
        };
        let Finding::Stalled { silent } = self.watchdog.answered(source, stable, end, now) else {
            return Ok(());
        };
        let (group, silent_ms) = (&self.driver.group, silent.as_millis());
        tracing::error!(
            group,
            topic,
            partition,
            stable,
            silent_ms,
            "records wait and none are fetched, clients made anew"
        );
        self.driver.stalls += 1;
        Err(Exit::Ended(Ended::Stalled))
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
