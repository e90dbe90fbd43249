//! Kafka's names for the engine's sources.

use std::collections::BTreeSet;

use contracts::Topic;
use pipeline::{Position, Source};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// The input topics of a stage, in the order of subscription.
pub(super) struct Inputs(Vec<Topic>);

impl Inputs {
    pub(super) fn new(topics: Vec<Topic>) -> Self {
        Self(topics)
    }

    pub(super) fn topics(&self) -> &[Topic] {
        &self.0
    }

    pub(super) fn topic(&self, source: Source) -> Topic {
        self.0[usize::from(source.topic)]
    }

    pub(super) fn source(&self, topic: &str, partition: i32) -> Option<Source> {
        let index = self.0.iter().position(|known| known.name() == topic)?;
        Some(Source { topic: u16::try_from(index).ok()?, partition })
    }

    pub(super) fn sources(&self, partitions: &[(String, i32)]) -> BTreeSet<Source> {
        partitions.iter().filter_map(|(topic, partition)| self.source(topic, *partition)).collect()
    }

    pub(super) fn list<'a>(&self, sources: impl IntoIterator<Item = &'a Source>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for source in sources {
            list.add_partition(self.topic(*source).name(), source.partition);
        }
        list
    }

    /// A list of offsets to commit.
    pub(super) fn positions(&self, positions: &[Position]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for position in positions {
            let mut element =
                list.add_partition(self.topic(position.source).name(), position.source.partition);
            // A position is never negative, the only thing that is refused here.
            if element.set_offset(Offset::Offset(position.offset.max(0))).is_ok()
                && !position.metadata.is_empty()
            {
                element.set_metadata(&position.metadata);
            }
        }
        list
    }
}
