//! One instance of a service: a real stage under the real engine, and clients that poll, restore, perform actions and crash as the
//! driver of `kafka-io` does.

mod actions;

use std::collections::{BTreeMap, BTreeSet};

use kafka_io::{InRecord, KafkaStage, TableScope};
use kit::SaturatingFrom;
use pipeline::{Engine, Event, InputPartition, Options, Position, Start};
use tapeline::audit::Stage;

use crate::defects::Defect;
use crate::group::GroupEvent;
use crate::kafka::{Kafka, partition_of};
use crate::log::At;
use crate::oracle::{Broken, broken};
use crate::request::{Outcome, Progress, Request};
use crate::tables::{Restorations, Tables};

/// Records of one fetch.
const FETCH_RECORDS_MAX: u64 = 8;

/// Completes one job of the stage's workers, if there is one.
pub(crate) type Work<C> = Box<dyn FnMut(&mut Kafka) -> Option<C>>;

/// State of an instance after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Running,
    Ended,
}

/// An instance of any stage.
pub(crate) trait Member {
    fn stage(&self) -> Stage;
    /// Runs one random step.
    fn step(&mut self, kafka: &mut Kafka) -> Result<Life, Broken>;
    /// Ends the process without a drain.
    fn crash(&mut self, kafka: &mut Kafka);
    /// Recreates the clients; the process continues.
    fn recreate_clients(&mut self, kafka: &mut Kafka);
    fn shut_down(&mut self, kafka: &mut Kafka);
    fn is_at_rest(&self, kafka: &Kafka) -> bool;
}

/// The client's fetch state of a partition.
#[derive(Debug)]
struct Fetch {
    next: i64,
    paused: bool,
    /// The last end that the engine was notified of.
    end_reached: Option<i64>,
}

pub(crate) struct Instance<S: KafkaStage> {
    stage: Stage,
    id: u32,
    engine: Engine<S>,
    work: Work<S::Completion>,
    defect: Option<Defect>,
    fetches: BTreeMap<InputPartition, Fetch>,
    restorations: Restorations,
    tables: Tables,
    globals: Tables,
    request: Option<Request>,
    /// Inputs of the current revocation that are not drained yet, and all of them.
    draining: BTreeSet<InputPartition>,
    revoked: BTreeSet<InputPartition>,
    ending: bool,
}

impl<S: KafkaStage> Instance<S> {
    pub(crate) fn start(
        (stage, id): (Stage, u32),
        (rules, work): (S, Work<S::Completion>),
        options: Options,
        defect: Option<Defect>,
        kafka: &mut Kafka,
    ) -> Self {
        let (group, rng) = kafka.group(stage);
        group.join(id, rng);
        let mut instance = Self {
            stage,
            id,
            engine: Engine::new(rules, options).measuring_outputs(kafka_io::OutRecord::memory_bytes),
            work,
            defect,
            fetches: BTreeMap::new(),
            restorations: Restorations::default(),
            tables: Tables::new(TableScope::CoPartitioned),
            globals: Tables::new(TableScope::Global),
            request: None,
            draining: BTreeSet::new(),
            revoked: BTreeSet::new(),
            ending: false,
        };
        instance.follow_globals(kafka);
        instance
    }

    fn follow_globals(&mut self, kafka: &Kafka) {
        let globals = self.engine.stage().globals();
        self.globals.follow(&globals, self.engine.stage_mut(), kafka);
    }

    fn table_partitions(&self, numbers: impl Iterator<Item = i32>) -> BTreeSet<At> {
        let topics = self.engine.stage().tables();
        numbers.flat_map(|number| topics.iter().map(move |topic| (*topic, number))).collect()
    }

    fn follow_tables(&mut self, kafka: &Kafka) {
        let partitions = self.table_partitions(self.fetches.keys().map(|input| input.partition));
        self.tables.follow(&partitions, self.engine.stage_mut(), kafka);
    }

    fn poll_group(&mut self, kafka: &mut Kafka) -> Result<(), Broken> {
        let draining = !self.draining.is_empty();
        let Some(event) = kafka.group(self.stage).0.poll(self.id, draining) else { return self.fetch(kafka) };
        match event {
            GroupEvent::Assigned(start) => self.assign(start, kafka),
            GroupEvent::Revoked(inputs) => {
                self.cancel_restorations(&inputs, kafka);
                let list: Vec<InputPartition> = inputs.iter().copied().collect();
                if self.defect == Some(Defect::KeepsEmissionsOverRevocation) {
                    list.iter()
                        .for_each(|input| kafka.group(self.stage).0.acknowledge_revocation(self.id, *input));
                }
                self.draining.clone_from(&inputs);
                self.revoked = inputs;
                self.engine.apply(Event::Revoked(&list), kafka.now);
            }
            GroupEvent::Lost => {
                let inputs: BTreeSet<InputPartition> = self.fetches.keys().copied().collect();
                self.cancel_restorations(&inputs, kafka);
                self.draining.clear();
                self.fetches.clear();
                let list: Vec<InputPartition> = inputs.into_iter().collect();
                self.engine.apply(Event::Lost(&list), kafka.now);
                self.follow_tables(kafka);
                let (group, rng) = kafka.group(self.stage);
                group.join(self.id, rng);
            }
        }
        Ok(())
    }

    fn assign(&mut self, start: Start, kafka: &mut Kafka) {
        let fetch = Fetch { next: start.position, paused: false, end_reached: None };
        self.fetches.insert(start.input, fetch);
        if self.ending || self.engine.stage().restores().is_empty() {
            self.engine.apply(Event::Assigned(&[start]), kafka.now);
        } else {
            self.restorations.begin(start, self.engine.stage());
        }
        self.follow_tables(kafka);
    }

    fn cancel_restorations(&mut self, inputs: &BTreeSet<InputPartition>, kafka: &mut Kafka) {
        let cancelled = self.restorations.cancel(inputs);
        self.abandon(cancelled, kafka);
    }

    fn abandon(&mut self, cancelled: Vec<i32>, kafka: &mut Kafka) {
        for number in cancelled {
            kafka.counts.cancelled += 1;
            self.engine.stage_mut().restore_abandoned(number);
        }
    }

    /// Fetches records of one partition and passes them to the engine, after the ends of the tables.
    fn fetch(&mut self, kafka: &mut Kafka) -> Result<(), Broken> {
        let is_fetched = |(input, fetch): &(&InputPartition, &Fetch)| {
            !fetch.paused && !self.ending && !self.restorations.contains(**input)
        };
        let fetched: Vec<InputPartition> =
            self.fetches.iter().filter(is_fetched).map(|(input, _)| *input).collect();
        let Some(&input) = kafka.rng.pick(&fetched) else { return self.tick(kafka) };
        let Some(fetch) = self.fetches.get_mut(&input) else { return Ok(()) };
        let max = usize::saturating_from(1 + kafka.rng.below(FETCH_RECORDS_MAX));
        let (records, next) = kafka.log.read(partition_of(self.stage, input), fetch.next, max);
        fetch.next = next;
        if records.is_empty() {
            if fetch.end_reached == Some(next) && !kafka.rng.chance(10) {
                return self.tick(kafka);
            }
            fetch.end_reached = Some(next);
            self.engine.apply(Event::EndReached(input, next), kafka.now);
            return Ok(());
        }
        let records: Vec<_> =
            records.into_iter().map(|(offset, entry)| (offset, entry.stored(offset))).collect();
        if self.defect != Some(Defect::QueriesNoTableEnds(self.stage)) {
            let tables = self.table_partitions([input.partition].into_iter());
            let globals = self.engine.stage().globals();
            let stage = self.engine.stage_mut();
            let ahead = self.tables.update_ends(tables.into_iter(), stage, kafka)
                | self.globals.update_ends(globals.into_iter(), stage, kafka);
            kafka.counts.ahead_of_tables += u64::from(ahead);
        }
        let epoch = self.engine.epoch(input);
        let mut run =
            records.iter().map(|(offset, stored)| (*offset, InRecord { epoch, ..stored.as_input() }));
        self.engine.apply(Event::Records(input, &mut run), kafka.now);
        Ok(())
    }

    fn tick(&mut self, kafka: &Kafka) -> Result<(), Broken> {
        self.engine.apply(Event::Tick, kafka.now);
        Ok(())
    }

    fn read_tables(&mut self, kafka: &mut Kafka) {
        let tables = if kafka.rng.chance(70) { &mut self.tables } else { &mut self.globals };
        let skips = self.defect == Some(Defect::SkipsTables(self.stage));
        tables.read(self.engine.stage_mut(), kafka, skips);
        self.engine.apply(Event::Tick, kafka.now);
    }

    fn restore(&mut self, kafka: &mut Kafka) {
        let starts = self.restorations.read(self.engine.stage_mut(), kafka, self.defect);
        if !starts.is_empty() {
            self.engine.apply(Event::Assigned(&starts), kafka.now);
        }
    }

    fn complete_job(&mut self, kafka: &mut Kafka) {
        if self.engine.has_full_outputs() {
            return;
        }
        if let Some(completion) = (self.work)(kafka) {
            self.engine.apply(Event::Completed(completion), kafka.now);
        }
    }

    /// Advances the request in flight, and applies its outcome if there is one.
    fn advance(&mut self, kafka: &mut Kafka) -> Result<(), Broken> {
        let Some(request) = self.request.take() else { return Ok(()) };
        let outcome = match request.advance((self.stage, self.id), kafka)? {
            Progress::Open(request) => {
                self.request = Some(request);
                return Ok(());
            }
            Progress::Unknown(request) => {
                self.request = Some(request);
                self.recreate(kafka);
                return Ok(());
            }
            Progress::Completed(outcome) => outcome,
        };
        let (event, committed) = match outcome {
            Outcome::Committed(batch, positions) => (Event::Committed(batch), positions),
            Outcome::Aborted(batch) if self.defect == Some(Defect::DropsAbortedBatch) => {
                (Event::Committed(batch), Vec::new())
            }
            Outcome::Aborted(batch) => (Event::Aborted(batch), Vec::new()),
            Outcome::OffsetsCommitted(positions) => (Event::OffsetsCommitted, positions),
            Outcome::OffsetCommitFailed => (Event::OffsetCommitFailed, Vec::new()),
        };
        self.engine.apply(event, kafka.now);
        self.check_prefix(&committed)
    }

    /// Checks P2: a committed prefix is resolved.
    fn check_prefix(&self, committed: &[Position]) -> Result<(), Broken> {
        let is_ahead = |position: &&Position| {
            self.engine.positions(position.input).is_some_and(|(prefix, _)| position.offset > prefix)
        };
        match committed.iter().find(is_ahead) {
            Some(position) => broken("P2", format!("{}: committed {position:?}", self.stage.name())),
            None => Ok(()),
        }
    }

    /// Leaves the group, and the request in flight as it is.
    fn vanish(&mut self, kafka: &mut Kafka) {
        if let Some(request) = self.request.take() {
            request.orphan(self.stage, kafka);
        }
        let (group, rng) = kafka.group(self.stage);
        group.leave(self.id, rng);
    }

    fn recreate(&mut self, kafka: &mut Kafka) {
        self.vanish(kafka);
        let cancelled = self.restorations.cancel_all();
        self.abandon(cancelled, kafka);
        self.fetches.clear();
        self.draining.clear();
        let stage = self.engine.stage_mut();
        self.globals.unfollow(stage);
        self.tables.unfollow(stage);
        self.engine.apply(Event::ClientsRecreated, kafka.now);
        let (group, rng) = kafka.group(self.stage);
        group.join(self.id, rng);
        self.follow_globals(kafka);
    }

    /// Checks P1 to P8 as the engine counts them.
    fn check(&self) -> Result<(), Broken> {
        let (counts, violations) = (self.engine.counts(), self.engine.violations());
        if violations != [0; 8] {
            return broken("violations", format!("{} counts {violations:?}", self.stage.name()));
        }
        match counts.conserve() {
            true => Ok(()),
            false => broken("P1", format!("{} does not conserve: {counts:?}", self.stage.name())),
        }
    }
}

impl<S: KafkaStage> Member for Instance<S> {
    fn stage(&self) -> Stage {
        self.stage
    }

    fn step(&mut self, kafka: &mut Kafka) -> Result<Life, Broken> {
        match kafka.rng.below(100) {
            0..10 => self.poll_group(kafka)?,
            10..35 => self.advance(kafka)?,
            35..60 => self.fetch(kafka)?,
            60..70 => self.read_tables(kafka),
            70..80 => self.restore(kafka),
            80..92 => self.complete_job(kafka),
            _ => self.tick(kafka)?,
        }
        let mut life = Life::Running;
        if kafka.calm || kafka.rng.chance(75) {
            self.engine.settle(kafka.now);
            life = self.perform(kafka)?;
        }
        self.check()?;
        if life == Life::Ended {
            self.count(kafka);
        }
        Ok(life)
    }

    fn crash(&mut self, kafka: &mut Kafka) {
        self.vanish(kafka);
        self.count(kafka);
    }

    fn recreate_clients(&mut self, kafka: &mut Kafka) {
        self.recreate(kafka);
    }

    fn shut_down(&mut self, kafka: &mut Kafka) {
        self.ending = true;
        let cancelled = self.restorations.cancel_all();
        self.abandon(cancelled, kafka);
        self.engine.apply(Event::ShutdownRequested, kafka.now);
    }

    fn is_at_rest(&self, kafka: &Kafka) -> bool {
        let load = self.engine.load();
        let is_idle = self.request.is_none() && load.held == 0 && load.originated == 0 && load.outputs == 0;
        let are_tables_read = self.tables.is_at_rest(kafka) && self.globals.is_at_rest(kafka);
        is_idle && are_tables_read && self.restorations.is_empty() && self.draining.is_empty()
    }
}

impl<S: KafkaStage> Instance<S> {
    /// Adds the counts of an instance that ends.
    fn count(&self, kafka: &mut Kafka) {
        let counts = self.engine.counts();
        kafka.counts.stale_effects += counts.stale_effects;
        kafka.counts.skipped_completed += counts.skipped_completed;
        kafka.counts.released += counts.released;
    }
}
