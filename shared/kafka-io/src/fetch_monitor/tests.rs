//! Tests of the samples, without a client.

use super::*;

const MIB: u64 = 1 << 20;

fn totals(compressed: u64, decompressed: u64, records: u64) -> Totals {
    Totals { compressed, decompressed, records }
}

#[test]
fn totals_are_read_from_the_statistics_of_a_client() {
    let json = r#"{"name": "c", "rx": 9, "rx_bytes": 7, "brokers": {"b": {"rxbytes": 1}}, "rxmsgs": 5, "rxmsg_bytes": 6, "cgrp": {}}"#;
    assert_eq!(serde_json::from_str::<Totals>(json).unwrap(), totals(7, 6, 5));
}

#[test]
fn ratio_is_that_of_the_last_samples() {
    let mut samples = Samples::default();
    assert_eq!(samples.add(totals(MIB - 1, 9 * MIB, 1)), None);
    // The records of a response that arrived before the first sample.
    assert_eq!(samples.add(totals(MIB, 10 * MIB, 2)), Some(totals(MIB, 10 * MIB, 2)));
    for _ in 0..SAMPLES - 2 {
        assert!(samples.add(totals(MIB, 10 * MIB, 2)).is_some());
    }
    assert_eq!(samples.add(totals(MIB, 10 * MIB, 2)), None);
    assert_eq!(samples.add(totals(3 * MIB, 13 * MIB, 4)), Some(totals(2 * MIB, 3 * MIB, 2)));
}

#[test]
fn fallen_totals_begin_a_new_ratio() {
    let mut samples = Samples::default();
    assert!(samples.add(totals(8 * MIB, 10 * MIB, 10)).is_some());
    assert_eq!(samples.add(totals(9 * MIB, 2 * MIB, 1)), None);
    assert_eq!(samples.add(totals(11 * MIB, 12 * MIB, 2)), Some(totals(2 * MIB, 10 * MIB, 1)));
}

#[test]
fn memory_of_a_response_includes_structures_of_records() {
    assert_eq!(totals(100, 300, 2).memory_of(MIB), 3 * MIB + 2 * FETCHED_RECORD_BYTES * MIB / 100);
    assert_eq!(totals(1, u64::MAX, 0).memory_of(MIB), u64::MAX);
}
