//! The report of a run: the counts of the stages, of the topics and of the audit.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::audit::AuditResult;
use crate::exit::Failure;
use crate::output::peak_rss_mib;

/// The input records of a stage, by outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StageReport {
    /// Records received.
    pub received: u64,
    /// Records whose outputs are acknowledged, merged and failed ones included.
    pub emitted: u64,
    /// Records that needed no output, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Records in the dead-letter topic; at the edge, rejected items.
    pub rejected: u64,
    /// Unresolved records.
    pub held: u64,
}

impl StageReport {
    /// `true` if each received record is accounted for (law P1).
    #[must_use]
    pub fn conserves(&self) -> bool {
        self.received == self.emitted + self.dropped.values().sum::<u64>() + self.rejected + self.held
    }
}

/// The contents of a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TopicReport {
    /// Records, without control records.
    pub records: u64,
}

/// Latency in milliseconds at two quantiles; `None` if nothing was measured.
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
pub struct RunReport {
    /// The run is complete, nothing is lost, doubled or reordered, each stage accounts for its records, and nothing is held.
    pub ok: bool,
    /// Duration of the run, seconds.
    pub duration_s: f64,
    /// By stage; empty if the services run elsewhere.
    pub stages: BTreeMap<&'static str, StageReport>,
    /// By topic.
    pub topics: BTreeMap<String, TopicReport>,
    /// Counted from the topics by the audit.
    pub lost: u64,
    /// Counted from the topics by the audit.
    pub doubled: u64,
    /// Counted from the topics by the audit.
    pub reordered: u64,
    /// From append to append.
    pub latency_ms: LatencyReport,
    /// Peak resident set size of this process, MiB.
    pub peak_rss_mib: u64,
}

impl RunReport {
    /// Combines the parts and decides [`RunReport::ok`].
    #[must_use]
    pub fn new(
        duration_s: f64,
        stages: BTreeMap<&'static str, StageReport>,
        topics: BTreeMap<String, TopicReport>,
        audited: &AuditResult,
        is_complete: bool,
    ) -> Self {
        let (lost, doubled, reordered) = audited.totals();
        let is_audit_ok = is_complete && (lost, doubled, reordered) == (0, 0, 0);
        let ok = is_audit_ok && stages.values().all(|stage| stage.conserves() && stage.held == 0);
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
                    p50: quantile(&audited.latencies_ms, 50),
                    p99: quantile(&audited.latencies_ms, 99),
                },
            },
            peak_rss_mib: peak_rss_mib(),
        }
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// The error of the file system.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        std::fs::write(path, text)
    }

    /// Returns the summary that a run prints: a row for each stage, these notes, the audit's counts, and the verdict. It fits 80 columns.
    #[must_use]
    pub fn summary(&self, notes: &[String]) -> String {
        let mut text = String::new();
        if !self.stages.is_empty() {
            let [received, emitted, dropped, rejected, held] =
                ["received", "emitted", "dropped", "rejected", "held"];
            text.push_str(&format!(
                "  {:<18} {received:>10} {emitted:>10} {dropped:>10} {rejected:>10} {held:>10}\n",
                "stage"
            ));
        }
        for (name, stage) in &self.stages {
            let dropped: u64 = stage.dropped.values().sum();
            let StageReport { received, emitted, rejected, held, .. } = stage;
            text.push_str(&format!(
                "  {name:<18} {received:>10} {emitted:>10} {dropped:>10} {rejected:>10} {held:>10}\n"
            ));
        }
        notes.iter().for_each(|note| text.push_str(&format!("  {note}\n")));
        let ms = |q: Option<i64>| q.map_or("-".to_owned(), |ms| format!("{ms} ms"));
        let latency = &self.latency_ms.alert_to_vector;
        text.push_str(&format!(
            "  lost {}  doubled {}  reordered {}\n  alert to vector p50 {} p99 {}  {:.1} s, {} MiB\n",
            self.lost,
            self.doubled,
            self.reordered,
            ms(latency.p50),
            ms(latency.p99),
            self.duration_s,
            self.peak_rss_mib
        ));
        text.push_str(if self.ok { "  ok\n" } else { "  NOT OK\n" });
        text
    }

    /// Returns the verdict as the result of the command.
    ///
    /// # Errors
    /// [`Failure::NotOk`] unless [`RunReport::ok`].
    pub fn verdict(&self) -> Result<(), Failure> {
        if self.ok { Ok(()) } else { Err(Failure::not_ok("the report of the run is not ok")) }
    }
}

/// Returns the nearest-rank quantile of a sorted list.
fn quantile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Stage, Tally};

    fn stage(received: u64, emitted: u64, held: u64) -> StageReport {
        StageReport { received, emitted, held, ..StageReport::default() }
    }

    fn report(stage: StageReport, audited: &AuditResult) -> RunReport {
        RunReport::new(1.0, BTreeMap::from([("bridge", stage)]), BTreeMap::new(), audited, true)
    }

    #[test]
    fn run_is_ok_if_all_is_accounted_for_and_nothing_is_held() {
        let clean = AuditResult::default();
        assert!(report(stage(3, 3, 0), &clean).ok);
        assert!(!RunReport::new(1.0, BTreeMap::new(), BTreeMap::new(), &clean, false).ok, "incomplete");
        assert!(!report(stage(3, 2, 0), &clean).ok, "one record unaccounted for");
        assert!(!report(stage(3, 2, 1), &clean).ok, "one record held");
        let row = Tally::default();
        for row in [Tally { lost: 1, ..row }, Tally { doubled: 1, ..row }, Tally { reordered: 1, ..row }] {
            let audited = AuditResult::of_rows([(Stage::Bridge, row)]);
            assert!(!report(stage(3, 3, 0), &audited).ok, "{audited:?}");
        }
    }

    #[test]
    fn summary_has_the_notes_and_fits_80_columns() {
        let row =
            StageReport { rejected: 9_999_999_999, ..stage(9_999_999_999, 9_999_999_999, 9_999_999_999) };
        let mut audited = AuditResult::of_rows([]);
        audited.latencies_ms = vec![123_456; 3];
        let stages = BTreeMap::from([("backfill-executor", row)]);
        let report = RunReport::new(123_456.7, stages, BTreeMap::new(), &audited, true);
        let summary = report.summary(&["FB: 197 bars, backfilled, not replayed".to_owned()]);
        let width = summary.lines().map(|line| line.chars().count()).max();
        assert!(width <= Some(80), "{width:?}\n{summary}");
        assert!(summary.contains("  FB: 197 bars, backfilled, not replayed\n"), "{summary}");
    }

    #[test]
    fn quantiles_are_nearest_rank() {
        assert_eq!(quantile(&[], 50), None);
        assert_eq!(quantile(&[7], 99), Some(7));
        let hundred: Vec<i64> = (1..=100).collect();
        assert_eq!((quantile(&hundred, 50), quantile(&hundred, 99)), (Some(50), Some(99)));
    }

    #[test]
    fn report_has_the_keys_of_the_contract() {
        let json = serde_json::to_value(report(stage(1, 1, 0), &AuditResult::default())).unwrap();
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
        assert_eq!(json["latency_ms"]["alert_to_vector"].get("p99"), Some(&serde_json::Value::Null));
    }
}
