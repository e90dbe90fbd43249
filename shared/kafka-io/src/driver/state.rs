//! State of a driver that outlives its sessions.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use contracts::Topic;
use kit::SaturatingFrom;
use pipeline::{Engine, Now};

use super::completions::Completed;
use super::inputs::Inputs;
use super::observer::Observer;
use super::output::{OutputOptions, Producers};
use super::shutdown::Shutdown;
use super::stage::KafkaStage;
use super::timeouts;
use crate::call_error::CallError;
use crate::config::KafkaConfig;
use crate::raw::Wake;

/// In multiples of the transaction timeout: an error that occurs this long after a recreation is a new one, since every call in which the
/// old one could recur has ended.
const RECURRENCE_TRANSACTIONS: u32 = 4;

/// Runs one stage.
pub struct Driver<S: KafkaStage> {
    pub(super) engine: Engine<S>,
    pub(super) inputs: Inputs,
    pub(super) outputs: Vec<Topic>,
    pub(super) group: String,
    pub(super) kafka: KafkaConfig,
    pub(super) completed: Completed<S::Completion>,
    pub(super) wake: Wake,
    pub(super) shutdown: Shutdown,
    pub(super) observer: Observer,
    pub(super) producers: Producers,
    pub(super) started: Instant,
    pub(super) table_records: u64,
    pub(super) stalls: u64,
    /// The last recreation of the clients after an error.
    pub(super) recreation: Option<Recreation>,
}

#[derive(Clone, Copy)]
pub(super) struct Recreation {
    pub(super) at: Instant,
    /// The new clients have delivered or committed something.
    pub(super) was_useful: bool,
}

impl<S: KafkaStage> Driver<S> {
    pub(super) fn query_timeout(&self) -> Duration {
        timeouts::query(&self.kafka)
    }

    /// Returns what the next producer is created from.
    pub(super) fn output_options(&mut self) -> OutputOptions<'_> {
        OutputOptions {
            kafka: &self.kafka,
            group: &self.group,
            wake: self.wake.clone(),
            monitor: self.observer.brokers.clone(),
            hung_clients: self.observer.hooks.hung_clients.clone(),
            producers: &mut self.producers,
            beat: &mut *self.observer.hooks.heartbeat,
        }
    }

    pub(super) fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Now { monotonic: self.started.elapsed(), wall_micros: i64::saturating_from(wall.as_micros()) }
    }
}

impl Recreation {
    /// Returns `true` if the recreated clients failed as those before. Two instances with the same transactional id fence each other in turn,
    /// perhaps after a commit or two: so a second fencing counts within the transaction timeout, even if the clients were useful.
    pub(super) fn is_recurrence(self, error: &CallError, age: Duration, transaction: Duration) -> bool {
        match error.is_fenced() {
            true => age < transaction,
            false => !self.was_useful && age < RECURRENCE_TRANSACTIONS * transaction,
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode;

    use super::*;

    #[test]
    fn recurring_error_without_progress_is_unrecoverable() {
        let transaction = Duration::from_secs(15);
        let (useful, useless) = (true, false);
        let recurs = |code, was_useful, age_s| {
            let last = Recreation { at: Instant::now(), was_useful };
            last.is_recurrence(
                &CallError::fatal(code, String::new()),
                Duration::from_secs(age_s),
                transaction,
            )
        };
        let (lost, fenced) = (RDKafkaErrorCode::OutOfOrderSequenceNumber, RDKafkaErrorCode::ProducerFenced);
        assert!(recurs(lost, useless, 30));
        assert!(!recurs(lost, useless, 61));
        assert!(!recurs(lost, useful, 1));
        assert!(recurs(fenced, useful, 14) && !recurs(fenced, useless, 16));
    }
}
