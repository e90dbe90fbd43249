//! Requests of an engine to the cluster, in progress: every step can fail.

use kafka_io::OutRecord;
use kit::SaturatingFrom;
use pipeline::{BatchId, Position};
use tapeline::audit::Stage;

use crate::kafka::Kafka;
use crate::oracle::Broken;

/// Probability that a step fails before the calm phase, in percent.
const FAILURE_PERCENT: u64 = 5;

/// Probability that the outcome of a failed commit is unknown, in percent.
const UNKNOWN_PERCENT: u64 = 40;

/// Outputs that one step produces.
const PRODUCED_MAX: u64 = 20;

/// Progress of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// This many outputs are produced.
    Producing(usize),
    OffsetsSent,
    /// Its commit is requested.
    Ending,
}

/// A batch or commit without outcome yet.
#[derive(Debug)]
pub(crate) enum Request {
    Transaction {
        batch: BatchId,
        transaction: u64,
        outputs: Vec<OutRecord>,
        positions: Vec<Position>,
        /// The member's generation when the transaction began.
        generation: Option<u32>,
        step: Step,
    },
    Commit {
        positions: Vec<Position>,
        generation: Option<u32>,
    },
}

/// The outcome of a request, with the positions that it committed.
#[derive(Debug)]
pub(crate) enum Outcome {
    Committed(BatchId, Vec<Position>),
    Aborted(BatchId),
    OffsetsCommitted(Vec<Position>),
    OffsetCommitFailed,
}

/// The result of one step.
#[derive(Debug)]
pub(crate) enum Progress {
    Open(Request),
    Completed(Outcome),
    /// In doubt: perhaps committed. The client must be recreated.
    Unknown(Request),
}

impl Request {
    pub(crate) fn advance(self, owner: (Stage, u32), kafka: &mut Kafka) -> Result<Progress, Broken> {
        let fails = !kafka.calm && kafka.rng.chance(FAILURE_PERCENT);
        match self {
            Self::Commit { positions, generation } => {
                let applied = !fails || kafka.rng.chance(50);
                let accepted = applied && kafka.commit(owner, generation, &positions)?;
                let outcome = match accepted && !fails {
                    true => Outcome::OffsetsCommitted(positions),
                    false => Outcome::OffsetCommitFailed,
                };
                Ok(Progress::Completed(outcome))
            }
            Self::Transaction { .. } => self.advance_transaction(owner, fails, kafka),
        }
    }

    fn advance_transaction(
        mut self,
        owner: (Stage, u32),
        fails: bool,
        kafka: &mut Kafka,
    ) -> Result<Progress, Broken> {
        let Self::Transaction { batch, transaction, outputs, positions, generation, step } = &mut self else {
            return Ok(Progress::Open(self));
        };
        let aborted = Ok(Progress::Completed(Outcome::Aborted(*batch)));
        if fails {
            if *step == Step::Ending && kafka.rng.chance(UNKNOWN_PERCENT) {
                return Ok(Progress::Unknown(self));
            }
            let at = match *step {
                Step::Producing(_) => 0,
                Step::OffsetsSent => 1,
                Step::Ending => 2,
            };
            kafka.counts.aborts_at[at] += 1;
            kafka.end(owner.0, *transaction, false)?;
            return aborted;
        }
        match *step {
            Step::Producing(produced) if produced < outputs.len() => {
                let more = usize::saturating_from(1 + kafka.rng.below(PRODUCED_MAX));
                let until = outputs.len().min(produced + more);
                let now = kafka.now;
                for output in &outputs[produced..until] {
                    kafka.log.append(output, Some(*transaction), now);
                }
                *step = Step::Producing(until);
            }
            Step::Producing(_) => {
                if !kafka.send_offsets(owner, *generation, *transaction, positions) {
                    kafka.end(owner.0, *transaction, false)?;
                    return aborted;
                }
                *step = Step::OffsetsSent;
            }
            Step::OffsetsSent => *step = Step::Ending,
            Step::Ending => {
                kafka.end(owner.0, *transaction, true)?;
                let outcome = Outcome::Committed(*batch, std::mem::take(positions));
                return Ok(Progress::Completed(outcome));
            }
        }
        Ok(Progress::Open(self))
    }

    /// Handles a request whose instance is gone.
    pub(crate) fn orphan(&self, stage: Stage, kafka: &mut Kafka) {
        if let Self::Transaction { transaction, step, .. } = self {
            kafka.orphan(stage, *transaction, *step == Step::Ending);
        }
    }
}
