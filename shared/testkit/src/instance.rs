//! One process: a client that polls, performs actions and dies, around an engine.

use std::collections::BTreeMap;

use pipeline::{Action, Event, InputPartition, Start, Stop};

use crate::asked::{Answer, Asked, Progress, Step};
use crate::cluster::{Cluster, News};
use crate::delivery::Delivery;
use crate::oracle::{Broken, broken};
use crate::rules::{Output, Record, Work};
use crate::trace;

/// Where the client stands in a partition.
#[derive(Debug, Clone)]
struct Fetch {
    start: Start,
    next: i64,
    paused: bool,
}

impl Fetch {
    /// Whether this was committed before the partition came.
    fn begins_behind(&self, offset: i64) -> bool {
        offset < self.start.position || self.start.completed.contains(offset)
    }
}

/// Whether an instance goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Running,
    Ended,
}

/// One process.
pub(crate) struct Instance<D> {
    id: u32,
    engine: D,
    fetches: BTreeMap<InputPartition, Fetch>,
    asked: Option<Asked>,
    working: Vec<Work>,
    ending: bool,
}

impl<D: Delivery> Instance<D> {
    pub(crate) fn start(id: u32, engine: D, cluster: &mut Cluster) -> Self {
        cluster.trace.record(&trace::Step::Started(id));
        cluster.join(id);
        Self { id, engine, fetches: BTreeMap::new(), asked: None, working: Vec::new(), ending: false }
    }

    /// One thing happens; mostly the engine settles then, sometimes it has to take in more first.
    pub(crate) fn step(&mut self, cluster: &mut Cluster) -> Result<Life, Broken> {
        match cluster.rng.below(100) {
            0..20 => self.hear(cluster),
            20..45 => self.go_on(cluster)?,
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

    /// Kafka gets on with what was asked, and answers or not.
    fn go_on(&mut self, cluster: &mut Cluster) -> Result<(), Broken> {
        let Some(asked) = self.asked.take() else { return Ok(()) };
        let event = match asked.go_on(self.id, cluster)? {
            Progress::Open(asked) => {
                self.asked = Some(asked);
                return Ok(());
            }
            Progress::Unknown(asked) => {
                self.asked = Some(asked);
                self.rebuild(cluster);
                return Ok(());
            }
            Progress::Answered(answer) => answer,
        };
        cluster.trace.record(&trace::Step::Completed(self.id, &event));
        let event = match event {
            Answer::Committed(batch) => Event::Committed(batch),
            Answer::Aborted(batch) => Event::Aborted(batch),
            Answer::Delivered(batch) => Event::Delivered(batch),
            Answer::DeliveryFailed(batch) => Event::DeliveryFailed(batch),
            Answer::OffsetsCommitted => Event::OffsetsCommitted,
            Answer::OffsetCommitFailed => Event::OffsetCommitFailed,
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

    fn hear(&mut self, cluster: &mut Cluster) {
        let Some(news) = cluster.hear(self.id) else { return self.poll(cluster) };
        cluster.trace.record(&trace::Step::Received(self.id, &news));
        match news {
            News::Assigned(start) => {
                let fetch = Fetch { next: start.position, paused: false, start: start.clone() };
                self.fetches.insert(start.input, fetch);
                self.engine.apply(Event::Assigned(&[start]), cluster.now);
            }
            News::Revoked(inputs) => self.engine.apply(Event::Revoked(&inputs), cluster.now),
            News::Lost => {
                let inputs: Vec<InputPartition> = self.fetches.keys().copied().collect();
                self.fetches.clear();
                self.engine.apply(Event::Lost(&inputs), cluster.now);
                cluster.join(self.id);
            }
        }
    }

    fn poll(&mut self, cluster: &mut Cluster) {
        let flowing: Vec<InputPartition> =
            self.fetches.iter().filter(|(_, f)| !f.paused).map(|(input, _)| *input).collect();
        let Some(&input) = cluster.rng.pick(&flowing) else { return self.tick(cluster) };
        let most = usize::try_from(1 + cluster.rng.below(6)).unwrap_or(1);
        let (Some(partition), Some(fetch)) = (cluster.log.get(&input), self.fetches.get_mut(&input)) else {
            return;
        };
        let mut records: Vec<(i64, Record)> = partition.from(fetch.next).iter().take(most).copied().collect();
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
                    self.take_on(Asked::Transaction {
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
                    self.take_on(Asked::Produce { batch, outputs, produced: 0 })?;
                }
                Action::Commit { positions } => {
                    self.only_owned(positions.iter().map(|position| position.input))?;
                    let generation = cluster.generation_of(self.id);
                    self.take_on(Asked::Commit { positions, generation })?;
                }
                Action::Pause(input) => self.set_paused(input, true, cluster)?,
                Action::Resume(input) => self.set_paused(input, false, cluster)?,
                Action::Rewind(input, offset) => self.rewind(input, offset, cluster)?,
                Action::AcknowledgeRevocation { inputs, .. } => {
                    for input in inputs {
                        self.fetches.remove(&input);
                        cluster.give_back(self.id, input);
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
            Stop::Drained if all.held > 0 || self.asked.is_some() => {
                return broken(
                    "P1",
                    format!("{} stops as drained, holds {}, asked {:?}", self.id, all.held, self.asked),
                );
            }
            Stop::Drained => cluster.report.drained += 1,
            Stop::DrainTimedOut { .. } => cluster.report.budgets_spent += 1,
            Stop::Failed(cause) if !cause.ends_with("can't be processed now") => {
                return broken("stage", cause.clone());
            }
            Stop::Failed(_) => cluster.report.failed += 1,
        }
        self.vanish(cluster);
        cluster.leave(self.id);
        Ok(Life::Ended)
    }

    fn take_on(&mut self, asked: Asked) -> Result<(), Broken> {
        match self.asked.replace(asked) {
            Some(before) => {
                broken("P5", format!("{} is asked for more before {before:?} is answered", self.id))
            }
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
                    format!("{} is told paused={paused} of {input:?}, which it has given back", self.id),
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
                return broken("P5", format!("{} is told to go back to {offset}, at {fetch:?}", self.id));
            }
        }
        Ok(())
    }

    /// Outputs act for owned partitions, and for no record that was committed when its partition came.
    fn only_new(&self, outputs: &[Output], cluster: &Cluster) -> Result<(), Broken> {
        self.only_owned(outputs.iter().map(|output| output.input))?;
        for output in outputs {
            let (fetch, partition) = (self.fetches.get(&output.input), cluster.log.get(&output.input));
            let mut offsets = output.of.iter().filter_map(|id| partition?.offset_of(*id));
            if let Some(offset) = offsets.find(|offset| fetch.is_some_and(|f| f.begins_behind(*offset))) {
                let what = format!("{} does the committed record at {offset} again: {output:?}", self.id);
                return broken("doubled", what);
            }
        }
        Ok(())
    }

    fn only_owned(&self, mut inputs: impl Iterator<Item = InputPartition>) -> Result<(), Broken> {
        match inputs.find(|input| !self.fetches.contains_key(input)) {
            Some(input) => broken("P4", format!("{} acts for {input:?}, which it has given back", self.id)),
            None => Ok(()),
        }
    }

    /// P1 to P5, as seen from outside.
    fn check(&self) -> Result<(), Broken> {
        let engine = self.engine.engine();
        let violations = engine.violations();
        if violations != [0; 8] {
            return broken("watch", format!("{} counts violations {violations:?}", self.id));
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
                return broken("P2", format!("{input:?} of {}: committed beyond the prefix", self.id));
            }
        }
        Ok(())
    }

    /// The client is lost and built anew; the process lives on.
    pub(crate) fn rebuild(&mut self, cluster: &mut Cluster) {
        cluster.trace.record(&trace::Step::ClientsRecreated(self.id));
        self.vanish(cluster);
        self.fetches.clear();
        cluster.leave(self.id);
        self.engine.apply(Event::ClientsRecreated, cluster.now);
        cluster.join(self.id);
    }

    /// The process is gone, or its client.
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

    /// What it asked for stays behind, half done.
    fn vanish(&mut self, cluster: &mut Cluster) {
        let counts = self.engine.engine().counts();
        cluster.report.stale_effects += counts.stale_effects;
        cluster.report.skipped_completed += counts.skipped_completed;
        cluster.report.released += counts.released;
        if let Some(asked) = self.asked.take() {
            asked.orphan(cluster);
        }
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        self.asked.is_none() && self.engine.engine().load().held == 0
    }
}
