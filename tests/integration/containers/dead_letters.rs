//! An alert whose bytes were cut: it becomes a dead letter, is repaired and replayed, and results in a request.

use std::time::Duration;

use contracts::{Alert, Event, Topic, encode};
use integration::wait_until;
use serde_json::Value;

use crate::alerts;
use crate::cluster::{Cluster, Expected, kafka};
use crate::newer_schema::registered;

const LIMIT: Duration = Duration::from_secs(120);

/// A number that no load uses: those count upwards from 0.
const NUMBER: usize = 11_000_000;

pub(crate) fn repair_and_replay(cluster: &Cluster) {
    let (alert, mut whole) = (alerts::alert(NUMBER), Vec::new());
    encode(&alert, registered(Topic::AlertRaised, Alert::SCHEMA), &mut whole).unwrap();
    let cut = whole[..whole.len() - 5].to_vec();
    let before = dead_letters(cluster).len();
    alerts::produce(&kafka(), vec![alerts::record(&alert.symbol, kafka().partitions, cut)]);
    let mut found = Vec::new();
    let is_rejected = wait_until(LIMIT, || {
        found = dead_letters(cluster);
        found.len() == before + 1
    });
    assert!(is_rejected, "{found:?}\n{}", cluster.logs());

    let has_symbol = |dead_letter: &&Value| dead_letter["key"] == *alert.symbol;
    let dead_letter = found
        .iter()
        .find(has_symbol)
        .unwrap_or_else(|| panic!("no dead letter of {} in {found:?}", alert.symbol));
    std::fs::write(cluster.folder().join("whole"), &whole).unwrap();
    let (partition, offset) = (&dead_letter["partition"], &dead_letter["offset"]);
    let position = format!("--service scanner-bridge --partition {partition} --offset {offset}");
    let sent =
        cluster.tapeline(&format!("dead-letters replay {position} --payload-file /out/whole")).expect(0);
    assert!(sent.contains("sent 1,"), "{sent}");
    cluster.wait_for_rest();
    assert_eq!(dead_letters(cluster).len(), before + 1, "the repaired record became a dead letter again");
    let requested = alerts::requested_symbols(&kafka(), 1, Duration::ZERO);
    let times = requested.iter().find(|(symbol, _)| symbol.as_str() == alert.symbol).map(|(_, times)| *times);
    assert_eq!(times, Some(1), "{} must be requested once", alert.symbol);
}

fn dead_letters(cluster: &Cluster) -> Vec<Value> {
    let listed = cluster.tapeline("dead-letters list --json --service scanner-bridge --class truncated");
    listed.printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
