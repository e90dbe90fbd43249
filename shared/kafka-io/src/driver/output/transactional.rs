//! Batches in transactions, each with the positions of its inputs.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kit::Backoff;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::acknowledgements::{Attempt, lock};
use super::call_thread::{Beat, CallThread};
use super::calls::{Call, OutgoingBatch};
use super::outcome::BatchOutcome;
use crate::call_error::{CallError, Remedy};
use crate::client::LogContext;
use crate::driver::error::DriverError;
use crate::driver::hooks::{AbortHook, Hooks, TransactionStep};
use crate::raw;
use crate::record::OutRecord;

/// Wait after consecutive aborts.
const ABORT_BACKOFF: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(500));

/// Wait before a call is repeated.
const RETRY_WAIT: Duration = Duration::from_millis(10);

pub(in crate::driver) struct TransactionalOutput {
    thread: CallThread,
    pub(super) acknowledged: Arc<Mutex<Attempt>>,
    transaction_timeout: Duration,
    pub(super) abort_backoff: Backoff,
}

impl TransactionalOutput {
    /// Creates an output whose producer has aborted the open transaction of its predecessor when this returns.
    pub(super) fn new(
        thread: CallThread,
        acknowledged: Arc<Mutex<Attempt>>,
        transaction_timeout: Duration,
        beat: Beat<'_>,
    ) -> Result<Self, CallError> {
        let output = Self { thread, acknowledged, transaction_timeout, abort_backoff: ABORT_BACKOFF };
        output.repeat(output.deadline(), beat, || Ok(Call::Init))?;
        Ok(output)
    }

    /// Produces the batch and commits the positions in one transaction. Blocks until the outcome is known, at most for about the
    /// transaction timeout, and calls the heartbeat meanwhile. After a [`CallError`], [`TransactionalOutput::abort`] must follow.
    pub(super) fn transact(
        &mut self,
        records: &[&OutRecord],
        positions: &TopicPartitionList,
        consumer: &BaseConsumer<LogContext>,
        hooks: &mut Hooks,
    ) -> Result<Result<(), CallError>, DriverError> {
        let deadline = self.deadline();
        let Hooks { heartbeat, abort, .. } = hooks;
        let begun = self.repeat(deadline, heartbeat, || Ok(Call::Begin));
        if let Err(error) = begun.and_then(|()| check_hook(abort, TransactionStep::Begun)) {
            return Ok(Err(error));
        }
        let number = lock(&self.acknowledged).begin(records.len());
        let batch = Call::Produce(Arc::new(Mutex::new(OutgoingBatch::new(number, records))));
        let produced = self.repeat(deadline, heartbeat, || Ok(batch.clone()));
        drop(batch);
        lock(&self.acknowledged).check_producible()?;
        // To commit the offsets without all outputs would lose outputs.
        let done = produced
            .and_then(|()| check_hook(abort, TransactionStep::Sent))
            .and_then(|()| self.send_offsets(deadline, positions, consumer, heartbeat))
            .and_then(|()| check_hook(abort, TransactionStep::OffsetsSent))
            .and_then(|()| self.commit(deadline, heartbeat));
        if done.is_ok() {
            self.abort_backoff.reset();
        }
        Ok(done)
    }

    /// Aborts the open transaction. Blocks at most for about the transaction timeout.
    pub(super) fn abort(&mut self, error: CallError, beat: Beat<'_>) -> Result<BatchOutcome, DriverError> {
        // After a stuck call not even an abort is possible, and the transaction may be committed.
        if matches!(error.remedy(), Remedy::Recreate | Remedy::Abandon) {
            return Ok(BatchOutcome::Broken(error));
        }
        lock(&self.acknowledged).check_producible()?;
        match self.repeat(self.deadline(), beat, || Ok(Call::Abort)) {
            Ok(()) => {
                self.pause_after_abort();
                let is_in_doubt = lock(&self.acknowledged).is_in_doubt();
                Ok(if is_in_doubt {
                    BatchOutcome::AbortedInDoubt(error)
                } else {
                    BatchOutcome::Aborted(error)
                })
            }
            Err(error) => Ok(BatchOutcome::Broken(error)),
        }
    }

    /// Replaces the producer and destroys the old one; the error is that this did not return. The backoff of consecutive aborts continues.
    pub(super) fn replace(&mut self, new: Self, beat: Beat<'_>) -> Result<(), CallError> {
        let new = Self { abort_backoff: self.abort_backoff, ..new };
        std::mem::replace(self, new).close(beat)
    }

    /// Destroys the producer; the error is that this did not return.
    pub(super) fn close(self, beat: Beat<'_>) -> Result<(), CallError> {
        self.thread.close(beat)
    }

    /// Adds the offsets to the transaction. The generation is read right before, so that the coordinator fences a member that was
    /// removed from its group and has not noticed it. The call gets a copy: it does not borrow the consumer.
    fn send_offsets(
        &self,
        deadline: Instant,
        positions: &TopicPartitionList,
        consumer: &BaseConsumer<LogContext>,
        beat: Beat<'_>,
    ) -> Result<(), CallError> {
        self.repeat(deadline, beat, || {
            // Without a generation the coordinator would accept the offsets of an empty group from any client.
            match (raw::generation(consumer) > 0).then(|| consumer.group_metadata()).flatten() {
                Some(member) => Ok(Call::SendOffsets(positions.clone(), Arc::new(member))),
                None => Err(KafkaError::MessageProduction(RDKafkaErrorCode::UnknownMemberId).into()),
            }
        })
    }

    /// A commit that is undecided at the deadline cannot be aborted any more: a new client queries its outcome.
    fn commit(&self, deadline: Instant, beat: Beat<'_>) -> Result<(), CallError> {
        let done = self.repeat(deadline, beat, || Ok(Call::Commit));
        done.map_err(|error| CallError { fatal: error.fatal || error.remedy() == Remedy::Retry, ..error })
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.transaction_timeout
    }

    /// Repeats a call until it succeeds, fails permanently, is stuck, or the deadline has passed.
    fn repeat(
        &self,
        deadline: Instant,
        beat: Beat<'_>,
        call: impl Fn() -> Result<Call, CallError>,
    ) -> Result<(), CallError> {
        loop {
            match call().and_then(|call| self.thread.call(call, &mut *beat)) {
                Err(error) if error.remedy() == Remedy::Retry && Instant::now() < deadline => {
                    thread::park_timeout(RETRY_WAIT);
                }
                other => return other,
            }
        }
    }

    /// Waits after an abort: a persistent cause, such as a moving coordinator, must not lead to many transactions in a short time.
    fn pause_after_abort(&mut self) {
        let deadline = Instant::now() + self.abort_backoff.fail();
        while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            thread::park_timeout(left);
        }
    }
}

fn check_hook(abort: &mut AbortHook, step: TransactionStep) -> Result<(), CallError> {
    if abort(step) { Err(CallError::abort_requested()) } else { Ok(()) }
}
