//! The clients of one stage: made together, closed together.

use std::time::{Duration, Instant};

use contracts::Topic;
use pipeline::Start;
use rdkafka::consumer::{BaseConsumer, Consumer, RebalanceProtocol};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::error::DriverError;
use super::inputs::Inputs;
use super::stage::KafkaStage;
use crate::call_error::CallError;
use crate::client::{self, LogContext};
use crate::config::KafkaConfig;
use crate::raw::{Polled, Poller, Wake};

/// Leaving a group takes one round trip; a coordinator that doesn't answer within this is not waited for.
const CLOSE_BUDGET: Duration = Duration::from_secs(5);

pub(super) struct Clients {
    pub(super) work: BaseConsumer<LogContext>,
    pub(super) tables: Option<BaseConsumer<LogContext>>,
    pub(super) globals: Option<BaseConsumer<LogContext>>,
    pub(super) restores: Option<BaseConsumer<LogContext>>,
    pub(super) ends: BaseConsumer<LogContext>,
}

impl Clients {
    /// For a stage over these inputs.
    pub(super) fn make<S: KafkaStage>(
        config: &KafkaConfig,
        group: &str,
        inputs: &[Topic],
        stage: &S,
        wake: &Wake,
    ) -> Result<Self, DriverError> {
        let work = client::work_consumer(config, group)?;
        let beside = |wanted: bool, what: &str| -> Result<_, DriverError> {
            if !wanted {
                return Ok(None);
            }
            let mut follower = client::follower(config, &format!("{group}.{what}-{}", config.instance()))?;
            let wake = wake.clone();
            follower.set_nonempty_callback(move || wake.wake());
            Ok(Some(follower))
        };
        let tables = beside(!stage.tables().is_empty(), "tables")?;
        let globals = beside(!stage.globals().is_empty(), "globals")?;
        let restores = beside(!stage.restores().is_empty(), "restore")?;
        let ends = client::topic_query_client(config)?;
        let names: Vec<&str> = inputs.iter().map(|topic| topic.name()).collect();
        work.subscribe(&names).map_err(|error| DriverError::Fatal { cause: error.to_string() })?;
        Ok(Self { work, tables, globals, restores, ends })
    }

    /// What keeps one of them from its work for good, as far as it was heard.
    pub(super) fn refusal(&self) -> Option<CallError> {
        let beside = [&self.tables, &self.globals, &self.restores].into_iter().flatten();
        let mut all = [&self.work, &self.ends].into_iter().chain(beside);
        let (code, text) = all.find_map(|client| client.context().access_denied())?;
        Some(CallError::fatal(code, text))
    }

    /// Leaves the group. What is still assigned is given back without a word: whoever wanted to drain has done so.
    pub(super) fn close(self) {
        let Self { work, tables, globals, restores, ends } = self;
        close(work);
        for beside in [tables, globals, restores].into_iter().flatten() {
            close(beside);
        }
        drop(ends);
    }
}

/// Gives back what goes: answers a revocation. Unpaused: the client would remember the pause, and a partition that comes again and is
/// resumed while its beginning is looked up would end as one without an offset.
pub(super) fn unassign(consumer: &BaseConsumer<LogContext>, list: &TopicPartitionList) -> Result<(), String> {
    if let Err(error) = consumer.resume(list) {
        tracing::debug!(%error, "can't resume what goes");
    }
    let answer = match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    };
    answer.map_err(|error| error.to_string())
}

/// Takes what comes: answers an assignment. It flows from then on.
pub(super) fn assign(consumer: &BaseConsumer<LogContext>, list: &TopicPartitionList) -> Result<(), String> {
    let answer = match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(list),
    };
    answer.map_err(|error| error.to_string())
}

/// Takes what comes, and stops it on the same thread before the next poll: a pause drops what was fetched before it, so nothing
/// surfaces until it is resumed. At offsets that are numbers: those that are looked up don't survive a pause.
pub(super) fn assign_paused(
    consumer: &BaseConsumer<LogContext>,
    starts: &[Start],
    inputs: &Inputs,
) -> Result<(), String> {
    let list = inputs.offsets(starts.iter().map(|start| (start.input, start.position)));
    let list = list.map_err(|error| error.to_string())?;
    assign(consumer, &list)?;
    consumer.pause(&list).map_err(|error| error.to_string())
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
