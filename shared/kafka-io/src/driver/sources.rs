//! Kafka's names for the engine's sources.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use contracts::Topic;
use pipeline::{Finished, Position, Source};
use rdkafka::error::KafkaError;
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

    /// A list of offsets to read from.
    pub(super) fn offsets(
        &self,
        starts: impl IntoIterator<Item = (Source, i64)>,
    ) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::new();
        for (source, offset) in starts {
            list.add_partition(self.topic(source).name(), source.partition)
                .set_offset(Offset::Offset(offset))?;
        }
        Ok(list)
    }

    /// A list of offsets to commit, and beside each what is finished behind it.
    pub(super) fn positions(&self, positions: &[Position]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for position in positions {
            let mut element =
                list.add_partition(self.topic(position.source).name(), position.source.partition);
            // A position is never negative, the only thing that is refused here.
            let _accepted = element.set_offset(Offset::Offset(position.offset.max(0)));
            let finished = position.finished.to_bytes(position.offset);
            if !finished.is_empty() {
                element.set_metadata(BASE64.encode(finished));
            }
        }
        list
    }
}

/// What the metadata beside a committed offset says; none when somebody else has written it.
pub(super) fn finished_of(position: i64, metadata: &[u8]) -> Option<Finished> {
    Finished::from_bytes(position, &BASE64.decode(metadata).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw;

    #[test]
    fn what_is_finished_beyond_a_position_goes_beside_it_and_comes_back() {
        let inputs = Inputs::new(vec![Topic::AlertRaised]);
        let mut finished = Finished::none();
        for offset in 0..5_000 {
            finished.push(10 + 2 * offset..11 + 2 * offset);
        }
        let at = |partition| Source { topic: 0, partition };
        let list = inputs.positions(&[
            Position { source: at(0), offset: 9, finished },
            Position { source: at(1), offset: 9, finished: Finished::none() },
        ]);
        let metadata = raw::metadata(&list);
        assert!(metadata[0].len() <= 3_072, "{}", metadata[0].len());
        let read = finished_of(9, &metadata[0]).unwrap();
        assert!(read.contains(10) && !read.contains(11) && read.ranges().len() > 1_000);
        assert_eq!(metadata[1], b"");
        assert_eq!(finished_of(9, b""), Some(Finished::none()));
        for foreign in [&b"offset committed by hand"[..], &[0xff, 0xfe], b"/w"] {
            assert_eq!(finished_of(9, foreign), None);
        }
    }
}
