//! Catalogue of metrics. Each metric is declared once, as a constant, with the allowed values of its labels.

use std::collections::BTreeSet;

/// Label values that are constants in the registering code, such as the name of a pool: bounded, but not listed.
pub const NAMES: &[&str] = &["<name>"];
/// Label values that are small integers, such as a partition.
pub const NUMBERS: &[&str] = &["<number>"];

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Never decreases. Its name ends in `_total`.
    Counter,
    Gauge,
    /// A distribution with these bucket limits, ascending, in the unit of the metric.
    Histogram(&'static [f64]),
}

/// The declaration of one metric. The scope adds the label `service`, which is not declared.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// `<namespace>_<thing>_<unit>[_total]`.
    pub name: &'static str,
    pub kind: Kind,
    /// The unit as it is written in the name (`seconds`, `bytes`, `records`).
    pub unit: &'static str,
    /// Each label with its allowed values, or [`NAMES`] or [`NUMBERS`].
    pub labels: &'static [(&'static str, &'static [&'static str])],
    /// The help text in the scrape, one sentence.
    pub help: &'static str,
}

/// The metrics of a process, from the constants of its crates.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    metrics: Vec<&'static Metric>,
}

// === impl Metric ===

impl Metric {
    /// Declares a counter without labels.
    #[must_use]
    pub const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, unit, labels: &[], help }
    }

    /// Declares a gauge without labels.
    #[must_use]
    pub const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, unit, labels: &[], help }
    }

    /// Declares a histogram of seconds without labels, with the upper bounds of its buckets.
    #[must_use]
    pub const fn histogram(name: &'static str, buckets: &'static [f64], help: &'static str) -> Self {
        Self { name, kind: Kind::Histogram(buckets), unit: "seconds", labels: &[], help }
    }

    /// Adds the labels.
    #[must_use]
    pub const fn labelled(self, labels: &'static [(&'static str, &'static [&'static str])]) -> Self {
        Self { labels, ..self }
    }

    /// Returns the naming rule that this declaration breaks. `None` if it is valid.
    #[must_use]
    pub fn violation(&self) -> Option<String> {
        let name = self.name;
        let stem = name.strip_suffix("_total");
        if (self.kind == Kind::Counter) != stem.is_some() {
            return Some(format!("{name}: counters, and only counters, must end in _total"));
        }
        if !stem.unwrap_or(name).ends_with(&format!("_{}", self.unit)) {
            return Some(format!("{name}: must end in its unit {}", self.unit));
        }
        if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
            return Some(format!("{name}: must consist of lower-case letters, digits and underscores"));
        }
        match self.kind {
            Kind::Histogram(buckets) if buckets.is_empty() || !buckets.is_sorted() => {
                Some(format!("{name}: must have at least one bucket, in ascending order"))
            }
            _ if self.help.is_empty() => Some(format!("{name}: must have a help text")),
            _ => None,
        }
    }

    /// Returns how these labels differ from the declared ones. `None` if they match.
    #[must_use]
    pub fn label_violation(&self, labels: &[(&str, &str)]) -> Option<String> {
        let name = self.name;
        if labels.len() != self.labels.len() {
            return Some(format!("{name}: {} labels set, {} declared", labels.len(), self.labels.len()));
        }
        labels.iter().find_map(|(label, value)| {
            let declared = self.labels.iter().find(|(declared, _)| declared == label);
            match declared {
                None => Some(format!("{name}: undeclared label {label}")),
                Some((_, values)) if *values == NAMES => None,
                Some((_, values)) if *values == NUMBERS => value
                    .parse::<u32>()
                    .is_err()
                    .then(|| format!("{name}: label {label} must be a number, not {value}")),
                Some((_, values)) => (!values.contains(value))
                    .then(|| format!("{name}: label {label} must be one of {values:?}, not {value}")),
            }
        })
    }
}

// === impl Catalogue ===

impl Catalogue {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the metrics of a crate. Metrics that are already present are ignored.
    #[must_use]
    pub fn with(mut self, metrics: &'static [Metric]) -> Self {
        for metric in metrics {
            if !self.metrics.iter().any(|known| known.name == metric.name) {
                self.metrics.push(metric);
            }
        }
        self
    }

    /// Adds all metrics of another catalogue.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for metric in &other.metrics {
            if !self.metrics.iter().any(|known| known.name == metric.name) {
                self.metrics.push(metric);
            }
        }
        self
    }

    /// Returns the metrics in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &'static Metric> {
        self.metrics.iter().copied()
    }

    /// Returns the naming rules that declarations break. For a test in each crate that declares metrics.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.iter().filter_map(Metric::violation).collect()
    }

    /// Returns the names of the metrics in a scrape that are not declared. For a test in each service.
    #[must_use]
    pub fn undeclared(&self, rendered: &str) -> Vec<String> {
        let known: BTreeSet<&str> = self.iter().map(|metric| metric.name).collect();
        let named = rendered.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        named.filter(|name| !known.contains(name)).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DROPS: Metric = Metric::counter("bridge_dropped_records_total", "records", "Dropped records.")
        .labelled(&[("reason", &["duplicate", "limited"])]);

    #[test]
    fn metric_name_ends_in_unit_and_counter_in_total() {
        let violation = |metric: Metric| metric.violation().unwrap_or_default();
        assert_eq!(violation(DROPS), "");
        let gauge = violation(Metric { kind: Kind::Gauge, ..DROPS });
        assert_eq!(gauge, "bridge_dropped_records_total: counters, and only counters, must end in _total");
        let bytes = violation(Metric { unit: "bytes", ..DROPS });
        assert_eq!(bytes, "bridge_dropped_records_total: must end in its unit bytes");
        let descending = Kind::Histogram(&[2.0, 1.0]);
        let age =
            violation(Metric { name: "bridge_age_seconds", kind: descending, unit: "seconds", ..DROPS });
        assert_eq!(age, "bridge_age_seconds: must have at least one bucket, in ascending order");
    }

    #[test]
    fn undeclared_labels_and_label_values_are_violations() {
        let violation = |labels: &[(&str, &str)]| DROPS.label_violation(labels).unwrap_or_default();
        assert_eq!(violation(&[("reason", "duplicate")]), "");
        assert!(violation(&[("reason", "AAPL")]).contains("must be one of"));
        assert!(violation(&[("cause", "duplicate")]).contains("undeclared label cause"));
        assert!(violation(&[]).contains("0 labels set, 1 declared"));
    }

    #[test]
    fn metric_without_declaration_is_found_in_the_scrape() {
        let catalogue = Catalogue::new().with(&[DROPS]);
        let scrape =
            "# TYPE bridge_dropped_records_total counter\n# TYPE other_total counter\nother_total 1\n";
        assert_eq!(catalogue.undeclared(scrape), ["other_total"]);
    }
}
