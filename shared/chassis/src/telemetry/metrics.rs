//! The process's metrics: one Prometheus recorder that knows the catalogue.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{KeyName, Recorder};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use crate::lock::locked;
use crate::telemetry::catalogue::{Catalogue, Kind};
use crate::telemetry::handles::Scope;

/// The recorder and what renders it. Clones share it.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    looks: Arc<Mutex<Vec<Look>>>,
}

/// Reads values anew before a scrape.
type Look = Box<dyn Fn() + Send + Sync>;

/// Why the metrics of a process could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A declaration that breaks the rules of [`crate::telemetry::Metric::fault`].
    #[error("metric catalogue: {0}")]
    Declaration(String),
    /// The exporter refused the buckets of a histogram.
    #[error("metric {0}: the exporter refuses its buckets")]
    Buckets(&'static str, #[source] BuildError),
    /// Another recorder is the process's already.
    #[error("a metrics recorder is installed already")]
    Installed,
}

/// How often samples of histograms are folded into their buckets; without it they pile up until a scrape.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

// === impl Metrics ===

impl Metrics {
    /// A recorder for the metrics of `catalogue`, not yet the process's.
    ///
    /// # Errors
    ///
    /// When a declaration breaks the rules.
    pub fn new(catalogue: &Catalogue) -> Result<Self, MetricsError> {
        if let Some(fault) = catalogue.faults().into_iter().next() {
            return Err(MetricsError::Declaration(fault));
        }
        let mut builder = PrometheusBuilder::new();
        for metric in catalogue.iter() {
            if let Kind::Histogram(buckets) = metric.kind {
                builder = builder
                    .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)
                    .map_err(|error| MetricsError::Buckets(metric.name, error))?;
            }
        }
        let recorder = builder.build_recorder();
        for metric in catalogue.iter() {
            let name = KeyName::from_const_str(metric.name);
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, None, metric.help.into()),
                Kind::Gauge => recorder.describe_gauge(name, None, metric.help.into()),
                Kind::Histogram(_) => recorder.describe_histogram(name, None, metric.help.into()),
            }
        }
        let handle = recorder.handle();
        Ok(Self { recorder: Arc::new(recorder), handle, looks: Arc::default() })
    }

    /// Makes it the process's, for crates that record through the `metrics` crate alone. Once a process.
    ///
    /// # Errors
    ///
    /// When the process has a recorder.
    pub fn install(&self) -> Result<(), MetricsError> {
        metrics::set_global_recorder(Arc::clone(&self.recorder)).map_err(|_| MetricsError::Installed)
    }

    /// Where one service registers its metrics.
    #[must_use]
    pub fn scope(&self, service: &'static str) -> Scope {
        Scope::new(self.recorder.clone(), Some(service))
    }

    /// Where the process registers what belongs to no service.
    #[must_use]
    pub fn process_scope(&self) -> Scope {
        Scope::new(self.recorder.clone(), None)
    }

    /// Runs `look` before each scrape: for gauges of what nobody tells when it changes. It must not block.
    pub fn before_each_scrape(&self, look: impl Fn() + Send + Sync + 'static) {
        locked(&self.looks).push(Box::new(look));
    }

    /// The Prometheus text exposition.
    #[must_use]
    pub fn render(&self) -> String {
        locked(&self.looks).iter().for_each(|look| look());
        self.handle.render()
    }

    /// Folds samples into their buckets, for ever; `each` runs on every turn.
    pub async fn upkeep(self, mut each: impl FnMut()) {
        let mut turns = tokio::time::interval(UPKEEP_EVERY);
        loop {
            turns.tick().await;
            self.handle.run_upkeep();
            each();
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::catalogue::Metric;

    const METRICS: &[Metric] = &[
        Metric {
            name: "test_held_records",
            kind: Kind::Gauge,
            unit: "records",
            labels: &[],
            help: "Records held.",
        },
        Metric {
            name: "test_age_seconds",
            kind: Kind::Histogram(&[0.1, 1.0]),
            unit: "seconds",
            labels: &[],
            help: "Age of a batch.",
        },
    ];

    #[test]
    fn services_share_a_metric_and_differ_by_label() {
        let catalogue = Catalogue::new().with(METRICS);
        let metrics = Metrics::new(&catalogue).unwrap();
        metrics.scope("feature").gauge(&METRICS[0], &[]).set(3.0);
        metrics.scope("backfill").gauge(&METRICS[0], &[]).set(4.0);
        metrics.process_scope().histogram(&METRICS[1], &[]).record(0.5);
        let scrape = metrics.render();
        for line in [
            "# HELP test_held_records Records held.",
            "test_held_records{service=\"feature\"} 3",
            "test_held_records{service=\"backfill\"} 4",
            "test_age_seconds_bucket{le=\"0.1\"} 0",
            "test_age_seconds_bucket{le=\"1\"} 1",
        ] {
            assert!(scrape.contains(line), "{line} is missing in\n{scrape}");
        }
        assert!(catalogue.strangers(&scrape).is_empty());
    }

    #[test]
    fn a_declaration_that_breaks_the_rules_is_refused_at_start() {
        const BAD: &[Metric] =
            &[Metric { name: "test_age", kind: Kind::Gauge, unit: "seconds", labels: &[], help: "Age." }];
        let fault = Metrics::new(&Catalogue::new().with(BAD)).unwrap_err();
        assert!(fault.to_string().contains("test_age"));
    }
}
