//! What the group gives and takes, and where reading starts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pipeline::{CompletedRanges, InputPartition, Start};
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::clients::Clients;
use super::inputs::{self, Inputs};
use crate::partition_ends::watermarks_of;
use crate::raw;

/// A rebalance event, in the order in which they came. The group waits until it is answered.
pub(super) enum Change {
    Assign(Vec<(String, i32)>),
    Revoke(Vec<(String, i32)>),
}

/// Which inputs are ours, and how far each was fetched.
pub(super) struct Group {
    query_timeout: Duration,
    /// Owned inputs, and the offset behind the last record fetched.
    owned: BTreeMap<InputPartition, i64>,
    /// Inputs that the group wants back, and that are not drained yet.
    leaving: BTreeSet<InputPartition>,
    /// All inputs of the revocation that is being drained.
    revoked: BTreeSet<InputPartition>,
    joined: bool,
}

impl Group {
    pub(super) fn new(query_timeout: Duration) -> Self {
        Self {
            query_timeout,
            owned: BTreeMap::new(),
            leaving: BTreeSet::new(),
            revoked: BTreeSet::new(),
            joined: false,
        }
    }

    /// Whether an assignment has come, be it empty.
    pub(super) fn has_joined(&self) -> bool {
        self.joined
    }

    pub(super) fn owned(&self) -> impl ExactSizeIterator<Item = (&InputPartition, &i64)> {
        self.owned.iter()
    }

    pub(super) fn owns(&self, input: InputPartition) -> bool {
        self.owned.contains_key(&input)
    }

    /// Those of these inputs that are ours, and how far each was judged.
    pub(super) fn standing<'s>(
        &self,
        inputs: impl IntoIterator<Item = &'s InputPartition>,
    ) -> impl Iterator<Item = (InputPartition, i64)> {
        inputs.into_iter().filter_map(|input| Some((*input, *self.owned.get(input)?)))
    }

    pub(super) fn numbers(&self) -> BTreeSet<i32> {
        self.owned.keys().map(|input| input.partition).collect()
    }

    pub(super) fn fetched(&mut self, input: InputPartition, next: i64) {
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

    pub(super) fn begin_leaving(&mut self, inputs: BTreeSet<InputPartition>) {
        self.leaving.clone_from(&inputs);
        self.revoked = inputs;
    }

    pub(super) fn is_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// These are drained. Once all of the revocation are: all its inputs, to be given back at once.
    pub(super) fn drained(&mut self, inputs: &[InputPartition]) -> Option<BTreeSet<InputPartition>> {
        let was_leaving = self.is_leaving();
        for input in inputs {
            self.leaving.remove(input);
        }
        (was_leaving && self.leaving.is_empty()).then(|| std::mem::take(&mut self.revoked))
    }

    /// The revocation is over without being drained: its inputs.
    pub(super) fn abandon(&mut self) -> BTreeSet<InputPartition> {
        self.leaving.clear();
        std::mem::take(&mut self.revoked)
    }

    /// Where delivery of these partitions begins, and the list to assign: at the group's offset, or at the earliest record where
    /// the group has none. Asked outside of any callback; an error means: ask again.
    pub(super) fn starts(
        &self,
        clients: &Clients,
        inputs: &Inputs,
        assigned: &BTreeSet<InputPartition>,
    ) -> Result<(Vec<Start>, TopicPartitionList), String> {
        let mut starts = Vec::with_capacity(assigned.len());
        let mut list = TopicPartitionList::new();
        if assigned.is_empty() {
            return Ok((starts, list));
        }
        let committed = clients
            .work
            .committed_offsets(inputs.list(assigned), self.query_timeout)
            .map_err(|error| error.to_string())?;
        for (element, metadata) in committed.elements().iter().zip(raw::metadata(&committed)) {
            element.error().map_err(|error| error.to_string())?;
            let (topic, partition) = (element.topic(), element.partition());
            let Some(input) = inputs.input(topic, partition) else { continue };
            let mut finished = CompletedRanges::none();
            let (position, offset) = match element.offset() {
                Offset::Offset(offset) => {
                    finished = inputs::finished_of(offset, &metadata).unwrap_or_else(|| {
                        tracing::warn!(
                            topic,
                            partition,
                            offset,
                            "the metadata beside the committed offset is not ours, nothing behind it counts as finished"
                        );
                        CompletedRanges::none()
                    });
                    (offset, Offset::Offset(offset))
                }
                // Also in a group that has others: what brings no records is never committed, so most groups lack some.
                _ => {
                    let (low, _) = watermarks_of(&clients.work, topic, partition, self.query_timeout)
                        .map_err(|error| error.to_string())?;
                    if low > 0 {
                        tracing::warn!(
                            topic,
                            partition,
                            low,
                            "no offset of the group, its first record is the earliest left"
                        );
                    }
                    (low, Offset::Beginning)
                }
            };
            list.add_partition(topic, partition).set_offset(offset).map_err(|error| error.to_string())?;
            starts.push(Start { input, position, completed: finished });
        }
        Ok((starts, list))
    }
}
