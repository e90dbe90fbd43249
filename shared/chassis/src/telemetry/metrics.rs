//! Prometheus recorder of a process, set up from its catalogue of metrics.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{KeyName, Recorder};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use crate::lock::locked;
use crate::telemetry::catalogue::{Catalogue, Kind};
use crate::telemetry::handles::Scope;

/// The recorder of a process. Clones share it.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    refreshers: Arc<Mutex<Vec<Refresher>>>,
}

/// Updates gauges before a scrape.
type Refresher = Box<dyn Fn() + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A declaration breaks a rule of [`crate::telemetry::Metric::violation`].
    #[error("invalid metric declaration: {0}")]
    Declaration(String),
    #[error("invalid buckets of metric {0}")]
    Buckets(&'static str, #[source] BuildError),
    #[error("a metrics recorder is already installed")]
    Installed,
}

/// The interval at which histogram samples are aggregated into buckets. Without it they accumulate until a scrape.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

// === impl Metrics ===

impl Metrics {
    /// Creates a recorder for the metrics of `catalogue`, without installing it.
    ///
    /// # Errors
    /// A declaration breaks a rule.
    pub fn new(catalogue: &Catalogue) -> Result<Self, MetricsError> {
        if let Some(violation) = catalogue.violations().into_iter().next() {
            return Err(MetricsError::Declaration(violation));
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
        Ok(Self { recorder: Arc::new(recorder), handle, refreshers: Arc::default() })
    }

    /// Installs the recorder as the global one, for crates that use only the `metrics` crate.
    ///
    /// # Errors
    /// The process already has a global recorder.
    pub fn install(&self) -> Result<(), MetricsError> {
        metrics::set_global_recorder(Arc::clone(&self.recorder)).map_err(|_| MetricsError::Installed)
    }

    /// Returns the scope of one service.
    #[must_use]
    pub fn scope(&self, service: &'static str) -> Scope {
        Scope::new(self.recorder.clone(), Some(service))
    }

    /// Returns the scope of the process, for metrics that belong to no service.
    #[must_use]
    pub fn process_scope(&self) -> Scope {
        Scope::new(self.recorder.clone(), None)
    }

    /// Runs `refresh` before each scrape, for gauges of values that change without notification. It must not block.
    pub fn before_each_scrape(&self, refresh: impl Fn() + Send + Sync + 'static) {
        locked(&self.refreshers).push(Box::new(refresh));
    }

    /// Renders the Prometheus text exposition format. A gauge that is set to NaN is unknown: its sample is left out.
    #[must_use]
    pub fn render(&self) -> String {
        locked(&self.refreshers).iter().for_each(|refresh| refresh());
        known_samples(self.handle.render())
    }

    /// Aggregates histogram samples periodically, indefinitely. Runs `each` in every period.
    pub async fn upkeep(self, mut each: impl FnMut()) {
        let mut ticks = tokio::time::interval(UPKEEP_EVERY);
        loop {
            ticks.tick().await;
            self.handle.run_upkeep();
            each();
        }
    }
}

/// Removes the samples without a value. A handle cannot be unregistered, so NaN marks a gauge whose value is unknown.
fn known_samples(rendered: String) -> String {
    const UNKNOWN: &str = " NaN\n";
    if !rendered.contains(UNKNOWN) {
        return rendered;
    }
    rendered.split_inclusive('\n').filter(|line| !line.ends_with(UNKNOWN)).collect()
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
        Metric::gauge("test_held_records", "records", "Records held."),
        Metric::histogram("test_age_seconds", &[0.1, 1.0], "Age of a batch."),
    ];

    #[test]
    fn metric_of_two_services_differs_by_label() {
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
        assert!(catalogue.undeclared(&scrape).is_empty());
    }

    #[test]
    fn unknown_gauge_is_absent_until_it_has_a_value() {
        let metrics = Metrics::new(&Catalogue::new().with(METRICS)).unwrap();
        let held = metrics.scope("feature").gauge(&METRICS[0], &[]);
        metrics.scope("backfill").gauge(&METRICS[0], &[]).set(4.0);
        held.set(f64::NAN);
        let unknown = metrics.render();
        assert!(!unknown.contains("service=\"feature\"") && !unknown.contains("NaN"), "{unknown}");
        assert!(unknown.contains("test_held_records{service=\"backfill\"} 4"), "{unknown}");
        held.set(0.0);
        let known = metrics.render();
        assert!(known.contains("test_held_records{service=\"feature\"} 0"), "{known}");
    }

    #[test]
    fn invalid_declaration_is_an_error_at_start() {
        const BAD: &[Metric] = &[Metric::gauge("test_age", "seconds", "Age.")];
        let error = Metrics::new(&Catalogue::new().with(BAD)).unwrap_err();
        assert!(error.to_string().contains("test_age"));
    }
}
