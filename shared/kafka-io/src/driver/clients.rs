//! The Kafka clients of one session, apart from its producer: created together, closed together.

use std::time::{Duration, Instant};

use contracts::Topic;
use pipeline::Start;
use rdkafka::consumer::{BaseConsumer, Consumer, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::error::DriverError;
use super::inputs::Inputs;
use super::stage::KafkaStage;
use crate::call_error::CallError;
use crate::client::{self, LogContext};
use crate::config::KafkaConfig;
use crate::fetch_monitor::{self, FetchMonitor};
use crate::librdkafka_error::LibrdkafkaError;
use crate::raw::{Polled, Poller, Wake};

/// Bound of closing a consumer. Leaving a group takes one round trip to the coordinator.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Clients {
    pub(super) work: BaseConsumer<LogContext>,
    pub(super) restores: Option<BaseConsumer<LogContext>>,
}

impl Clients {
    /// Creates the clients of a stage with these inputs, and subscribes.
    pub(super) fn new<S: KafkaStage>(
        config: &KafkaConfig,
        group: &str,
        inputs: &[Topic],
        stage: &S,
        observers: (&Wake, &FetchMonitor),
    ) -> Result<Self, DriverError> {
        let context = LogContext::observed(observers.1.client(fetch_monitor::WORK));
        let work = client::work_consumer(config, group, context)?;
        let restores = follower(config, group, "restore", !stage.restores().is_empty(), observers)?;
        let names: Vec<&str> = inputs.iter().map(|topic| topic.name()).collect();
        work.subscribe(&names)
            .map_err(|error| DriverError::Fatal { cause: Box::new(LibrdkafkaError::from(error)) })?;
        Ok(Self { work, restores })
    }

    /// Returns the first permanent error of a client, such as denied access. `None` if no client has logged one.
    pub(super) fn permanent_error(&self) -> Option<CallError> {
        let mut all = [&self.work].into_iter().chain(&self.restores);
        all.find_map(|client| client.context().permanent_error())
    }

    /// Leaves the group and closes all clients. Unassigns partitions without a drain: the session has drained if it should.
    pub(super) fn close(self) {
        close(self.work);
        if let Some(restores) = self.restores {
            close(restores);
        }
    }
}

/// Creates a consumer of side inputs that wakes the driver. `None` if the stage has no such input.
pub(super) fn follower(
    config: &KafkaConfig,
    group: &str,
    what: &'static str,
    wanted: bool,
    (wake, fetches): (&Wake, &FetchMonitor),
) -> Result<Option<BaseConsumer<LogContext>>, DriverError> {
    if !wanted {
        return Ok(None);
    }
    let context = LogContext::observed(fetches.client(what));
    let mut follower = client::follower(config, &format!("{group}.{what}-{}", config.instance()), context)?;
    let wake = wake.clone();
    follower.set_nonempty_callback(move || wake.wake());
    Ok(Some(follower))
}

/// Unassigns partitions, which confirms a revocation. Resumes them before: the client would keep the pause, and a partition that is
/// assigned again and resumed while its start offset is looked up would end without an offset.
pub(super) fn unassign(
    consumer: &BaseConsumer<LogContext>,
    list: &TopicPartitionList,
) -> Result<(), KafkaError> {
    if let Err(error) = consumer.resume(list) {
        tracing::debug!(%error, "failed to resume revoked partitions");
    }
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
}

/// Assigns partitions, which confirms an assignment. The client fetches them from then on.
pub(super) fn assign(
    consumer: &BaseConsumer<LogContext>,
    list: &TopicPartitionList,
) -> Result<(), KafkaError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(list),
    }
}

/// Assigns partitions and pauses them on the same thread before the next poll: a pause discards what was fetched before it, so no record
/// is delivered until they are resumed. The offsets are numbers: an offset that is still looked up does not survive a pause.
pub(super) fn assign_paused(
    consumer: &BaseConsumer<LogContext>,
    starts: &[Start],
    inputs: &Inputs,
) -> Result<(), KafkaError> {
    let list = inputs.offsets(starts.iter().map(|start| (start.input, start.position)))?;
    assign(consumer, &list)?;
    consumer.pause(&list)
}

/// Closes a consumer within [`CLOSE_TIMEOUT`]. The drop of rust-rdkafka would poll indefinitely, so a consumer that cannot be closed is
/// leaked: either the process is about to end, or a new client replaces it and the group expires the old member.
pub(crate) fn close(consumer: BaseConsumer<LogContext>) {
    if let Err(error) = consumer.close_queue() {
        tracing::warn!(%error, "failed to close a consumer");
    }
    let deadline = Instant::now() + CLOSE_TIMEOUT;
    if let Some(poller) = Poller::of(&consumer) {
        while !consumer.closed() && Instant::now() < deadline {
            if let Polled::Revoke(partitions) = poller.poll(Duration::from_millis(100)) {
                let mut list = TopicPartitionList::new();
                for (topic, partition) in &partitions {
                    list.add_partition(topic, *partition);
                }
                if let Err(error) = unassign(&consumer, &list) {
                    tracing::debug!(%error, "failed to unassign partitions of a closing consumer");
                }
            }
        }
    }
    if !consumer.closed() {
        tracing::warn!(
            timeout_ms = CLOSE_TIMEOUT.as_millis(),
            "closing a consumer timed out: its group expires it"
        );
        std::mem::forget(consumer);
    }
}
