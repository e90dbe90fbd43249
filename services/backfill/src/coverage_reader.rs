//! Reader of the coverage topic for views that write no coverage: it finds the records that do not count.

use contracts::{CoverageKey, Topic};
use kafka_io::OwnedRecord;

use crate::rules::deletions::{Deletions, READ_TO};
use crate::rules::series::Series;

/// The tombstones that were read of the coverage topic.
#[derive(Debug, Default)]
pub struct CoverageReader {
    deletions: Deletions,
}

impl CoverageReader {
    /// Takes the next record of a partition. Returns `true` if it contains coverage that an earlier tombstone deletes: the executor had not read the
    /// tombstone when it wrote the record, and writes the coverage again. `false` for records of other topics.
    pub fn is_stale(&mut self, record: &OwnedRecord) -> bool {
        let key = record.key.as_deref().and_then(CoverageKey::parse);
        let Some(series) = key.filter(|_| record.topic == Topic::CoverageChanged).map(Series::from) else {
            return false;
        };
        if record.payload.is_none() {
            self.deletions.add(record.partition, series, record.offset);
            return false;
        }
        self.deletions.is_stale(record.partition, &series, record.header(READ_TO))
    }
}

#[cfg(test)]
mod tests {
    use contracts::Topic;
    use kafka_io::OwnedRecord;

    use super::CoverageReader;
    use crate::rules::deletions::READ_TO;

    fn record(offset: i64, read_to: Option<&str>) -> OwnedRecord {
        OwnedRecord {
            topic: Topic::CoverageChanged,
            partition: 0,
            offset,
            timestamp_ms: 0,
            key: Some(b"AAPL|market_data|1day".to_vec()),
            payload: Some(Vec::new()),
            headers: read_to.map(|text| (READ_TO.to_owned(), text.into())).into_iter().collect(),
        }
    }

    #[test]
    fn record_written_before_its_tombstone_was_read_is_stale() {
        let mut reader = CoverageReader::default();
        let mut is_stale = |record: OwnedRecord| reader.is_stale(&record);
        assert!(!is_stale(record(4, Some("4"))));
        assert!(!is_stale(OwnedRecord { payload: None, ..record(5, None) }));
        assert!(is_stale(record(6, Some("5"))) && is_stale(record(7, Some("4"))));
        assert!(!is_stale(OwnedRecord { partition: 1, ..record(6, Some("5")) }));
        let key = Some(b"AAPL|market_data|1min".to_vec());
        assert!(!is_stale(OwnedRecord { key, ..record(8, Some("5")) }), "another series");
        let of_bars = OwnedRecord { topic: Topic::BarClosed, ..record(9, Some("5")) };
        assert!(!is_stale(of_bars), "another topic");
        assert!(!is_stale(record(9, Some("6"))) && !is_stale(record(10, Some("5"))), "positions only grow");
        assert!(!is_stale(OwnedRecord { payload: None, ..record(11, None) }));
        assert!(!is_stale(record(12, None)), "of another producer");
    }
}
