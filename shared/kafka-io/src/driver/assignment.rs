//! The partitions that are assigned to this instance, and their start offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pipeline::{CompletedRanges, InputPartition, Start};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::clients::Clients;
use super::inputs::{self, Inputs};
use crate::partition_ends::watermarks_of;
use crate::raw;

/// A rebalance event. The group waits until the session has confirmed it.
pub(super) enum RebalanceEvent {
    Assign(Vec<(String, i32)>),
    Revoke(Vec<(String, i32)>),
}

/// The assigned inputs, and how far each was fetched.
pub(super) struct Assignment {
    query_timeout: Duration,
    /// Assigned inputs, with the offset after the last record that was passed to the engine.
    owned: BTreeMap<InputPartition, i64>,
    /// Inputs of the current revocation that are not drained yet.
    draining: BTreeSet<InputPartition>,
    /// All inputs of the current revocation.
    revoked: BTreeSet<InputPartition>,
    joined: bool,
}

impl Assignment {
    pub(super) fn new(query_timeout: Duration) -> Self {
        Self {
            query_timeout,
            owned: BTreeMap::new(),
            draining: BTreeSet::new(),
            revoked: BTreeSet::new(),
            joined: false,
        }
    }

    /// Returns `true` if the group has made an assignment, even an empty one.
    pub(super) fn has_joined(&self) -> bool {
        self.joined
    }

    pub(super) fn owned(&self) -> impl ExactSizeIterator<Item = (&InputPartition, &i64)> {
        self.owned.iter()
    }

    pub(super) fn owns(&self, input: InputPartition) -> bool {
        self.owned.contains_key(&input)
    }

    /// Returns the positions of those of these inputs that are assigned.
    pub(super) fn positions<'s>(
        &self,
        inputs: impl IntoIterator<Item = &'s InputPartition>,
    ) -> impl Iterator<Item = (InputPartition, i64)> {
        inputs.into_iter().filter_map(|input| Some((*input, *self.owned.get(input)?)))
    }

    pub(super) fn numbers(&self) -> BTreeSet<i32> {
        self.owned.keys().map(|input| input.partition).collect()
    }

    pub(super) fn set_position(&mut self, input: InputPartition, next: i64) {
        if let Some(position) = self.owned.get_mut(&input) {
            *position = next;
        }
    }

    pub(super) fn add(&mut self, starts: &[Start]) {
        self.joined = true;
        self.owned.extend(starts.iter().map(|start| (start.input, start.position)));
    }

    pub(super) fn remove(&mut self, inputs: &BTreeSet<InputPartition>) {
        self.owned.retain(|input, _| !inputs.contains(input));
    }

    pub(super) fn begin_drain(&mut self, inputs: BTreeSet<InputPartition>) {
        self.draining.clone_from(&inputs);
        self.revoked = inputs;
    }

    /// Returns `true` if a revocation is being drained.
    pub(super) fn is_draining(&self) -> bool {
        !self.draining.is_empty()
    }

    /// Marks these inputs as drained. Returns all inputs of the revocation if they were its last, to be unassigned at once.
    pub(super) fn drained(&mut self, inputs: &[InputPartition]) -> Option<BTreeSet<InputPartition>> {
        let was_draining = self.is_draining();
        for input in inputs {
            self.draining.remove(input);
        }
        (was_draining && self.draining.is_empty()).then(|| std::mem::take(&mut self.revoked))
    }

    /// Ends a revocation that is not drained. Returns its inputs.
    pub(super) fn cancel_drain(&mut self) -> BTreeSet<InputPartition> {
        self.draining.clear();
        std::mem::take(&mut self.revoked)
    }

    /// Returns where delivery of these partitions starts, and the list to assign: at the committed offset, or at the earliest record
    /// if the group has none. Must not be called in a callback.
    ///
    /// # Errors
    /// If the cluster did not return the offsets: the caller retries.
    pub(super) fn starts(
        &self,
        clients: &Clients,
        inputs: &Inputs,
        assigned: &BTreeSet<InputPartition>,
    ) -> Result<(Vec<Start>, TopicPartitionList), KafkaError> {
        let mut starts = Vec::with_capacity(assigned.len());
        let mut list = TopicPartitionList::new();
        if assigned.is_empty() {
            return Ok((starts, list));
        }
        let committed = clients.work.committed_offsets(inputs.list(assigned), self.query_timeout)?;
        for (element, metadata) in committed.elements().iter().zip(raw::metadata(&committed)) {
            element.error()?;
            let (topic, partition) = (element.topic(), element.partition());
            let Some(input) = inputs.input(topic, partition) else { continue };
            let mut completed = CompletedRanges::none();
            let (position, offset) = match element.offset() {
                Offset::Offset(offset) => {
                    completed = inputs::completed_ranges(offset, &metadata).unwrap_or_else(|| {
                        tracing::warn!(
                            topic,
                            partition,
                            offset,
                            "unrecognized commit metadata ignored: later records may be reprocessed"
                        );
                        CompletedRanges::none()
                    });
                    (offset, Offset::Offset(offset))
                }
                // Also in a group with other offsets: a partition without records is never committed, so most groups lack some.
                _ => {
                    let (low, _) = watermarks_of(&clients.work, topic, partition, self.query_timeout)?;
                    if low > 0 {
                        tracing::warn!(
                            topic,
                            partition,
                            low,
                            "no committed offset: starting at the earliest retained record"
                        );
                    }
                    (low, Offset::Beginning)
                }
            };
            list.add_partition(topic, partition).set_offset(offset)?;
            starts.push(Start { input, position, completed });
        }
        Ok((starts, list))
    }
}
