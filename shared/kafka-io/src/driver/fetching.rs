//! Fetching: the first half of an iteration, which polls the queue of the group.

use std::time::Duration;

use kit::SaturatingFrom;
use pipeline::InputPartition;
use rdkafka::error::RDKafkaErrorCode;

use super::assignment::RebalanceEvent;
use super::error::DriverError;
use super::session::{Exit, Session};
use super::stage::KafkaStage;
use crate::client;
use crate::raw::Polled;

/// Longest wait of an idle loop: the interval of the heartbeat, and of changes that do not wake the loop.
const IDLE_WAIT_MAX: Duration = Duration::from_millis(100);

/// Longest wait if something must be retried soon.
const RETRY_WAIT_MAX: Duration = Duration::from_millis(20);

impl<S: KafkaStage> Session<'_, '_, '_, S> {
    /// Pauses all partitions while the buffer is full, and resumes them when it has been processed. The session continues to poll
    /// meanwhile: a member that does not poll loses its partitions.
    fn pause_while_buffer_is_full(&mut self) {
        let is_full = self.buffer.is_full();
        if is_full {
            // In every iteration: partitions that were assigned in the meantime are not paused.
            self.pause(self.assignment.owned().map(|(input, _)| input));
        } else if self.is_buffer_full && !self.draining {
            self.is_buffer_full = false;
            self.resume(
                self.assignment.owned().map(|(input, _)| input).filter(|input| self.fetches(**input)),
            );
        }
        self.is_buffer_full = is_full;
    }

    /// Returns `true` if records of an input should be fetched.
    pub(super) fn fetches(&self, input: InputPartition) -> bool {
        !self.draining
            && !self.is_buffer_full
            && !self.paused.contains(&input)
            && !self.restoring.as_ref().is_some_and(|restoring| restoring.contains(input))
    }

    fn poll_wait(&self) -> Duration {
        if self.busy {
            return Duration::ZERO;
        }
        let max = if self.retry_soon { RETRY_WAIT_MAX } else { IDLE_WAIT_MAX };
        let wait = self.driver.engine.next_wake(self.driver.now()).map_or(max, |wake| wake.min(max));
        // librdkafka waits whole milliseconds: rounded down, the loop would spin.
        Duration::from_millis(u64::saturating_from(wait.as_micros().div_ceil(1_000)))
    }

    /// Polls until the queue is empty, the buffer is full, or a rebalance event arrives. Returns whether records were fetched.
    pub(super) fn fetch(&mut self) -> Result<bool, Exit> {
        self.pause_while_buffer_is_full();
        let before = self.buffer.len();
        let mut wait = self.poll_wait();
        self.busy = false;
        loop {
            match self.work.poll(wait) {
                Polled::Nothing => break,
                Polled::Record(record) => {
                    if let Some(input) = self.fetched_input(record.topic(), record.partition()) {
                        self.buffer.push(input, record);
                    }
                }
                Polled::End { topic, partition, offset } => {
                    if let Some(input) = self.fetched_input(&topic, partition) {
                        self.buffer.end(input, offset);
                    }
                }
                Polled::Assign(partitions) => {
                    self.rebalance_events.push_back(RebalanceEvent::Assign(partitions));
                    break;
                }
                Polled::Revoke(partitions) => {
                    self.rebalance_events.push_back(RebalanceEvent::Revoke(partitions));
                    break;
                }
                Polled::Committed(_) if self.abandoned_commits > 0 => self.abandoned_commits -= 1,
                Polled::Committed(result) => self.commit_finished(result),
                Polled::Failed { code, fatal, text, at } => self.fetch_failed(code, fatal, text, at)?,
            }
            if self.buffer.is_full() && self.buffer.len() > before {
                break;
            }
            wait = Duration::ZERO;
        }
        let fetched = self.buffer.len() - before;
        if fetched > 0 {
            self.driver.observer.fetched(fetched);
        }
        Ok(fetched > 0)
    }

    /// Returns the input of a fetched record. `None` during the shutdown drain, and if the input is not assigned.
    fn fetched_input(&self, topic: &str, partition: i32) -> Option<InputPartition> {
        let input = self.driver.inputs.input(topic, partition)?;
        (!self.draining && self.assignment.owns(input)).then_some(input)
    }

    fn fetch_failed(
        &self,
        code: RDKafkaErrorCode,
        fatal: bool,
        text: String,
        at: Option<(String, i32, i64)>,
    ) -> Result<(), Exit> {
        if let (RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange, Some(at)) = (code, at)
        {
            let (topic, partition, offset) = at;
            let group = self.driver.group.clone();
            return Err(DriverError::MissingOffset { group, topic, partition, offset }.into());
        }
        if fatal {
            return Err(Exit::broken(code, text));
        }
        client::log_failed_fetch("records", code, &text);
        Ok(())
    }
}
