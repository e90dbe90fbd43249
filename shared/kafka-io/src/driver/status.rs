//! Stage status and the stall watchdog.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kit::SaturatingFrom;
use pipeline::InputPartition;

use super::fetch_buffer::{BYTES_MAX, RECORDS_MAX};
use super::inputs::TopicPartition;
use super::observer::StageStatus;
use super::record_age::InputOffsets;
use super::restoring::Restoring;
use super::session::{Ended, Exit, Session};
use super::stage::{Bound, KafkaStage};
use super::watchdog::Stall;
use crate::metric_names::BOUNDS;
use crate::partition_ends::stable_and_end;
use crate::raw;

/// Interval of the lag update, of the watchdog, and of the status of a busy loop.
const UPDATE_INTERVAL: Duration = Duration::from_millis(100);

impl<S: KafkaStage> Session<'_, '_, '_, S> {
    /// Updates lag and watchdog if they are due, and publishes the status then and whenever the loop is idle.
    pub(super) fn update_status(&mut self) -> Result<(), Exit> {
        let due = self.status_updated.is_none_or(|at| at.elapsed() >= UPDATE_INTERVAL);
        if due {
            self.status_updated = Some(Instant::now());
            self.update_lag();
            self.followers.serve();
            if let Some(error) = self.clients.permanent_error().or_else(|| self.followers.permanent_error()) {
                return Err(Exit::Ended(Ended::Broken(error)));
            }
            self.check_stalls()?;
        }
        if due || !self.busy {
            self.publish_status(true);
        }
        Ok(())
    }

    /// Publishes the status. A session that `is_running` may be ready.
    pub(super) fn publish_status(&mut self, is_running: bool) {
        self.update_stopped();
        self.update_deferred();
        let engine = &self.driver.engine;
        let (violations, load) = (engine.violations(), engine.load());
        let unready_cause =
            if is_running { self.unready_cause() } else { Some("recreating Kafka clients".to_owned()) };
        let [held, outputs, output_bytes, originated, fetched, fetched_bytes] = BOUNDS;
        let bound = |name, used: usize, limit: usize| {
            let [used, limit] = [used, limit].map(u64::saturating_from);
            Bound { name, used, limit }
        };
        let mut bounds = vec![
            Bound { name: held, used: load.held, limit: load.held_max },
            bound(outputs, load.outputs, load.outputs_max),
            bound(output_bytes, load.outputs_bytes, load.outputs_bytes_max),
            bound(originated, load.originated, load.originated_max),
            bound(fetched, self.buffer.len(), RECORDS_MAX),
            bound(fetched_bytes, self.buffer.bytes(), BYTES_MAX),
        ];
        bounds.extend(engine.stage().bounds());
        let status = StageStatus {
            counts: engine.counts(),
            lag: self.lag,
            oldest: self.oldest,
            ends_known: self.ends_known && !self.driver.observer.brokers.is_unreachable(),
            held_max: load.held_max,
            bounds,
            paused: load.paused,
            partitions: self.assignment.owned().len(),
            table_records: self.driver.table_records,
            tables_loading: self.side_inputs.loading(),
            violations: violations.iter().sum(),
            stopped_partitions: self.stopped_partitions.len(),
            restoring: self.restoring.as_ref().map_or(0, Restoring::len),
            deferred: self.deferred.len(),
            degraded: self.side_inputs.degraded(),
            degraded_by: self.side_inputs.degraded_by(),
            blocked: self.watchdog.blocked(),
            stalls: self.driver.stalls,
            ready: unready_cause.is_none(),
            unready_cause: unready_cause.unwrap_or_default(),
        };
        let notes = engine.stage().notes();
        self.driver.observer.record_notes(&notes);
        self.driver.observer.publish(status, violations);
    }

    /// Returns why the stage is not ready. `None` if it is.
    fn unready_cause(&self) -> Option<String> {
        if self.draining {
            return Some("draining".to_owned());
        }
        if !self.assignment.has_joined() {
            return Some("no partitions assigned yet".to_owned());
        }
        if let Some(restoring) = self.restoring.as_ref().filter(|restoring| !restoring.is_idle()) {
            return Some(format!("restoring, {} %", restoring.percent()));
        }
        match (self.side_inputs.loading(), self.side_inputs.undecoded()) {
            (0, 0) => {}
            (loading, 0) => return Some(format!("{loading} table partitions loading")),
            (_, undecoded) => {
                return Some(format!("{undecoded} table partitions paused: record cannot be decoded yet"));
            }
        }
        if !self.stopped_partitions.is_empty() {
            return Some(format!("{} partitions stopped", self.stopped_partitions.len()));
        }
        (!self.deferred.is_empty())
            .then(|| format!("{} partitions paused: record cannot be decoded yet", self.deferred.len()))
    }

    /// Updates the deferred partitions. Logs once when a partition is deferred, or when its cause changes.
    fn update_deferred(&mut self) {
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
                "partition paused: record cannot be decoded yet"
            );
        }
        for input in self.deferred.keys().filter(|input| !deferred.contains_key(input)) {
            let (group, topic) = (&self.driver.group, self.driver.inputs.topic(*input).name());
            tracing::info!(group, topic, partition = input.partition, "partition resumed: record decoded");
        }
        self.deferred = deferred;
    }

    fn update_stopped(&mut self) {
        let stopped: BTreeSet<InputPartition> = self.driver.engine.stopped_partitions().collect();
        for input in stopped.difference(&self.stopped_partitions) {
            let (group, topic) = (&self.driver.group, self.driver.inputs.topic(*input).name());
            tracing::error!(
                group,
                topic,
                partition = input.partition,
                "partition stopped: too many consecutive dead letters"
            );
        }
        self.stopped_partitions = stopped;
    }

    /// Runs the stall watchdogs of work, tables and restored outputs.
    fn check_stalls(&mut self) -> Result<(), Exit> {
        let stall = self.work_stall().or_else(|| self.table_stall()).or_else(|| self.restoration_stall());
        let Some(stall) = stall else { return Ok(()) };
        let Stall { partition: (topic, partition), stable, unmoved } = stall;
        let (group, unmoved_ms) = (&self.driver.group, unmoved.as_millis());
        tracing::error!(
            group,
            %topic,
            partition,
            stable,
            unmoved_ms,
            "consumer stalled: records available but none fetched, recreating clients"
        );
        self.driver.stalls += 1;
        Err(Exit::Ended(Ended::Stalled))
    }

    fn work_stall(&mut self) -> Option<Stall<TopicPartition>> {
        let buffered = self.buffer.inputs();
        // Until a rebalance is confirmed, librdkafka also pauses the partitions that this member keeps.
        let is_rebalancing = self.assignment.is_draining() || !self.rebalance_events.is_empty();
        let fetched: Vec<(InputPartition, i64)> = self
            .assignment
            .owned()
            .filter(|(input, _)| !is_rebalancing && self.fetches(**input) && !buffered.contains(input))
            .map(|(input, position)| (*input, *position))
            .collect();
        let (driver, work, ends) = (&*self.driver, &self.clients.work, &self.followers.ends);
        let named = |input: InputPartition| (driver.inputs.topic(input), input.partition);
        let stall = self.watchdog.check(
            fetched,
            || driver.now().monotonic,
            |input| stable_and_end(work, ends, named(input), driver.query_timeout()),
        )?;
        Some(Stall { partition: named(stall.partition), stable: stall.stable, unmoved: stall.unmoved })
    }

    fn table_stall(&mut self) -> Option<Stall<TopicPartition>> {
        let driver = &*self.driver;
        self.side_inputs.check_stall(|| driver.now().monotonic)
    }

    fn restoration_stall(&mut self) -> Option<Stall<TopicPartition>> {
        let driver = &*self.driver;
        self.restoring.as_mut()?.check_stall(|| driver.now().monotonic)
    }

    /// Updates the lag, relative to the ends of the partitions at the last fetch, and the age of the oldest unresolved record.
    fn update_lag(&mut self) {
        let now = self.driver.now();
        let (engine, inputs, clients) = (&self.driver.engine, &self.driver.inputs, self.clients);
        let offsets = |(input, position): (&InputPartition, &i64)| {
            let topic = inputs.topic(*input);
            let end = raw::known_end(&clients.work, topic.name(), input.partition);
            let prefix = engine.positions(*input).map_or(*position, |(prefix, _)| prefix);
            InputOffsets { input: *input, prefix, position: *position, end }
        };
        let offsets: Vec<InputOffsets> = self.assignment.owned().map(offsets).collect();
        let unfetched = offsets.iter().filter_map(|at| u64::try_from(at.end? - at.position).ok());
        self.lag = unfetched.sum();
        self.ends_known = offsets.iter().all(|at| at.end.is_some());
        self.oldest = self.record_ages.oldest(offsets, now);
    }
}
