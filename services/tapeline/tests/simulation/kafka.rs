//! The simulated cluster: the log, the groups, the clock, and the random numbers of all failures.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::Topic;
use kafka_io::OutRecord;
use pipeline::{InputPartition, Now, Position};
use tapeline::audit::Stage;
use testkit::Rng;
use testkit::stage_bench::now_after;

use crate::defects::Counts;
use crate::group::Group;
use crate::log::{At, Log};
use crate::oracle::Broken;

/// The partitions of every topic.
pub(crate) const PARTITIONS: i32 = 3;

/// Time after which the transaction of a producer that is gone ends.
const TRANSACTION_TIMEOUT: Duration = Duration::from_millis(700);

/// Everything outside the instances.
pub(crate) struct Kafka {
    pub(crate) rng: Rng,
    pub(crate) now: Now,
    pub(crate) log: Log,
    pub(crate) groups: BTreeMap<Stage, Group>,
    /// No failures but those of the source.
    pub(crate) calm: bool,
    pub(crate) source_fails: bool,
    pub(crate) counts: Counts,
    /// Transactions whose producer is gone: when they end, the group, and whether they are committed.
    orphans: BTreeMap<u64, (Duration, Stage, bool)>,
}

impl Kafka {
    pub(crate) fn new(seed: u64) -> Self {
        let group = |stage: Stage| (stage, Group::new(stage.inputs().len(), PARTITIONS));
        Self {
            rng: Rng::new(seed),
            now: now_after(Duration::ZERO),
            log: Log::default(),
            groups: Stage::ALL.map(group).into(),
            calm: false,
            source_fails: true,
            counts: Counts::default(),
            orphans: BTreeMap::new(),
        }
    }

    /// Advances time: orphaned transactions end, and free partitions are assigned.
    pub(crate) fn pass(&mut self, elapsed: Duration) -> Result<(), Broken> {
        self.now = now_after(self.now.monotonic + elapsed);
        let now = self.now.monotonic;
        let ended: Vec<u64> = self
            .orphans
            .iter()
            .filter(|(_, (at, ..))| *at <= now)
            .map(|(transaction, _)| *transaction)
            .collect();
        for transaction in ended {
            if let Some((_, stage, commits)) = self.orphans.remove(&transaction) {
                self.end(stage, transaction, commits)?;
            }
        }
        self.groups.values_mut().try_for_each(Group::grant)
    }

    /// Returns the group of a stage and the random numbers.
    pub(crate) fn group(&mut self, stage: Stage) -> (&mut Group, &mut Rng) {
        (self.groups.get_mut(&stage).expect("a group of each stage"), &mut self.rng)
    }

    /// Appends a record outside of a transaction.
    pub(crate) fn append(&mut self, record: &OutRecord) {
        self.log.append(record, None, self.now);
    }

    /// Adds the offsets of a transaction. Returns `false` if the member is fenced.
    pub(crate) fn send_offsets(
        &mut self,
        (stage, member): (Stage, u32),
        generation: Option<u32>,
        transaction: u64,
        positions: &[Position],
    ) -> bool {
        let (group, _) = self.group(stage);
        let accepted = group.accepts(member, generation);
        if accepted {
            group.send_offsets(transaction, positions);
        }
        self.counts.fenced += u64::from(!accepted);
        accepted
    }

    /// Ends a transaction.
    pub(crate) fn end(&mut self, stage: Stage, transaction: u64, commits: bool) -> Result<(), Broken> {
        self.log.end(transaction, commits);
        self.counts.transactions += u64::from(commits);
        self.group(stage).0.end(transaction, commits)
    }

    /// Marks the producer of a transaction as gone. If the commit was requested, it may be committed or aborted.
    pub(crate) fn orphan(&mut self, stage: Stage, transaction: u64, commit_requested: bool) {
        let commits = commit_requested && self.rng.chance(50);
        self.counts.orphans[usize::from(commits)] += 1;
        self.orphans.insert(transaction, (self.now.monotonic + TRANSACTION_TIMEOUT, stage, commits));
    }

    /// Commits offsets without a transaction. Returns `false` if the member is fenced.
    pub(crate) fn commit(
        &mut self,
        (stage, member): (Stage, u32),
        generation: Option<u32>,
        positions: &[Position],
    ) -> Result<bool, Broken> {
        let (group, _) = self.group(stage);
        if !group.accepts(member, generation) {
            self.counts.fenced += 1;
            return Ok(false);
        }
        group.commit(positions)?;
        Ok(true)
    }

    /// Returns `true` if everything is committed up to the ends of all inputs.
    pub(crate) fn is_at_rest(&self) -> bool {
        let is_committed = |(stage, group): (&Stage, &Group)| {
            let at_end = |(input, (offset, _)): (&InputPartition, &(i64, Vec<u8>))| {
                *offset == self.log.end_of(partition_of(*stage, *input))
            };
            group.is_at_rest() && group.committed.iter().all(at_end)
        };
        self.log.is_stable() && self.groups.iter().all(is_committed)
    }

    /// Describes the partitions that are not committed to their ends.
    pub(crate) fn state(&self) -> String {
        let mut lines = Vec::new();
        for (stage, group) in &self.groups {
            for (input, (offset, _)) in &group.committed {
                let at = partition_of(*stage, *input);
                if *offset != self.log.end_of(at) {
                    lines.push(format!("{}: {at:?} at {offset} of {}", stage.name(), self.log.end_of(at)));
                }
            }
        }
        format!("{lines:?}, transactions ended: {}", self.log.is_stable())
    }
}

/// Returns the partition of an input.
pub(crate) fn partition_of(stage: Stage, input: InputPartition) -> At {
    let topics: &[Topic] = stage.inputs();
    (topics[usize::from(input.topic)], input.partition)
}
