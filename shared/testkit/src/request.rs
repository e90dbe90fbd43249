//! Requests of an engine to Kafka, in progress: every step can fail.

use pipeline::{BatchId, Position};

use crate::cluster::Cluster;
use crate::events::Outcome;
use crate::oracle::Broken;
use crate::output::{Output, is_originated};

/// Probability that a step fails before the calm phase, in percent.
const FAILURE_PERCENT: u64 = 6;

/// Progress of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// This many outputs are produced.
    Producing(usize),
    /// Its offsets are accepted, under this id.
    OffsetsSent(u64),
    /// Its commit is requested.
    Ending(u64),
}

/// A batch or commit without outcome yet.
#[derive(Debug)]
pub(crate) enum Request {
    Transaction {
        batch: BatchId,
        outputs: Vec<Output>,
        positions: Vec<Position>,
        /// The member's generation, read when the transaction began. Read later, it might belong to an assignment without these
        /// partitions.
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

/// The result of one step.
pub(crate) enum Progress {
    Open(Request),
    Completed(Outcome),
    /// In doubt: perhaps committed. The client must be recreated.
    Unknown(Request),
}

impl Request {
    pub(crate) fn advance(self, member: u32, cluster: &mut Cluster) -> Result<Progress, Broken> {
        let fails = !cluster.calm && cluster.rng.chance(FAILURE_PERCENT);
        match self {
            Request::Commit { positions, generation } => {
                let applied = !fails || cluster.rng.chance(50);
                let accepted = applied && cluster.commit(member, generation, &positions)?;
                let outcome =
                    if accepted && !fails { Outcome::OffsetsCommitted } else { Outcome::OffsetCommitFailed };
                Ok(Progress::Completed(outcome))
            }
            Request::Produce { batch, outputs, produced } if fails => {
                for output in &outputs[produced..] {
                    if cluster.rng.chance(50) {
                        cluster.show(std::slice::from_ref(output))?;
                    }
                }
                cluster.report.delivery_failures += 1;
                Ok(Progress::Completed(Outcome::DeliveryFailed(batch)))
            }
            Request::Produce { batch, outputs, produced } => {
                let until = some_more(produced, outputs.len(), cluster);
                cluster.show(&outputs[produced..until])?;
                if until == outputs.len() {
                    return Ok(Progress::Completed(Outcome::Delivered(batch)));
                }
                Ok(Progress::Open(Request::Produce { batch, outputs, produced: until }))
            }
            Request::Transaction { .. } => self.advance_transaction(member, fails, cluster),
        }
    }

    fn advance_transaction(
        mut self,
        member: u32,
        fails: bool,
        cluster: &mut Cluster,
    ) -> Result<Progress, Broken> {
        let Request::Transaction { batch, outputs, positions, generation, step } = &mut self else {
            return Ok(Progress::Open(self));
        };
        let aborted = Ok(Progress::Completed(Outcome::Aborted(*batch)));
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
            cluster.report.originated_aborts_at[at] += u64::from(is_originated(outputs));
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
                return Ok(Progress::Completed(Outcome::Committed(*batch)));
            }
        }
        Ok(Progress::Open(self))
    }

    /// Handles a request whose instance is gone.
    pub(crate) fn orphan(self, cluster: &mut Cluster) {
        match self {
            Request::Transaction { outputs, step: Step::OffsetsSent(id), .. } => {
                cluster.orphan(id, outputs, false)
            }
            Request::Transaction { outputs, step: Step::Ending(id), .. } => cluster.orphan(id, outputs, true),
            Request::Transaction { .. } | Request::Produce { .. } | Request::Commit { .. } => {}
        }
    }
}

fn some_more(done: usize, all: usize, cluster: &mut Cluster) -> usize {
    all.min(done + 1 + usize::try_from(cluster.rng.below(4)).unwrap_or(0))
}
