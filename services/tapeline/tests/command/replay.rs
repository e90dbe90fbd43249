//! The main job on real bars, as the README runs it.

use crate::process::{dev, real_bars};

#[test]
fn two_replays_of_real_bars_lose_nothing_and_have_equal_vectors() {
    let bars = real_bars();
    let bars = bars.to_str().unwrap();
    // Both run concurrently: a replay waits most of its time.
    let (first, second) = std::thread::scope(|scope| {
        let second = scope.spawn(|| dev(&["--bars", bars]).expect_ok());
        (dev(&["--bars", bars]).expect_ok(), second.join().unwrap())
    });
    let report = first.report();
    assert_eq!(report["ok"], true);
    for count in ["lost", "doubled", "reordered"] {
        assert_eq!(report[count], 0, "{count}");
    }
    let vectors = first.vectors();
    assert!(vectors.len() >= 1_000, "{} vectors", vectors.len());
    assert_eq!(report["topics"]["feature.vector.computed.v1"]["records"], vectors.len());
    assert_eq!(first.vector_set(), second.vector_set());

    // Every bar is in the topic once: history from the backfill, later bars from the market.
    let bars = first.topic("market.bar.closed.v1");
    let mut keys: Vec<&str> = bars.iter().map(|bar| bar["key"].as_str().unwrap()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!((bars.len(), keys.len()), (5_614, 5_614));
    let backfilled = bars.iter().filter(|bar| bar["value"]["backfilled"] == true).count();
    assert_eq!(backfilled, 300 + 300 + 196);
}
