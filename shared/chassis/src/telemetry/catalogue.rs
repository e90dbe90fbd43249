//! Every metric is declared once, as a constant, with the values that its labels may take.

use std::collections::BTreeSet;

/// Label values that are constants of the code that registers them (a task's name): not listed, but still bounded.
pub const NAMES: &[&str] = &["<name>"];
/// Label values that are small whole numbers (a partition).
pub const NUMBERS: &[&str] = &["<number>"];

/// What a metric measures and how it is written down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution over these bucket limits, ascending, in the metric's unit.
    Histogram(&'static [f64]),
}

/// The declaration of one metric. The label `service` is given by the scope and is not declared.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// `<namespace>_<thing>_<unit>[_total]`.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// The unit, as the name spells it (`seconds`, `bytes`, `records`).
    pub unit: &'static str,
    /// Each label with all the values that it may take, or [`NAMES`] or [`NUMBERS`].
    pub labels: &'static [(&'static str, &'static [&'static str])],
    /// One sentence for whoever reads the scrape.
    pub help: &'static str,
}

/// The metrics of a whole process, from the constants of its crates.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    metrics: Vec<&'static Metric>,
}

// === impl Metric ===

impl Metric {
    /// Why this declaration breaks the naming rules, if it does.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let name = self.name;
        let stem = name.strip_suffix("_total");
        if (self.kind == Kind::Counter) != stem.is_some() {
            return Some(format!("{name}: a counter, and only a counter, ends in _total"));
        }
        if !stem.unwrap_or(name).ends_with(&format!("_{}", self.unit)) {
            return Some(format!("{name}: does not end in its unit {}", self.unit));
        }
        if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
            return Some(format!("{name}: only lower-case letters, digits and underscores"));
        }
        match self.kind {
            Kind::Histogram(buckets) if buckets.is_empty() || !buckets.is_sorted() => {
                Some(format!("{name}: buckets are ascending and at least one"))
            }
            _ if self.help.is_empty() => Some(format!("{name}: has no help")),
            _ => None,
        }
    }

    /// Why these labels are not those that were declared, if they are not.
    #[must_use]
    pub fn label_fault(&self, labels: &[(&str, &str)]) -> Option<String> {
        let name = self.name;
        if labels.len() != self.labels.len() {
            return Some(format!("{name}: {} labels given, {} declared", labels.len(), self.labels.len()));
        }
        labels.iter().find_map(|(label, value)| {
            let declared = self.labels.iter().find(|(declared, _)| declared == label);
            match declared {
                None => Some(format!("{name}: label {label} is not declared")),
                Some((_, values)) if *values == NAMES => None,
                Some((_, values)) if *values == NUMBERS => value
                    .parse::<u32>()
                    .is_err()
                    .then(|| format!("{name}: label {label} is a number, not {value}")),
                Some((_, values)) => (!values.contains(value))
                    .then(|| format!("{name}: label {label} may not be {value}, only {values:?}")),
            }
        })
    }
}

// === impl Catalogue ===

impl Catalogue {
    /// A catalogue without metrics.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a crate's metrics. Adding the same constant twice changes nothing.
    #[must_use]
    pub fn with(mut self, metrics: &'static [Metric]) -> Self {
        for metric in metrics {
            if !self.metrics.iter().any(|known| known.name == metric.name) {
                self.metrics.push(metric);
            }
        }
        self
    }

    /// Adds all of another catalogue.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for metric in &other.metrics {
            if !self.metrics.iter().any(|known| known.name == metric.name) {
                self.metrics.push(metric);
            }
        }
        self
    }

    /// The metrics in the order of their addition.
    pub fn iter(&self) -> impl Iterator<Item = &'static Metric> {
        self.metrics.iter().copied()
    }

    /// Every declaration that breaks a rule. For a test in each crate that declares metrics.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.iter().filter_map(Metric::fault).collect()
    }

    /// The metrics in a scrape that no declaration names. For a test in each service.
    #[must_use]
    pub fn strangers(&self, rendered: &str) -> Vec<String> {
        let known: BTreeSet<&str> = self.iter().map(|metric| metric.name).collect();
        let named = rendered.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        named.filter(|name| !known.contains(name)).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DROPS: Metric = Metric {
        name: "bridge_dropped_records_total",
        kind: Kind::Counter,
        unit: "records",
        labels: &[("reason", &["duplicate", "limited"])],
        help: "Records that needed no output.",
    };

    #[test]
    fn a_name_ends_in_its_unit_and_a_counter_in_total() {
        assert_eq!(DROPS.fault(), None);
        assert!(Metric { kind: Kind::Gauge, ..DROPS }.fault().is_some());
        assert!(Metric { unit: "bytes", ..DROPS }.fault().is_some());
        let descending = Kind::Histogram(&[2.0, 1.0]);
        assert!(
            Metric { name: "bridge_age_seconds", kind: descending, unit: "seconds", ..DROPS }
                .fault()
                .is_some()
        );
    }

    #[test]
    fn a_label_value_outside_its_list_is_refused() {
        assert_eq!(DROPS.label_fault(&[("reason", "duplicate")]), None);
        assert!(DROPS.label_fault(&[("reason", "AAPL")]).is_some());
        assert!(DROPS.label_fault(&[("cause", "duplicate")]).is_some());
        assert!(DROPS.label_fault(&[]).is_some());
    }

    #[test]
    fn a_metric_in_a_scrape_without_a_declaration_is_a_stranger() {
        let catalogue = Catalogue::new().with(&[DROPS]);
        let scrape =
            "# TYPE bridge_dropped_records_total counter\n# TYPE other_total counter\nother_total 1\n";
        assert_eq!(catalogue.strangers(scrape), ["other_total"]);
    }
}
