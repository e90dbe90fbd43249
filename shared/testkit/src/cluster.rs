//! Kafka as far as delivery depends on it: an input log, an output log with transactions, a group with generations, and committed
//! offsets.
//!
//! It fences as Kafka does: by the member's generation, when offsets are sent. The simulation shows that this is enough.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use pipeline::{CompletedRanges, Delivery, InputPartition, Now, Position, Start};

use crate::events::GroupEvent;
use crate::log::{self, Partition};
use crate::oracle::{Broken, Oracle, broken};
use crate::origination::OUTPUTS_MAX;
use crate::output::{Output, is_originated};
use crate::report::Report;
use crate::rng::Rng;
use crate::trace::{Step, Trace};

/// Time after which the transaction of a crashed instance ends.
const TRANSACTION_TIMEOUT: Duration = Duration::from_millis(60);

/// A transaction with sent offsets: no other member may start at its partitions before it ends.
#[derive(Debug)]
struct Pending {
    positions: Vec<Position>,
    /// Set if its producer is gone: when the coordinator ends it, and with which outputs.
    orphaned: Option<(Duration, Option<Vec<Output>>)>,
}

/// Everything outside the instances.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) rng: Rng,
    pub(crate) trace: Trace,
    pub(crate) now: Now,
    pub(crate) mode: Delivery,
    pub(crate) in_order: bool,
    pub(crate) originates: bool,
    pub(crate) calm: bool,
    pub(crate) report: Report,
    pub(crate) log: BTreeMap<InputPartition, Partition>,
    oracle: Oracle,
    /// The offset and its commit metadata.
    committed: BTreeMap<InputPartition, (i64, Vec<u8>)>,
    generation: u32,
    members: BTreeMap<u32, u32>,
    owners: BTreeMap<InputPartition, u32>,
    targets: BTreeMap<InputPartition, u32>,
    /// Revoked, but not acknowledged yet.
    revoking: BTreeSet<InputPartition>,
    group_events: BTreeMap<u32, VecDeque<GroupEvent>>,
    pending: BTreeMap<u64, Pending>,
    next_id: u64,
}

impl Cluster {
    pub(crate) fn new(seed: u64, mode: Delivery, in_order: bool, originates: bool) -> Self {
        let inputs =
            [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(topic, partition)| InputPartition { topic, partition });
        Self {
            rng: Rng::new(seed),
            trace: Trace::new(),
            now: Now { monotonic: Duration::ZERO, wall_micros: 0 },
            mode,
            in_order,
            originates,
            calm: false,
            report: Report::default(),
            log: inputs.into_iter().map(|input| (input, Partition::default())).collect(),
            oracle: Oracle::new(mode, in_order),
            committed: inputs.into_iter().map(|input| (input, (0, Vec::new()))).collect(),
            generation: 0,
            members: BTreeMap::new(),
            owners: BTreeMap::new(),
            targets: BTreeMap::new(),
            revoking: BTreeSet::new(),
            group_events: BTreeMap::new(),
            pending: BTreeMap::new(),
            next_id: 0,
        }
    }

    /// Advances time: the coordinator ends orphaned transactions and assigns free partitions.
    pub(crate) fn pass(&mut self) -> Result<(), Broken> {
        let millis = if self.rng.chance(5) { 40 } else { self.rng.below(4) };
        self.now.monotonic += Duration::from_millis(millis);
        self.now.wall_micros = i64::try_from(self.now.monotonic.as_micros()).unwrap_or(i64::MAX);
        let now = self.now.monotonic;
        let ended: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.orphaned.as_ref().is_some_and(|(at, _)| *at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            let outputs =
                self.pending.get_mut(&id).and_then(|pending| pending.orphaned.take()).and_then(|o| o.1);
            self.trace.record(&Step::OrphanEnded(id, outputs.is_some()));
            match outputs {
                Some(outputs) => self.end(id, &outputs)?,
                None => self.abort(id),
            }
        }
        self.grant()
    }

    fn grant(&mut self) -> Result<(), Broken> {
        for (input, partition) in &self.log {
            let free = !self.owners.contains_key(input);
            let stable =
                !self.pending.values().any(|pending| pending.positions.iter().any(|p| p.input == *input));
            let member = self.targets.get(input).filter(|member| self.members.contains_key(member));
            if let (true, true, Some(member)) = (free, stable, member) {
                let (position, metadata) = &self.committed[input];
                let Ok(completed) = CompletedRanges::from_bytes(*position, metadata) else {
                    return broken("P2", format!("{input:?} at {position}: unreadable {metadata:?}"));
                };
                let start = Start { input: *input, position: *position, completed };
                self.oracle.granted(&start, partition)?;
                self.trace.record(&Step::Assigned(*member, &start));
                self.owners.insert(*input, *member);
                self.group_events
                    .entry(*member)
                    .or_default()
                    .push_back(GroupEvent::Assigned(start, self.oracle.originated(*input)));
            }
        }
        Ok(())
    }

    pub(crate) fn append(&mut self) {
        let inputs: Vec<InputPartition> = self.log.keys().copied().collect();
        let Some(&input) = self.rng.pick(&inputs) else { return };
        self.next_id += 1;
        let record = log::make(self.next_id, input, self.in_order, &mut self.rng);
        self.oracle.expect(record);
        self.report.records += 1;
        if let Some(partition) = self.log.get_mut(&input) {
            partition.append(record, &mut self.rng);
        }
    }

    /// Adds a member, or adds it again.
    pub(crate) fn join(&mut self, member: u32) {
        self.members.insert(member, 0);
        self.group_events.remove(&member);
        self.rebalance();
    }

    /// Removes a member and everything that it owned.
    pub(crate) fn leave(&mut self, member: u32) {
        self.members.remove(&member);
        self.group_events.remove(&member);
        for input in self.log.keys().filter(|input| self.owners.get(input) == Some(&member)) {
            self.revoking.remove(input);
        }
        self.owners.retain(|_, owner| *owner != member);
        self.rebalance();
    }

    /// Expires a member's session. It is notified on its next poll.
    pub(crate) fn expire(&mut self, member: u32) {
        self.leave(member);
        self.group_events.entry(member).or_default().push_back(GroupEvent::Lost);
    }

    /// Starts a new generation. Members rejoin in the background and are notified of revocations on their next poll.
    pub(crate) fn rebalance(&mut self) {
        self.generation += 1;
        self.report.rebalances += 1;
        let members: Vec<u32> = self.members.keys().copied().collect();
        for generation in self.members.values_mut() {
            *generation = self.generation;
        }
        let mut revoked: BTreeMap<u32, Vec<InputPartition>> = BTreeMap::new();
        for input in self.log.keys() {
            let old = self.targets.get(input).filter(|member| members.contains(member)).copied();
            let stays = old.is_some() && self.rng.chance(60);
            let new = if stays { old } else { self.rng.pick(&members).copied() };
            match new {
                Some(member) => self.targets.insert(*input, member),
                None => self.targets.remove(input),
            };
            let Some(owner) = self.owners.get(input) else { continue };
            if new.is_some_and(|new| new != *owner) && self.revoking.insert(*input) {
                revoked.entry(*owner).or_default().push(*input);
            }
        }
        self.trace.record(&Step::Rebalanced(self.generation, &self.targets, &revoked));
        for (member, inputs) in revoked {
            self.group_events.entry(member).or_default().push_back(GroupEvent::Revoked(inputs));
        }
    }

    pub(crate) fn poll_events(&mut self, member: u32) -> Option<GroupEvent> {
        self.group_events.get_mut(&member)?.pop_front()
    }

    pub(crate) fn generation_of(&self, member: u32) -> Option<u32> {
        self.members.get(&member).copied()
    }

    pub(crate) fn acknowledge_revocation(&mut self, member: u32, input: InputPartition) {
        if self.owners.get(&input) == Some(&member) {
            self.owners.remove(&input);
            self.revoking.remove(&input);
        }
    }

    fn is_fenced(&self, member: u32, generation: Option<u32>) -> bool {
        generation.is_none() || self.generation_of(member) != generation
    }

    /// Sends the offsets of a transaction, fenced by generation. Returns `None` if they are fenced.
    pub(crate) fn send_offsets(
        &mut self,
        member: u32,
        generation: Option<u32>,
        positions: &[Position],
    ) -> Option<u64> {
        if self.is_fenced(member, generation) {
            self.report.fenced += 1;
            return None;
        }
        self.next_id += 1;
        self.pending.insert(self.next_id, Pending { positions: positions.to_vec(), orphaned: None });
        Some(self.next_id)
    }

    pub(crate) fn abort(&mut self, transaction: u64) {
        self.pending.remove(&transaction);
    }

    /// Marks the producer of a transaction as gone. If the commit was requested, it may be committed or aborted.
    pub(crate) fn orphan(&mut self, transaction: u64, outputs: Vec<Output>, end_was_asked: bool) {
        let commits = end_was_asked && self.rng.chance(50);
        self.report.originated_orphans[usize::from(commits)] += u64::from(is_originated(&outputs));
        let at = self.now.monotonic + TRANSACTION_TIMEOUT;
        if let Some(pending) = self.pending.get_mut(&transaction) {
            pending.orphaned = Some((at, commits.then_some(outputs)));
        }
    }

    /// Commits a transaction: its outputs and offsets become visible together.
    pub(crate) fn end(&mut self, transaction: u64, outputs: &[Output]) -> Result<(), Broken> {
        let Some(pending) = self.pending.remove(&transaction) else { return Ok(()) };
        self.report.transactions += 1;
        self.show(outputs)?;
        self.store(&pending.positions)
    }

    /// Makes outputs visible to readers.
    pub(crate) fn show(&mut self, outputs: &[Output]) -> Result<(), Broken> {
        outputs.iter().try_for_each(|output| self.oracle.see(output))
    }

    /// Commits offsets without a transaction. Returns `false` if they are fenced.
    pub(crate) fn commit(
        &mut self,
        member: u32,
        generation: Option<u32>,
        positions: &[Position],
    ) -> Result<bool, Broken> {
        if self.is_fenced(member, generation) {
            self.report.fenced += 1;
            return Ok(false);
        }
        self.report.commits += 1;
        self.store(positions)?;
        Ok(true)
    }

    fn store(&mut self, positions: &[Position]) -> Result<(), Broken> {
        for Position { input, offset, completed } in positions {
            let stored = (*offset, completed.to_bytes(*offset));
            let before = self.committed.insert(*input, stored).map_or(0, |(before, _)| before);
            if *offset < before {
                return broken("P3", format!("{input:?} decreases from {before} to {offset}"));
            }
            if let Some(partition) = self.log.get(input) {
                self.oracle.passed(*input, partition, before..*offset)?;
                completed.ranges().try_for_each(|range| self.oracle.passed(*input, partition, range))?;
            }
        }
        Ok(())
    }

    /// Returns `true` if every record is delivered and the lag of every partition is 0.
    pub(crate) fn is_completed(&self) -> bool {
        let due = if self.originates { OUTPUTS_MAX } else { 0 };
        let is_done = |(input, partition): (&InputPartition, &Partition)| {
            self.committed[input].0 == partition.end && self.oracle.originated(*input) == due
        };
        self.pending.is_empty() && self.log.iter().all(is_done)
    }

    pub(crate) fn finish(&self) -> Result<(), Broken> {
        self.oracle.finish()
    }

    pub(crate) fn state(&self) -> String {
        format!("committed {:?}, owners {:?}", self.committed, self.owners)
    }
}
