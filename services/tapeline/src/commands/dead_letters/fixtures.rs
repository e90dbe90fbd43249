//! Dead letters for tests.

use contracts::Topic;
use kafka_io::OwnedRecord;

use super::dead_letter::DeadLetter;

/// A minute after [`dead_letter`] was written.
pub(super) const NOW_MS: i64 = 1_720_641_660_000;

/// Returns the dead letter of an alert whose first byte is 9, with a change.
pub(super) fn dead_letter(change: impl FnOnce(&mut OwnedRecord)) -> DeadLetter {
    let headers = [
        ("tapeline.topic", "scanner.alert.raised.v1"),
        ("custom", "kept"),
        ("tapeline.partition", "3"),
        ("tapeline.offset", "99"),
        ("tapeline.timestamp", "1720641500000"),
        ("tapeline.error-class", "bad_magic"),
        ("tapeline.error", "first byte is 9, not 0"),
        ("tapeline.attempts", "1"),
        ("tapeline.service", "scanner-bridge"),
        ("tapeline.epoch", "2"),
        ("tapeline.generation", "1"),
    ];
    let mut record = OwnedRecord {
        topic: Topic::ScannerBridgeDeadLetter,
        partition: 3,
        offset: 14,
        timestamp_ms: 1_720_641_600_000,
        key: Some(b"AAPL".to_vec()),
        payload: Some(vec![9, 255]),
        headers: headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec(),
    };
    change(&mut record);
    DeadLetter::new(record)
}
