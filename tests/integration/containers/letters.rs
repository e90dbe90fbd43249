//! An alert whose bytes were cut: it dies, is mended, sent back, and ends in a request.

use std::time::Duration;

use contracts::{Alert, Event, Topic, encode};
use integration::wait_until;
use serde_json::Value;

use crate::alerts;
use crate::cluster::{Cluster, Expected, kafka};
use crate::newer::registered;

const LIMIT: Duration = Duration::from_secs(120);

/// An alert that no load posts: those count upwards from 0.
const NUMBER: usize = 11_000_000;

pub(crate) fn die_and_come_back(cluster: &Cluster) {
    let (alert, mut whole) = (alerts::alert(NUMBER), Vec::new());
    encode(&alert, registered(Topic::AlertRaised, Alert::SCHEMA), &mut whole).unwrap();
    let cut = whole[..whole.len() - 5].to_vec();
    let before = letters(cluster).len();
    alerts::produce(&kafka(), vec![alerts::record(&alert.symbol, kafka().partitions, cut)]);
    let mut found = Vec::new();
    let died = wait_until(LIMIT, || {
        found = letters(cluster);
        found.len() == before + 1
    });
    assert!(died, "{found:?}\n{}", cluster.logs());

    let is_ours = |letter: &&Value| letter["key"] == *alert.symbol;
    let letter =
        found.iter().find(is_ours).unwrap_or_else(|| panic!("none of {} in {found:?}", alert.symbol));
    std::fs::write(cluster.folder().join("whole"), &whole).unwrap();
    let (partition, offset) = (&letter["partition"], &letter["offset"]);
    let place = format!("--service scanner-bridge --partition {partition} --offset {offset}");
    let sent = cluster.tapeline(&format!("dead-letters replay {place} --payload-file /out/whole")).expect(0);
    assert!(sent.contains("sent 1,"), "{sent}");
    cluster.wait_for_rest();
    assert_eq!(letters(cluster).len(), before + 1, "it died again");
    let asked = alerts::asked_symbols(&kafka(), 1, Duration::ZERO);
    let times = asked.iter().find(|(symbol, _)| symbol.as_str() == alert.symbol).map(|(_, times)| *times);
    assert_eq!(times, Some(1), "{} is asked for once", alert.symbol);
}

fn letters(cluster: &Cluster) -> Vec<Value> {
    let listed = cluster.tapeline("dead-letters list --json --service scanner-bridge --class truncated");
    listed.printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
