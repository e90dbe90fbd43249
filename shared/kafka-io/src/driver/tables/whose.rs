//! Whom a table's records are for.

use contracts::Topic;

use crate::driver::stage::{KafkaStage, TableRecord};
use crate::record::InRecord;
use crate::wire::Unavailable;

/// What takes the records of a table.
pub(in crate::driver) trait TableReader {
    fn record(&mut self, record: &InRecord<'_>) -> Result<TableRecord, Unavailable>;
    fn position(&mut self, topic: Topic, partition: i32, position: i64);
    fn end(&mut self, topic: Topic, partition: i32, end: i64);
    fn released(&mut self, topic: Topic, partition: i32);
}

/// A stage, as the reader of its share of the tables.
pub(in crate::driver) struct Share<'s, S>(pub(in crate::driver) &'s mut S);

/// A stage, as the reader of what every instance has.
pub(in crate::driver) struct Global<'s, S>(pub(in crate::driver) &'s mut S);

impl<S: KafkaStage> TableReader for Share<'_, S> {
    fn record(&mut self, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        self.0.table_record(record)
    }

    fn position(&mut self, topic: Topic, partition: i32, position: i64) {
        self.0.table_position(topic, partition, position);
    }

    fn end(&mut self, topic: Topic, partition: i32, end: i64) {
        self.0.table_end(topic, partition, end);
    }

    fn released(&mut self, topic: Topic, partition: i32) {
        self.0.table_released(topic, partition);
    }
}

impl<S: KafkaStage> TableReader for Global<'_, S> {
    fn record(&mut self, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        self.0.global_record(record)
    }

    fn position(&mut self, topic: Topic, partition: i32, position: i64) {
        self.0.global_position(topic, partition, position);
    }

    fn end(&mut self, topic: Topic, partition: i32, end: i64) {
        self.0.global_end(topic, partition, end);
    }

    /// Its records stay, for they come again; what needs them waits until they have.
    fn released(&mut self, topic: Topic, partition: i32) {
        self.0.global_position(topic, partition, 0);
    }
}
