//! One process: an engine and a client that polls, performs actions and crashes.

use std::collections::BTreeMap;

use pipeline::{Action, Event, InputPartition, Start, Stop};

use crate::cluster::Cluster;
use crate::delivery::Delivery;
use crate::events::{GroupEvent, Outcome};
use crate::oracle::{Broken, broken};
use crate::output::Output;
use crate::request::{Progress, Request, Step};
use crate::rules::{Record, Work};
use crate::trace;

/// The client's fetch state of a partition.
#[derive(Debug, Clone)]
struct Fetch {
    start: Start,
    next: i64,
    paused: bool,
}

impl Fetch {
    /// Returns `true` if this offset was completed before the assignment.
    fn is_completed(&self, offset: i64) -> bool {
        offset < self.start.position || self.start.completed.contains(offset)
    }
}

/// State of an instance after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Running,
    Ended,
}

pub(crate) struct Instance<D> {
    id: u32,
    engine: D,
    fetches: BTreeMap<InputPartition, Fetch>,
    request: Option<Request>,
    working: Vec<Work>,
    ending: bool,
}

impl<D: Delivery> Instance<D> {
    pub(crate) fn start(id: u32, engine: D, cluster: &mut Cluster) -> Self {
        cluster.trace.record(&trace::Step::Started(id));
        cluster.join(id);
        Self { id, engine, fetches: BTreeMap::new(), request: None, working: Vec::new(), ending: false }
    }

    /// Runs one random step. Usually the engine settles then; sometimes it receives more events first.
    pub(crate) fn step(&mut self, cluster: &mut Cluster) -> Result<Life, Broken> {
        match cluster.rng.below(100) {
            0..20 => self.poll_events(cluster),
            20..45 => self.advance(cluster)?,
            45..75 => self.poll(cluster),
            75..90 => self.work(cluster),
            _ => self.tick(cluster),
        }
        self.react(cluster)
    }

    fn react(&mut self, cluster: &mut Cluster) -> Result<Life, Broken> {
        let mut life = Life::Running;
        if cluster.calm || cluster.rng.chance(75) {
            self.engine.settle(cluster.now);
            life = self.perform(cluster)?;
        }
        self.check()?;
        Ok(life)
    }

    /// Advances the request in flight, and applies its outcome if there is one.
    fn advance(&mut self, cluster: &mut Cluster) -> Result<(), Broken> {
        let Some(request) = self.request.take() else { return Ok(()) };
        let event = match request.advance(self.id, cluster)? {
            Progress::Open(request) => {
                self.request = Some(request);
                return Ok(());
            }
            Progress::Unknown(request) => {
                self.request = Some(request);
                self.recreate_clients(cluster);
                return Ok(());
            }
            Progress::Completed(outcome) => outcome,
        };
        cluster.trace.record(&trace::Step::Completed(self.id, &event));
        let event = match event {
            Outcome::Committed(batch) => Event::Committed(batch),
            Outcome::Aborted(batch) => Event::Aborted(batch),
            Outcome::Delivered(batch) => Event::Delivered(batch),
            Outcome::DeliveryFailed(batch) => Event::DeliveryFailed(batch),
            Outcome::OffsetsCommitted => Event::OffsetsCommitted,
            Outcome::OffsetCommitFailed => Event::OffsetCommitFailed,
        };
        self.engine.apply(event, cluster.now);
        Ok(())
    }

    fn tick(&mut self, cluster: &mut Cluster) {
        if cluster.calm && !self.ending && self.engine.engine().stopped_partitions().next().is_some() {
            self.shut_down(cluster);
        }
        self.engine.apply(Event::Tick, cluster.now);
    }

    fn poll_events(&mut self, cluster: &mut Cluster) {
        let Some(group_events) = cluster.poll_events(self.id) else { return self.poll(cluster) };
        cluster.trace.record(&trace::Step::Received(self.id, &group_events));
        match group_events {
            GroupEvent::Assigned(start, originated) => {
                self.engine.engine_mut().stage_mut().restore(start.input, originated);
                let fetch = Fetch { next: start.position, paused: false, start: start.clone() };
                self.fetches.insert(start.input, fetch);
                self.engine.apply(Event::Assigned(&[start]), cluster.now);
            }
            GroupEvent::Revoked(inputs) => self.engine.apply(Event::Revoked(&inputs), cluster.now),
            GroupEvent::Lost => {
                let inputs: Vec<InputPartition> = self.fetches.keys().copied().collect();
                self.fetches.clear();
                self.engine.apply(Event::Lost(&inputs), cluster.now);
                cluster.join(self.id);
            }
        }
    }

    fn poll(&mut self, cluster: &mut Cluster) {
        let fetched: Vec<InputPartition> =
            self.fetches.iter().filter(|(_, f)| !f.paused).map(|(input, _)| *input).collect();
        let Some(&input) = cluster.rng.pick(&fetched) else { return self.tick(cluster) };
        let count_max = usize::try_from(1 + cluster.rng.below(6)).unwrap_or(1);
        let (Some(partition), Some(fetch)) = (cluster.log.get(&input), self.fetches.get_mut(&input)) else {
            return;
        };
        let mut records: Vec<(i64, Record)> =
            partition.from(fetch.next).iter().take(count_max).copied().collect();
        let end = partition.end;
        if let Some((last, _)) = records.last() {
            fetch.next = last + 1;
            let fails = !cluster.calm && cluster.rng.below(400) == 0;
            records[0].1.fails = fails;
            if !cluster.calm && cluster.rng.chance(3) {
                let at = usize::try_from(cluster.rng.below(6)).unwrap_or(0) % records.len();
                records[at].1.defers = true;
            }
            cluster.trace.record(&trace::Step::Read(self.id, input, &records));
            self.engine.apply(Event::Records(input, &mut records.into_iter()), cluster.now);
        } else if fetch.next < end || cluster.rng.chance(10) {
            fetch.next = end;
            cluster.trace.record(&trace::Step::EndReached(self.id, input, end));
            self.engine.apply(Event::EndReached(input, end), cluster.now);
        } else {
            self.tick(cluster);
        }
    }

    fn work(&mut self, cluster: &mut Cluster) {
        let startable = self.engine.engine().stage().startable();
        if cluster.rng.chance(50)
            && let Some(&work) = cluster.rng.pick(&startable)
        {
            self.engine.engine_mut().stage_mut().start(work);
            self.working.push(work);
            return;
        }
        if let Some(&work) = cluster.rng.pick(&self.working) {
            self.working.retain(|other| other.id != work.id || other.chunks != work.chunks);
            cluster.trace.record(&trace::Step::WorkCompleted(self.id, work.id));
            self.engine.apply(Event::Completed(work), cluster.now);
        }
    }

    fn perform(&mut self, cluster: &mut Cluster) -> Result<Life, Broken> {
        while let Some(action) = self.engine.take_action() {
            cluster.trace.record(&trace::Step::Requested(self.id, &action));
            match action {
                Action::Transact { batch, positions } => {
                    let outputs = self.engine.outputs(batch);
                    let generation = cluster.generation_of(self.id);
                    self.only_owned(positions.iter().map(|position| position.input))?;
                    self.only_new(&outputs, cluster)?;
                    self.take_on(Request::Transaction {
                        batch,
                        outputs,
                        positions,
                        generation,
                        step: Step::Producing(0),
                    })?;
                }
                Action::Produce { batch } => {
                    let outputs = self.engine.outputs(batch);
                    self.only_new(&outputs, cluster)?;
                    self.take_on(Request::Produce { batch, outputs, produced: 0 })?;
                }
                Action::Commit { positions } => {
                    self.only_owned(positions.iter().map(|position| position.input))?;
                    let generation = cluster.generation_of(self.id);
                    self.take_on(Request::Commit { positions, generation })?;
                }
                Action::Pause(input) => self.set_paused(input, true, cluster)?,
                Action::Resume(input) => self.set_paused(input, false, cluster)?,
                Action::Rewind(input, offset) => self.rewind(input, offset, cluster)?,
                Action::AcknowledgeRevocation { inputs, .. } => {
                    for input in inputs {
                        self.fetches.remove(&input);
                        cluster.acknowledge_revocation(self.id, input);
                    }
                }
                Action::Stop(stop) => return self.end(&stop, cluster),
            }
        }
        Ok(Life::Running)
    }

    fn end(&mut self, stop: &Stop, cluster: &mut Cluster) -> Result<Life, Broken> {
        let all = self.engine.engine().counts();
        match stop {
            Stop::Drained if all.held > 0 || self.request.is_some() => {
                return broken(
                    "P1",
                    format!("{} stops as drained, holds {}, in flight {:?}", self.id, all.held, self.request),
                );
            }
            Stop::Drained => cluster.report.drained += 1,
            Stop::DrainTimedOut { .. } => cluster.report.budgets_spent += 1,
            Stop::Failed(cause) if !cause.ends_with("cannot be processed now") => {
                return broken("stage", cause.clone());
            }
            Stop::Failed(_) => cluster.report.failed += 1,
        }
        self.vanish(cluster);
        cluster.leave(self.id);
        Ok(Life::Ended)
    }

    fn take_on(&mut self, request: Request) -> Result<(), Broken> {
        match self.request.replace(request) {
            Some(before) => broken("P5", format!("{} requests more while {before:?} is in flight", self.id)),
            None => Ok(()),
        }
    }

    fn set_paused(
        &mut self,
        input: InputPartition,
        paused: bool,
        cluster: &mut Cluster,
    ) -> Result<(), Broken> {
        cluster.report.pauses += u64::from(paused);
        match self.fetches.get_mut(&input) {
            Some(fetch) => fetch.paused = paused,
            None => {
                return broken(
                    "P4",
                    format!("{} sets paused={paused} of {input:?}, which it does not own", self.id),
                );
            }
        }
        Ok(())
    }

    fn rewind(&mut self, input: InputPartition, offset: i64, cluster: &mut Cluster) -> Result<(), Broken> {
        cluster.report.rewinds += 1;
        match self.fetches.get_mut(&input) {
            Some(fetch) if fetch.paused && offset <= fetch.next => fetch.next = offset,
            fetch => {
                return broken("P5", format!("{} rewinds to {offset}, at {fetch:?}", self.id));
            }
        }
        Ok(())
    }

    /// Checks that outputs act for owned partitions, and for no record that was completed before the assignment.
    fn only_new(&self, outputs: &[Output], cluster: &Cluster) -> Result<(), Broken> {
        self.only_owned(outputs.iter().map(|output| output.input))?;
        for output in outputs {
            let (fetch, partition) = (self.fetches.get(&output.input), cluster.log.get(&output.input));
            let mut offsets = output.of.iter().filter_map(|id| partition?.offset_of(*id));
            if let Some(offset) = offsets.find(|offset| fetch.is_some_and(|f| f.is_completed(*offset))) {
                let what =
                    format!("{} processes the committed record at {offset} again: {output:?}", self.id);
                return broken("doubled", what);
            }
        }
        Ok(())
    }

    fn only_owned(&self, mut inputs: impl Iterator<Item = InputPartition>) -> Result<(), Broken> {
        match inputs.find(|input| !self.fetches.contains_key(input)) {
            Some(input) => broken("P4", format!("{} acts for {input:?}, which it does not own", self.id)),
            None => Ok(()),
        }
    }

    /// Checks P1 to P5 from outside.
    fn check(&self) -> Result<(), Broken> {
        let engine = self.engine.engine();
        let violations = engine.violations();
        if violations != [0; 8] {
            return broken("violations", format!("{} counts violations {violations:?}", self.id));
        }
        if !engine.counts().conserve() {
            return broken("P1", format!("{} does not conserve: {:?}", self.id, engine.counts()));
        }
        for input in self.fetches.keys() {
            let Some(counts) = engine.partition_counts(*input) else { continue };
            let processed = engine.stage().processed(*input);
            let holds = u64::try_from(engine.stage().holds(*input)).unwrap_or(u64::MAX);
            if !counts.conserve() || counts.received != processed || counts.held < holds {
                let what = format!(
                    "{input:?} of {}: processed {processed}, rules hold {holds}, {counts:?}",
                    self.id
                );
                return broken("P1", what);
            }
            if engine.positions(*input).is_some_and(|(prefix, committed)| committed > prefix) {
                return broken(
                    "P2",
                    format!("{input:?} of {}: committed offset is after the prefix", self.id),
                );
            }
        }
        Ok(())
    }

    /// Recreates the client; the process continues.
    pub(crate) fn recreate_clients(&mut self, cluster: &mut Cluster) {
        cluster.trace.record(&trace::Step::ClientsRecreated(self.id));
        self.vanish(cluster);
        self.fetches.clear();
        cluster.leave(self.id);
        self.engine.apply(Event::ClientsRecreated, cluster.now);
        cluster.join(self.id);
    }

    /// Ends the process without a drain.
    pub(crate) fn crash(mut self, cluster: &mut Cluster) {
        cluster.trace.record(&trace::Step::Crashed(self.id));
        self.vanish(cluster);
        cluster.leave(self.id);
    }

    pub(crate) fn shut_down(&mut self, cluster: &mut Cluster) {
        cluster.trace.record(&trace::Step::ShutdownRequested(self.id));
        self.ending = true;
        self.engine.apply(Event::ShutdownRequested, cluster.now);
    }

    /// Leaves the request in flight as it is.
    fn vanish(&mut self, cluster: &mut Cluster) {
        let counts = self.engine.engine().counts();
        cluster.report.stale_effects += counts.stale_effects;
        cluster.report.skipped_completed += counts.skipped_completed;
        cluster.report.released += counts.released;
        cluster.report.originated += counts.originated.total;
        let left = counts.originated.discarded + counts.originated.in_flight;
        cluster.report.originated_discarded += left;
        if let Some(request) = self.request.take() {
            request.orphan(cluster);
        }
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        let load = self.engine.engine().load();
        self.request.is_none() && load.held == 0 && load.originated == 0
    }
}
