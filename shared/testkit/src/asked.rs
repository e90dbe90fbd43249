//! What an engine asked of Kafka, on its way: every step can fail.

use pipeline::{BatchId, Position};

use crate::cluster::Cluster;
use crate::oracle::Broken;
use crate::rules::Output;

/// How often a step fails, in percent, before the calm.
const FAILURE_PERCENT: u64 = 6;

/// How far a transaction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many outputs are produced.
    Producing(usize),
    /// Its offsets are accepted, under this id.
    OffsetsSent(u64),
    /// Its end is asked for.
    Ending(u64),
}

/// A batch or a commit that is not answered yet.
#[derive(Debug)]
pub(crate) enum Asked {
    Transaction {
        batch: BatchId,
        outputs: Vec<Output>,
        positions: Vec<Position>,
        /// The member's generation, read when the transaction began. Read later, it might be that of an assignment which no
        /// longer has these partitions.
        generation: Option<u32>,
        step: Step,
    },
    Produce {
        batch: BatchId,
        outputs: Vec<Output>,
        produced: usize,
    },
    Commit {
        positions: Vec<Position>,
        generation: Option<u32>,
    },
}

/// What Kafka says in the end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    Committed(BatchId),
    Aborted(BatchId),
    Delivered(BatchId),
    DeliveryFailed(BatchId),
    OffsetsCommitted,
    OffsetCommitFailed,
}

/// One step further.
pub(crate) enum Progress {
    Open(Asked),
    Answered(Answer),
    /// Nobody knows whether it is committed: the client can't be used any more.
    Unknown(Asked),
}

impl Asked {
    pub(crate) fn go_on(self, member: u32, cluster: &mut Cluster) -> Result<Progress, Broken> {
        let fails = !cluster.calm && cluster.rng.chance(FAILURE_PERCENT);
        match self {
            Asked::Commit { positions, generation } => {
                let applied = !fails || cluster.rng.chance(50);
                let accepted = applied && cluster.commit(member, generation, &positions)?;
                let answer =
                    if accepted && !fails { Answer::OffsetsCommitted } else { Answer::OffsetCommitFailed };
                Ok(Progress::Answered(answer))
            }
            Asked::Produce { batch, outputs, produced } if fails => {
                for output in &outputs[produced..] {
                    if cluster.rng.chance(50) {
                        cluster.show(std::slice::from_ref(output))?;
                    }
                }
                cluster.report.delivery_failures += 1;
                Ok(Progress::Answered(Answer::DeliveryFailed(batch)))
            }
            Asked::Produce { batch, outputs, produced } => {
                let until = some_more(produced, outputs.len(), cluster);
                cluster.show(&outputs[produced..until])?;
                if until == outputs.len() {
                    return Ok(Progress::Answered(Answer::Delivered(batch)));
                }
                Ok(Progress::Open(Asked::Produce { batch, outputs, produced: until }))
            }
            Asked::Transaction { .. } => self.go_on_transaction(member, fails, cluster),
        }
    }

    fn go_on_transaction(
        mut self,
        member: u32,
        fails: bool,
        cluster: &mut Cluster,
    ) -> Result<Progress, Broken> {
        let Asked::Transaction { batch, outputs, positions, generation, step } = &mut self else {
            return Ok(Progress::Open(self));
        };
        let aborted = Ok(Progress::Answered(Answer::Aborted(*batch)));
        if fails {
            if let Step::Ending(_) = step
                && cluster.rng.chance(40)
            {
                return Ok(Progress::Unknown(self));
            }
            let (at, open) = match *step {
                Step::Producing(_) => (0, None),
                Step::OffsetsSent(id) => (1, Some(id)),
                Step::Ending(id) => (2, Some(id)),
            };
            cluster.report.aborts_at[at] += 1;
            open.inspect(|id| cluster.abort(*id));
            return aborted;
        }
        match *step {
            Step::Producing(produced) if produced < outputs.len() => {
                *step = Step::Producing(some_more(produced, outputs.len(), cluster));
            }
            Step::Producing(_) => match cluster.send_offsets(member, *generation, positions) {
                Some(id) => *step = Step::OffsetsSent(id),
                None => return aborted,
            },
            Step::OffsetsSent(id) => *step = Step::Ending(id),
            Step::Ending(id) => {
                cluster.end(id, outputs)?;
                return Ok(Progress::Answered(Answer::Committed(*batch)));
            }
        }
        Ok(Progress::Open(self))
    }

    /// Whoever asked is gone.
    pub(crate) fn orphan(self, cluster: &mut Cluster) {
        match self {
            Asked::Transaction { outputs, step: Step::OffsetsSent(id), .. } => {
                cluster.orphan(id, outputs, false)
            }
            Asked::Transaction { outputs, step: Step::Ending(id), .. } => cluster.orphan(id, outputs, true),
            Asked::Transaction { .. } | Asked::Produce { .. } | Asked::Commit { .. } => {}
        }
    }
}

fn some_more(done: usize, all: usize, cluster: &mut Cluster) -> usize {
    all.min(done + 1 + usize::try_from(cluster.rng.below(4)).unwrap_or(0))
}
