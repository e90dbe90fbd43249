//! Where a stage starts on real Kafka, for each state of its group's offset.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod desk;

use std::collections::BTreeMap;

use desk::{Cluster, IN, OUT, Running, eventually, orders};
use integration::real_parts_missing;
use kafka_io::{DriverError, GroupOffsets};
use pipeline::Stop;

const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";

fn commit(cluster: &Cluster, group: &str, offset: i64) {
    let offsets = GroupOffsets::new(&cluster.config, group).unwrap();
    offsets.commit(&BTreeMap::from([((IN, 0), offset)]), "by hand").unwrap();
}

/// The outputs since the last look.
fn emitted(cluster: &Cluster, group: &str, count: u64) -> Vec<String> {
    let before = cluster.texts(OUT).len();
    let running = Running::start(&cluster.config, group);
    eventually("all is emitted", || running.emitted() >= count);
    assert_eq!(running.stop(), Stop::Drained);
    let mut texts = cluster.texts(OUT).split_off(before.min(cluster.texts(OUT).len()));
    texts.sort();
    texts
}

#[test]
fn a_stage_starts_where_its_group_stands_or_at_the_earliest_record_and_never_skips_one_silently() {
    if real_parts_missing() {
        return;
    }
    let cluster = Cluster::start().with_topics();
    let records: Vec<(i32, String)> = orders("emit", 0, 10).into_iter().map(|(_, text)| (0, text)).collect();
    cluster.write(IN, &records);

    // No commit anywhere: from the earliest.
    let all = emitted(&cluster, "tapeline.none", 10);
    assert!(all.iter().eq(records.iter().map(|(_, text)| text)), "{all:?}");

    // A commit in range, with a stranger's word beside it: there.
    commit(&cluster, "tapeline.seven", 7);
    let rest = emitted(&cluster, "tapeline.seven", 3);
    assert_eq!(rest, ["emit 000007", "emit 000008", "emit 000009"]);

    // At the end: nothing, and it waits.
    commit(&cluster, "tapeline.end", 10);
    let waiting = Running::start(&cluster.config, "tapeline.end").ready();
    assert_eq!((waiting.stop(), cluster.texts(OUT).len()), (Stop::Drained, 13));

    // Behind the end, as of a topic that was made anew: it says so and ends.
    commit(&cluster, "tapeline.beyond", 500);
    assert_missing(&cluster, "tapeline.beyond", 500);

    // Before the first record that is left: it says so and ends.
    commit(&cluster, "tapeline.below", 2);
    let file = cluster.folder().join("delete.json");
    let until = r#"{"version":1,"partitions":[{"topic":"TOPIC","partition":0,"offset":5}]}"#;
    std::fs::write(&file, until.replace("TOPIC", IN.name())).unwrap();
    cluster.broker.tool(DELETE_RECORDS, &["--offset-json-file", file.to_str().unwrap()]).unwrap();
    assert_missing(&cluster, "tapeline.below", 2);

    // No commit, and older records already deleted: from the first that is left, with a warning.
    let left = emitted(&cluster, "tapeline.late", 5);
    assert_eq!(left.first().map(String::as_str), Some("emit 000005"));
    assert_eq!(left.len(), 5);
}

fn assert_missing(cluster: &Cluster, group: &str, stands: i64) {
    let error = Running::start(&cluster.config, group).error();
    match &error {
        DriverError::MissingOffset { partition: 0, offset, .. } => assert_eq!(*offset, stands, "{error}"),
        _ => panic!("{error}"),
    }
}
