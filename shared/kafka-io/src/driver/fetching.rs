//! The first half of a turn: what comes from the group's queue.

use std::time::Duration;

use pipeline::InputPartition;
use rdkafka::error::RDKafkaErrorCode;

use super::error::DriverError;
use super::group::Change;
use super::session::{Exit, Session};
use super::stage::KafkaStage;
use crate::raw::Polled;

/// Longest wait of an idle loop: the pace of the heartbeat, and of noticing what nobody announces.
const IDLE: Duration = Duration::from_millis(100);

/// Wait before a question that nobody answered is asked again.
const RETRY: Duration = Duration::from_millis(20);

impl<S: KafkaStage> Session<'_, '_, S> {
    /// Records that can't be judged must not pile up, yet a member that doesn't poll loses its partitions.
    fn choke(&mut self) {
        let full = self.waiting.is_full();
        if full {
            // Each time: what was assigned meanwhile flows.
            self.pause(self.group.owned().map(|(input, _)| input));
        } else if self.choked && !self.draining {
            self.choked = false;
            self.resume(self.group.owned().map(|(input, _)| input).filter(|input| self.flows(**input)));
        }
        self.choked = full;
    }

    /// Whether records of a input may come.
    pub(super) fn flows(&self, input: InputPartition) -> bool {
        !self.draining
            && !self.choked
            && !self.paused.contains(&input)
            && !self.restoring.as_ref().is_some_and(|restoring| restoring.holds(input))
    }

    fn wait(&self) -> Duration {
        if self.busy {
            return Duration::ZERO;
        }
        let longest = if self.unanswered { RETRY } else { IDLE };
        let wake = self.driver.engine.next_wake(self.driver.now()).map_or(longest, |wake| wake.min(longest));
        // librdkafka waits whole milliseconds: a part of one would spin.
        Duration::from_millis(wake.as_micros().div_ceil(1_000).try_into().unwrap_or(u64::MAX))
    }

    /// Fetches until nothing waits, enough is there, or the group wants something. Whether anything came.
    pub(super) fn fetch(&mut self) -> Result<bool, Exit> {
        self.choke();
        let before = self.waiting.len();
        let mut wait = self.wait();
        self.busy = false;
        loop {
            match self.work.poll(wait) {
                Polled::Nothing => break,
                Polled::Record(record) => {
                    if let Some(input) = self.current(record.topic(), record.partition()) {
                        self.waiting.push(input, record);
                    }
                }
                Polled::End { topic, partition, offset } => {
                    if let Some(input) = self.current(&topic, partition) {
                        self.waiting.end(input, offset);
                    }
                }
                Polled::Assign(partitions) => {
                    self.changes.push_back(Change::Assign(partitions));
                    break;
                }
                Polled::Revoke(partitions) => {
                    self.changes.push_back(Change::Revoke(partitions));
                    break;
                }
                Polled::Committed(_) if self.late_commits > 0 => self.late_commits -= 1,
                Polled::Committed(answer) => self.commit_answered(answer),
                Polled::Failed { code, fatal, text, at } => self.fetch_failed(code, fatal, text, at)?,
            }
            if self.waiting.is_full() && self.waiting.len() > before {
                break;
            }
            wait = Duration::ZERO;
        }
        let fetched = self.waiting.len() - before;
        if fetched > 0 {
            self.driver.observer.fetched(fetched);
        }
        Ok(fetched > 0)
    }

    /// The input of a record that is to be judged: none while draining, and none for what is not ours.
    fn current(&self, topic: &str, partition: i32) -> Option<InputPartition> {
        let input = self.driver.inputs.input(topic, partition)?;
        (!self.draining && self.group.owns(input)).then_some(input)
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
        tracing::warn!(group = self.driver.group, %code, text, "a fetch failed, it goes on by itself");
        Ok(())
    }
}
