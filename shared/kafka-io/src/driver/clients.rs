//! The clients of one stage: made together, closed together.

use std::time::{Duration, Instant};

use contracts::Topic;
use rdkafka::consumer::{BaseConsumer, Consumer, RebalanceProtocol};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::error::DriverError;
use crate::client::{self, LogContext};
use crate::config::KafkaConfig;
use crate::raw::{Polled, Poller, Wake};

/// Leaving a group takes one round trip; a coordinator that doesn't answer within this is not waited for.
const CLOSE_BUDGET: Duration = Duration::from_secs(5);

pub(super) struct Clients {
    pub(super) work: BaseConsumer<LogContext>,
    pub(super) tables: Option<BaseConsumer<LogContext>>,
    pub(super) ends: BaseConsumer<LogContext>,
}

impl Clients {
    pub(super) fn make(
        config: &KafkaConfig,
        group: &str,
        inputs: &[Topic],
        has_tables: bool,
        wake: &Wake,
    ) -> Result<Self, DriverError> {
        let work = client::work_consumer(config, group)?;
        let tables = match has_tables {
            true => {
                let mut tables = client::follower(config, &format!("{group}.tables-{}", config.ordinal))?;
                let wake = wake.clone();
                tables.set_nonempty_callback(move || wake.wake());
                Some(tables)
            }
            false => None,
        };
        let ends = client::end_inquirer(config)?;
        let names: Vec<&str> = inputs.iter().map(|topic| topic.name()).collect();
        work.subscribe(&names).map_err(|error| DriverError::Fatal { cause: error.to_string() })?;
        Ok(Self { work, tables, ends })
    }

    /// Leaves the group. What is still assigned is given back without a word: whoever wanted to drain has done so.
    pub(super) fn close(self) {
        let Self { work, tables, ends } = self;
        close(work);
        if let Some(tables) = tables {
            close(tables);
        }
        drop(ends);
    }
}

/// Gives back what goes: answers a revocation.
pub(super) fn unassign(consumer: &BaseConsumer<LogContext>, list: &TopicPartitionList) -> Result<(), String> {
    let answer = match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    };
    answer.map_err(|error| error.to_string())
}

/// Takes what comes: answers an assignment. It flows from then on: the client remembers the pause of a partition that left.
pub(super) fn assign(consumer: &BaseConsumer<LogContext>, list: &TopicPartitionList) -> Result<(), String> {
    let answer = match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(list),
    };
    answer.map_err(|error| error.to_string())?;
    if let Err(error) = consumer.resume(list) {
        tracing::warn!(%error, "can't resume what was assigned");
    }
    Ok(())
}

/// Closes a consumer within a budget. rust-rdkafka's drop would poll for ever, so one that can't be closed is leaked: the process
/// is about to end, or a new client takes its place and the group forgets the old one after its session.
pub(crate) fn close(consumer: BaseConsumer<LogContext>) {
    if let Err(error) = consumer.close_queue() {
        tracing::warn!(%error, "can't close a consumer");
    }
    let deadline = Instant::now() + CLOSE_BUDGET;
    if let Some(poller) = Poller::of(&consumer) {
        while !consumer.closed() && Instant::now() < deadline {
            if let Polled::Revoke(partitions) = poller.poll(Duration::from_millis(100)) {
                let mut list = TopicPartitionList::new();
                for (topic, partition) in &partitions {
                    list.add_partition(topic, *partition);
                }
                if let Err(error) = unassign(&consumer, &list) {
                    tracing::debug!(error, "can't give back partitions of a closing consumer");
                }
            }
        }
    }
    if !consumer.closed() {
        tracing::warn!(
            budget_ms = CLOSE_BUDGET.as_millis(),
            "a consumer did not close in time, left to its group"
        );
        std::mem::forget(consumer);
    }
}
