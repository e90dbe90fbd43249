//! Start offsets on real Kafka: of a stage, for each state of the group's committed offset, and of a table whose old records are not needed.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod stage;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contracts::Topic;
use integration::real_parts_missing;
use kafka_io::{DriverError, GroupOffsets, Hooks};
use pipeline::Stop;
use stage::{Cluster, IN, OUT, Running, eventually, orders};

const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";

fn commit(cluster: &Cluster, group: &str, offset: i64) {
    let offsets = GroupOffsets::new(&cluster.config, group).unwrap();
    offsets.commit(&BTreeMap::from([((IN, 0), offset)]), "by hand").unwrap();
}

/// Runs a stage and returns its outputs.
fn emitted(cluster: &Cluster, group: &str, count: u64) -> Vec<String> {
    let before = cluster.texts(OUT).len();
    let running = Running::start(&cluster.config, group);
    eventually("all records are emitted", || running.emitted() >= count);
    assert_eq!(running.stop(), Stop::Drained);
    let mut texts = cluster.texts(OUT).split_off(before.min(cluster.texts(OUT).len()));
    texts.sort();
    texts
}

#[test]
fn stage_starts_at_the_committed_offset_or_earliest_record() {
    if real_parts_missing() {
        return;
    }
    let cluster = Cluster::start().with_topics();
    let records: Vec<(i32, String)> = orders("emit", 0, 10).into_iter().map(|(_, text)| (0, text)).collect();
    cluster.write(IN, &records);

    // Without a committed offset: from the earliest record.
    let all = emitted(&cluster, "tapeline.none", 10);
    assert!(all.iter().eq(records.iter().map(|(_, text)| text)), "{all:?}");

    // A committed offset in range with unrecognized metadata: from that offset.
    commit(&cluster, "tapeline.seven", 7);
    let rest = emitted(&cluster, "tapeline.seven", 3);
    assert_eq!(rest, ["emit 000007", "emit 000008", "emit 000009"]);

    // At the end: no record, and the stage waits.
    commit(&cluster, "tapeline.end", 10);
    let waiting = Running::start(&cluster.config, "tapeline.end").ready();
    assert_eq!((waiting.stop(), cluster.texts(OUT).len()), (Stop::Drained, 13));

    // After the end, as if the topic had been recreated: the stage exits with an error.
    commit(&cluster, "tapeline.beyond", 500);
    assert_missing(&cluster, "tapeline.beyond", 500);

    // Before the earliest retained record: the stage exits with an error.
    commit(&cluster, "tapeline.below", 2);
    let file = cluster.folder().join("delete.json");
    let until = r#"{"version":1,"partitions":[{"topic":"TOPIC","partition":0,"offset":5}]}"#;
    std::fs::write(&file, until.replace("TOPIC", IN.name())).unwrap();
    cluster.broker.tool(DELETE_RECORDS, &["--offset-json-file", file.to_str().unwrap()]).unwrap();
    assert_missing(&cluster, "tapeline.below", 2);

    // Without a committed offset, and older records are already deleted: from the earliest retained one, with a warning.
    let retained = emitted(&cluster, "tapeline.late", 5);
    assert_eq!(retained.first().map(String::as_str), Some("emit 000005"));
    assert_eq!(retained.len(), 5);
}

#[test]
fn table_that_is_not_read_back_has_only_later_records() {
    if real_parts_missing() {
        return;
    }
    let (cluster, table) = (Cluster::start().with_topics(), Topic::SymbolProposed);
    cluster.write(table, &orders("old", 0, 40));
    // Its append time must be before the start.
    let written = Instant::now();
    eventually("the clock has advanced", || written.elapsed() > Duration::from_millis(10));
    let texts = Arc::new(Mutex::new(Vec::new()));
    let configure = |stage: &mut stage::TestStage| {
        stage.table = Some((table, Duration::ZERO));
        stage.table_texts = Arc::clone(&texts);
    };
    let running = Running::start_as(&cluster.config, "tapeline.table", IN, Hooks::default(), configure);
    let running = running.ready();
    let new = orders("new", 0, 40);
    cluster.write(table, &new);
    eventually("new records are read", || new.iter().all(|(_, text)| texts.lock().unwrap().contains(text)));
    assert_eq!(texts.lock().unwrap().len(), new.len(), "{texts:?}");
    assert_eq!(running.stop(), Stop::Drained);
}

fn assert_missing(cluster: &Cluster, group: &str, committed: i64) {
    let error = Running::start(&cluster.config, group).error();
    match &error {
        DriverError::MissingOffset { partition: 0, offset, .. } => assert_eq!(*offset, committed, "{error}"),
        _ => panic!("{error}"),
    }
}
