//! The report of a run: what the services counted, what the topics hold, and whether both are in order.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::audit;

/// One stage's input records, by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StageReport {
    /// Records taken in.
    pub received: u64,
    /// Records whose outputs are acknowledged; merged and failed ones too.
    pub emitted: u64,
    /// Records that needed no output, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Records in the dead-letter topic; at the edge, items refused to their caller.
    pub rejected: u64,
    /// Records not yet settled.
    pub held: u64,
}

impl StageReport {
    /// Whether each record taken in is accounted for (P1).
    #[must_use]
    pub fn conserves(&self) -> bool {
        self.received == self.emitted + self.dropped.values().sum::<u64>() + self.rejected + self.held
    }
}

/// How many records a topic holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TopicReport {
    /// Records, without control records.
    pub records: u64,
}

/// Latency in milliseconds at two quantiles; absent when nothing was measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// The median.
    pub p50: Option<i64>,
    /// The 99th percentile.
    pub p99: Option<i64>,
}

/// Latencies of the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LatencyReport {
    /// From the append of an alert to the append of its vector.
    pub alert_to_vector: Quantiles,
}

/// The whole report, as `--report` writes it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The run came to its end; nothing lost, doubled or reordered; each stage conserves; nothing is held.
    pub ok: bool,
    /// Length of the run.
    pub duration_s: f64,
    /// By stage; empty when the services run elsewhere.
    pub stages: BTreeMap<&'static str, StageReport>,
    /// By topic.
    pub topics: BTreeMap<String, TopicReport>,
    /// Counted from the topics, by [`audit`].
    pub lost: u64,
    /// Counted from the topics, by [`audit`].
    pub doubled: u64,
    /// Counted from the topics, by [`audit`].
    pub reordered: u64,
    /// Append to append.
    pub latency_ms: LatencyReport,
    /// The most memory that this process ever held, MiB.
    pub peak_rss_mib: u64,
}

impl Report {
    /// Puts the parts together and judges them.
    #[must_use]
    pub fn new(
        duration_s: f64,
        stages: BTreeMap<&'static str, StageReport>,
        topics: BTreeMap<String, TopicReport>,
        count: &audit::Count,
        came_to_its_end: bool,
    ) -> Self {
        let (lost, doubled, reordered) = count.faults();
        let is_in_order = came_to_its_end && (lost, doubled, reordered) == (0, 0, 0);
        let ok = is_in_order && stages.values().all(|stage| stage.conserves() && stage.held == 0);
        Self {
            ok,
            duration_s,
            stages,
            topics,
            lost,
            doubled,
            reordered,
            latency_ms: LatencyReport {
                alert_to_vector: Quantiles {
                    p50: quantile(&count.latencies_ms, 50),
                    p99: quantile(&count.latencies_ms, 99),
                },
            },
            peak_rss_mib: peak_rss_mib(),
        }
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        std::fs::write(path, text)
    }

    /// A few lines for a person.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for (name, stage) in &self.stages {
            let dropped: u64 = stage.dropped.values().sum();
            text.push_str(&format!(
                "  {name:<18} received {:>7}  emitted {:>7}  dropped {dropped:>6}  rejected {:>4}  held {:>4}\n",
                stage.received, stage.emitted, stage.rejected, stage.held
            ));
        }
        let ms = |q: Option<i64>| q.map_or("-".to_owned(), |ms| format!("{ms} ms"));
        let latency = &self.latency_ms.alert_to_vector;
        text.push_str(&format!(
            "  lost {}  doubled {}  reordered {}   alert to vector p50 {} p99 {}   {:.1} s, {} MiB\n",
            self.lost,
            self.doubled,
            self.reordered,
            ms(latency.p50),
            ms(latency.p99),
            self.duration_s,
            self.peak_rss_mib
        ));
        text.push_str(if self.ok { "  ok" } else { "  NOT OK" });
        text
    }
}

/// The nearest-rank quantile of a sorted list.
fn quantile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

/// Peak resident set of this process in MiB, as Linux tells it (`VmHWM`); 0 where it doesn't.
pub(crate) fn peak_rss_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(received: u64, emitted: u64, held: u64) -> StageReport {
        StageReport { received, emitted, held, ..StageReport::default() }
    }

    fn report(stage: StageReport, count: &audit::Count) -> Report {
        Report::new(1.0, BTreeMap::from([("bridge", stage)]), BTreeMap::new(), count, true)
    }

    #[test]
    fn a_run_is_ok_only_when_all_is_accounted_for_and_nothing_is_held() {
        let clean = audit::Count::default();
        assert!(report(stage(3, 3, 0), &clean).ok);
        assert!(!Report::new(1.0, BTreeMap::new(), BTreeMap::new(), &clean, false).ok, "it was given up");
        assert!(!report(stage(3, 2, 0), &clean).ok, "one record unaccounted for");
        assert!(!report(stage(3, 2, 1), &clean).ok, "one record held");
        let row = audit::Tally::default();
        for row in [
            audit::Tally { lost: 1, ..row },
            audit::Tally { doubled: 1, ..row },
            audit::Tally { reordered: 1, ..row },
        ] {
            let count = audit::Count::of_rows([(audit::Stage::Bridge, row)]);
            assert!(!report(stage(3, 3, 0), &count).ok, "{count:?}");
        }
    }

    #[test]
    fn quantiles_are_nearest_rank() {
        assert_eq!(quantile(&[], 50), None);
        assert_eq!(quantile(&[7], 99), Some(7));
        let hundred: Vec<i64> = (1..=100).collect();
        assert_eq!((quantile(&hundred, 50), quantile(&hundred, 99)), (Some(50), Some(99)));
    }

    #[test]
    fn the_report_has_the_keys_that_others_check() {
        let json = serde_json::to_value(report(stage(1, 1, 0), &audit::Count::default())).unwrap();
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        let expected = [
            "doubled",
            "duration_s",
            "latency_ms",
            "lost",
            "ok",
            "peak_rss_mib",
            "reordered",
            "stages",
            "topics",
        ];
        assert_eq!(keys, expected);
        assert_eq!(json["stages"]["bridge"]["dropped"], serde_json::json!({}));
        assert!(json["latency_ms"]["alert_to_vector"].get("p99").is_some());
    }
}
