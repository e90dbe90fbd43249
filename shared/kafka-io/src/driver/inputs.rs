//! Mapping between the engine's input partitions and Kafka's topic partitions.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use contracts::Topic;
use pipeline::{CompletedRanges, InputPartition, Position};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// A topic and the number of one of its partitions.
pub(super) type TopicPartition = (Topic, i32);

/// The input topics of a stage, in the order of subscription: their indexes are those of [`InputPartition::topic`].
pub(super) struct Inputs(Vec<Topic>);

impl Inputs {
    pub(super) fn new(topics: Vec<Topic>) -> Self {
        Self(topics)
    }

    pub(super) fn topics(&self) -> &[Topic] {
        &self.0
    }

    pub(super) fn topic(&self, input: InputPartition) -> Topic {
        self.0[usize::from(input.topic)]
    }

    pub(super) fn input(&self, topic: &str, partition: i32) -> Option<InputPartition> {
        let index = self.0.iter().position(|known| known.name() == topic)?;
        Some(InputPartition { topic: u16::try_from(index).ok()?, partition })
    }

    pub(super) fn inputs(&self, partitions: &[(String, i32)]) -> BTreeSet<InputPartition> {
        partitions.iter().filter_map(|(topic, partition)| self.input(topic, *partition)).collect()
    }

    pub(super) fn list<'a>(
        &self,
        inputs: impl IntoIterator<Item = &'a InputPartition>,
    ) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for input in inputs {
            list.add_partition(self.topic(*input).name(), input.partition);
        }
        list
    }

    /// Returns a list of offsets to read from.
    pub(super) fn offsets(
        &self,
        starts: impl IntoIterator<Item = (InputPartition, i64)>,
    ) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::new();
        for (input, offset) in starts {
            list.add_partition(self.topic(input).name(), input.partition)
                .set_offset(Offset::Offset(offset))?;
        }
        Ok(list)
    }

    /// Returns a list of offsets to commit, with the completed ranges as commit metadata.
    pub(super) fn positions(&self, positions: &[Position]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for position in positions {
            let mut element = list.add_partition(self.topic(position.input).name(), position.input.partition);
            // The call fails only for a negative offset, and a position is never negative.
            let _accepted = element.set_offset(Offset::Offset(position.offset.max(0)));
            let completed = position.completed.to_bytes(position.offset);
            if !completed.is_empty() {
                element.set_metadata(BASE64.encode(completed));
            }
        }
        list
    }
}

/// Decodes the commit metadata of a committed offset. `None` if another program wrote it.
pub(super) fn completed_ranges(position: i64, metadata: &[u8]) -> Option<CompletedRanges> {
    CompletedRanges::from_bytes(position, &BASE64.decode(metadata).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw;

    #[test]
    fn completed_ranges_survive_the_commit_metadata() {
        let inputs = Inputs::new(vec![Topic::AlertRaised]);
        let mut completed = CompletedRanges::none();
        for offset in 0..5_000 {
            completed.push(10 + 2 * offset..11 + 2 * offset);
        }
        let at = |partition| InputPartition { topic: 0, partition };
        let list = inputs.positions(&[
            Position { input: at(0), offset: 9, completed },
            Position { input: at(1), offset: 9, completed: CompletedRanges::none() },
        ]);
        let metadata = raw::metadata(&list);
        assert!(metadata[0].len() <= 3_072, "{}", metadata[0].len());
        let read = completed_ranges(9, &metadata[0]).unwrap();
        assert!(read.contains(10) && !read.contains(11) && read.ranges().len() > 1_000);
        assert_eq!(metadata[1], b"");
        assert_eq!(completed_ranges(9, b""), Some(CompletedRanges::none()));
        for foreign in [&b"offset committed by hand"[..], &[0xff, 0xfe], b"/w"] {
            assert_eq!(completed_ranges(9, foreign), None);
        }
    }
}
