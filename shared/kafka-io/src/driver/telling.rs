//! What others are told of a running stage, and what is looked after beside the work.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use pipeline::InputPartition;

use super::observer::Seen;
use super::restoring::Restoring;
use super::session::{Ended, Exit, Session};
use super::stage::KafkaStage;
use super::tables::Place;
use super::waits::Standing;
use super::watchdog::Stall;
use crate::partition_ends::stable_and_end;
use crate::raw;

/// How often lag is looked up, and counts are told while the loop is busy.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl<S: KafkaStage> Session<'_, '_, S> {
    /// Tells what others may know: at once when the loop comes to rest, now and then while it is busy.
    pub(super) fn observe(&mut self) -> Result<(), Exit> {
        let due = self.looked_up.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
        if due {
            self.looked_up = Some(Instant::now());
            self.look_at_lag();
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
        let (violations, load) = (engine.violations(), engine.load());
        let waits_for = if lives { self.waits_for() } else { Some("its clients are made anew".to_owned()) };
        let seen = Seen {
            counts: engine.counts(),
            waiting: self.lag,
            oldest: self.oldest,
            held_max: load.held_max,
            paused: load.paused,
            partitions: self.group.owned().len(),
            table_records: self.driver.table_records,
            tables_loading: self.beside.loading(),
            violations: violations.iter().sum(),
            stopped_partitions: self.stopped_partitions.len(),
            restoring: self.restoring.as_ref().map_or(0, Restoring::len),
            deferred: self.deferred.len(),
            degraded: self.beside.degraded(),
            degraded_by: self.beside.degraded_by(),
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
        match (self.beside.loading(), self.beside.stuck()) {
            (0, 0) => {}
            (loading, 0) => return Some(format!("{loading} table partitions are loading")),
            (_, stuck) => return Some(format!("{stuck} table partitions can't be read now")),
        }
        if !self.stopped_partitions.is_empty() {
            return Some(format!("{} partitions are stopped", self.stopped_partitions.len()));
        }
        (!self.deferred.is_empty())
            .then(|| format!("records of {} partitions can't be judged now", self.deferred.len()))
    }

    /// One line when a partition begins to wait, or waits for something else.
    fn tell_deferred(&mut self) {
        let deferred: BTreeMap<InputPartition, String> =
            self.driver.engine.deferred().map(|(input, cause)| (input, cause.to_owned())).collect();
        for (input, cause) in deferred.iter().filter(|(input, cause)| self.deferred.get(input) != Some(cause))
        {
            let (group, topic) = (&self.driver.group, self.driver.inputs.topic(*input).name());
            tracing::warn!(
                group,
                topic,
                partition = input.partition,
                cause,
                "records can't be judged now, their partition waits"
            );
        }
        for input in self.deferred.keys().filter(|input| !deferred.contains_key(input)) {
            let (group, topic) = (&self.driver.group, self.driver.inputs.topic(*input).name());
            tracing::info!(group, topic, partition = input.partition, "a partition waits no longer");
        }
        self.deferred = deferred;
    }

    fn tell_poisoned(&mut self) {
        let stopped_partitions: BTreeSet<InputPartition> = self.driver.engine.stopped_partitions().collect();
        for input in stopped_partitions.difference(&self.stopped_partitions) {
            let topic = self.driver.inputs.topic(*input).name();
            tracing::error!(
                group = self.driver.group,
                topic,
                partition = input.partition,
                "a partition is stopped_partitions: too many rejects in a row, nothing more of it is read until it is assigned again"
            );
        }
        self.stopped_partitions = stopped_partitions;
    }

    /// Looks after partitions that are silent, of the work, of the tables, and of what is restored.
    fn watch(&mut self) -> Result<(), Exit> {
        let stall = self.watch_work().or_else(|| self.watch_tables()).or_else(|| self.watch_restoring());
        let Some(stall) = stall else { return Ok(()) };
        let Stall { place: (topic, partition), stable, silent } = stall;
        let (group, silent_ms) = (&self.driver.group, silent.as_millis());
        tracing::error!(
            group,
            %topic,
            partition,
            stable,
            silent_ms,
            "records wait and none are fetched, clients made anew"
        );
        self.driver.stalls += 1;
        Err(Exit::Ended(Ended::Stalled))
    }

    fn watch_work(&mut self) -> Option<Stall<Place>> {
        let waiting = self.waiting.inputs();
        // Until a rebalance is answered, librdkafka pauses what this member keeps as well.
        let rebalances = self.group.is_leaving() || !self.changes.is_empty();
        let flowing: Vec<(InputPartition, i64)> = self
            .group
            .owned()
            .filter(|(input, _)| !rebalances && self.flows(**input) && !waiting.contains(input))
            .map(|(input, position)| (*input, *position))
            .collect();
        let (driver, clients) = (&*self.driver, self.clients);
        let place = |input: InputPartition| (driver.inputs.topic(input), input.partition);
        let stall = self.watchdog.look(
            flowing,
            || driver.now().monotonic,
            |input| stable_and_end(&clients.work, &clients.ends, place(input), driver.query_timeout()),
        )?;
        Some(Stall { place: place(stall.place), stable: stall.stable, silent: stall.silent })
    }

    fn watch_tables(&mut self) -> Option<Stall<Place>> {
        let driver = &*self.driver;
        self.beside.watch(|| driver.now().monotonic)
    }

    fn watch_restoring(&mut self) -> Option<Stall<Place>> {
        let driver = &*self.driver;
        self.restoring.as_mut()?.watch(|| driver.now().monotonic)
    }

    /// Records between what was fetched and where the partitions ended at the last fetch, and how long the oldest waits.
    fn look_at_lag(&mut self) {
        let now = self.driver.now();
        let (engine, inputs, clients) = (&self.driver.engine, &self.driver.inputs, self.clients);
        let stands = |(input, position): (&InputPartition, &i64)| {
            let topic = inputs.topic(*input);
            let end = raw::known_end(&clients.work, topic.name(), input.partition);
            let prefix = engine.positions(*input).map_or(*position, |(prefix, _)| prefix);
            Standing { input: *input, prefix, position: *position, end }
        };
        let standings: Vec<Standing> = self.group.owned().map(stands).collect();
        let behind = standings.iter().filter_map(|at| u64::try_from(at.end? - at.position).ok());
        self.lag = behind.sum();
        self.oldest = self.waits.longest(standings, now);
    }
}
