//! Every metric that a process of Tapeline exports, with its labels and their values.

use std::collections::BTreeMap;

use chassis::Service;
use chassis::telemetry::catalogue::{NAMES, NUMBERS};
use chassis::telemetry::{Catalogue, Kind, Metric};

use super::promql::{Matcher, Names, Use};

/// Labels that the scrape adds.
const SCRAPE_LABELS: [&str; 2] = ["service", "instance"];

/// Metrics that no process of Tapeline exports: Prometheus adds `up` for each scrape, kube-state-metrics exports the others.
static FOREIGN: [Metric; 2] = [
    Metric::gauge("up", "up", "Whether the last scrape worked."),
    Metric::gauge("kube_job_failed", "failed", "Whether the Job has the condition Failed.").labelled(&[
        ("namespace", NAMES),
        ("job_name", NAMES),
        ("condition", &["true", "false", "unknown"]),
    ]),
];

/// The exported metrics, and the values of those labels whose values are names in the code.
pub(crate) struct MetricNames {
    metrics: Catalogue,
    names: BTreeMap<&'static str, Vec<String>>,
}

impl MetricNames {
    /// Reads the metrics from the crates, and the notes from their sources.
    pub(crate) fn read() -> Self {
        let metrics = Catalogue::new()
            .with(chassis::run::METRICS)
            .and(&publisher::service::Publisher::catalogue())
            .and(&scanner_bridge::service::Bridge::catalogue())
            .and(&feature::service::Feature::catalogue())
            .and(&backfill::service::Backfill::catalogue());
        let services = ["publisher", "scanner-bridge", "feature", "backfill"];
        let stages = [
            publisher::service::STAGE,
            scanner_bridge::service::STAGE,
            feature::service::STAGE,
            backfill::service::PLANNER,
            backfill::service::EXECUTOR,
        ];
        let names = BTreeMap::from([
            ("service", services.map(str::to_owned).to_vec()),
            ("stage", stages.map(str::to_owned).to_vec()),
        ]);
        Self { metrics, names }
    }

    /// Returns the metric of a name, which may have the suffix of a histogram's series, and whether it has one.
    fn metric(&self, name: &str) -> Result<(&'static Metric, bool), String> {
        let find = |name: &str| self.metrics.iter().find(|metric| metric.name == name);
        if let Some(metric) = FOREIGN.iter().find(|metric| metric.name == name) {
            return Ok((metric, false));
        }
        match find(name) {
            Some(metric) if matches!(metric.kind, Kind::Histogram(_)) => {
                Err(format!("{name} is a histogram: use {name}_bucket, _sum or _count"))
            }
            Some(metric) => Ok((metric, false)),
            None => ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|suffix| find(name.strip_suffix(suffix)?))
                .find(|metric| matches!(metric.kind, Kind::Histogram(_)))
                .map(|metric| (metric, true))
                .ok_or_else(|| format!("{name} is in no catalogue")),
        }
    }

    /// Returns `true` if the name is an exported metric.
    pub(crate) fn has_metric(&self, name: &str) -> bool {
        self.metric(name).is_ok() || self.metrics.iter().any(|metric| metric.name == name)
    }

    /// Returns every label of a metric.
    fn labels(&self, name: &str) -> Vec<&'static str> {
        let Ok((metric, _)) = self.metric(name) else { return Vec::new() };
        let mut labels: Vec<&str> =
            metric.labels.iter().map(|(label, _)| *label).chain(SCRAPE_LABELS).collect();
        if name.ends_with("_bucket") {
            labels.push("le");
        }
        labels
    }

    /// Returns `true` if a metric of the expression has this label.
    pub(crate) fn has_label(&self, names: &Names, label: &str) -> bool {
        names.uses.iter().any(|used| self.labels(&used.metric).contains(&label))
    }

    /// Returns the errors of an expression's names.
    pub(crate) fn errors(&self, names: &Names) -> Vec<String> {
        let mut errors: Vec<String> = names.uses.iter().flat_map(|used| self.errors_of(used)).collect();
        if names.uses.is_empty() {
            errors.push("no metric in the expression".to_owned());
        }
        let unknown = names.grouped.iter().filter(|label| !self.has_label(names, label));
        errors.extend(unknown.map(|label| format!("no metric of the expression has label {label}")));
        errors
    }

    fn errors_of(&self, used: &Use) -> Vec<String> {
        let name = &used.metric;
        let (metric, is_of_histogram) = match self.metric(name) {
            Ok(found) => found,
            Err(error) => return vec![error],
        };
        let mut errors = Vec::new();
        let grows = metric.kind == Kind::Counter || is_of_histogram;
        if ["rate", "increase"].contains(&used.inside.as_str()) && !(grows && used.has_window) {
            errors.push(format!("{} of {name}: requires a counter and a window", used.inside));
        }
        let labels = self.labels(name);
        for Matcher { label, op, value } in &used.matchers {
            if !labels.contains(&label.as_str()) {
                errors.push(format!("{name} has no label {label}"));
                continue;
            }
            let is_pattern = op.ends_with('~');
            let values: Vec<&str> =
                if is_pattern { value.split('|').collect() } else { vec![value.as_str()] };
            let unknown = values.into_iter().filter(|value| !self.may_be(metric, label, value));
            errors.extend(unknown.map(|value| format!("{name}: unknown value {value} of {label}")));
        }
        errors
    }

    fn may_be(&self, metric: &Metric, label: &str, value: &str) -> bool {
        if value.starts_with('$') {
            return true;
        }
        match metric.labels.iter().find(|(declared, _)| *declared == label) {
            Some((_, values)) if *values != NAMES && *values != NUMBERS => values.contains(&value),
            _ => self.names.get(label).is_none_or(|known| known.iter().any(|it| it == value)),
        }
    }
}

#[test]
fn unknown_metric_label_or_value_is_an_error() {
    let metrics = MetricNames::read();
    let count = |text: &str| metrics.errors(&super::promql::names(text).unwrap()).len();
    for valid in [
        "rate(tapeline_stage_emitted_total{service=\"feature\"}[5m])",
        "tapeline_dedup_windows{stage=\"bridge\"}",
        "histogram_quantile(0.9, sum by (le, stage) (rate(tapeline_stage_restore_ms_bucket{stage=~\"bridge|feature\"}[5m])))",
        "sum without (outcome) (tapeline_stage_batches_total{outcome=~\"aborted|failed\",instance=~\"$instance\"})",
        "up{service=\"publisher\"}",
        "kube_job_failed{job_name=~\".*-setup\",condition=\"true\"}",
    ] {
        assert_eq!(count(valid), 0, "{valid}");
    }
    for invalid in [
        "rate(tapeline_stage_emited_total[5m])",
        "tapeline_stage_lag_records_total",
        "tapeline_stage_restore_ms",
        "tapeline_stage_lag_records_bucket",
        "tapeline_stage_lag_records{topic=\"a\"}",
        "tapeline_stage_lag_records{service=\"futures\"}",
        "tapeline_stage_lag_records{stage=\"executor\"}",
        "tapeline_stage_batches_total{outcome=\"comitted\"}",
        "tapeline_stage_batches_total{outcome=~\"committed|abborted\"}",
        "tapeline_dedup_widows",
        "kube_job_failed{condition=\"yes\"}",
        "kube_job_failed{job=\"setup\"}",
        "sum by (reason) (tapeline_stage_lag_records)",
        "rate(tapeline_stage_lag_records[5m])",
        "rate(tapeline_stage_emitted_total)",
        "time()",
    ] {
        assert_eq!(count(invalid), 1, "{invalid}");
    }
}
