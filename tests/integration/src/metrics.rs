//! The metrics of a process, in the text format of Prometheus.

/// The response of one scrape.
#[derive(Debug, Clone)]
pub struct Metrics(String);

impl Metrics {
    /// Creates metrics from the text of a scrape.
    #[must_use]
    pub fn new(page: String) -> Self {
        Self(page)
    }

    /// Returns the sum of all samples with this name and these labels; 0 if there is none.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples(name, labels).fold(0.0, |sum, (_, value)| sum + value)
    }

    /// Returns the bound of the histogram bucket that contains this quantile: infinite above the last bound. `None` if the
    /// histogram is empty.
    #[must_use]
    pub fn quantile(&self, name: &str, labels: &[(&str, &str)], quantile: f64) -> Option<f64> {
        let (count, bucket) = (format!("{name}_count"), format!("{name}_bucket"));
        let all = self.sum(&count, labels);
        let buckets = self.samples(&bucket, labels);
        let bounds = buckets.filter(|(_, count)| all > 0.0 && *count >= all * quantile);
        bounds
            .filter_map(|(labels, _)| label(labels, "le")?.replace("+Inf", "inf").parse().ok())
            .reduce(f64::min)
    }

    /// Returns labels and value of each sample.
    fn samples<'a>(&'a self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.lines().filter_map(move |line| {
            let (found, value) = line.strip_prefix(name)?.rsplit_once(' ')?;
            // Another metric's name may begin with this one.
            let is_named = found.is_empty() || found.starts_with('{');
            let has_labels = labels.iter().all(|(key, value)| label(found, key) == Some(*value));
            (is_named && has_labels).then_some((found, value.parse().ok()?))
        })
    }
}

/// Returns the value of one label. The project's label values contain no quotes.
fn label<'a>(labels: &'a str, key: &str) -> Option<&'a str> {
    let inner = labels.strip_prefix('{')?.strip_suffix('}')?;
    inner.split(',').find_map(|pair| pair.strip_prefix(key)?.strip_prefix("=\"")?.strip_suffix('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_by_name_and_labels() {
        let page = "# TYPE a counter\na{s=\"x\",o=\"y\"} 3\na{s=\"z\",o=\"y\"} 4\na_more 9\nb 1.5\n";
        let metrics = Metrics::new(page.to_owned());
        let sums = [
            metrics.sum("a", &[]),
            metrics.sum("a", &[("s", "x")]),
            metrics.sum("a", &[("o", "y")]),
            metrics.sum("b", &[]),
            metrics.sum("c", &[]),
        ];
        assert_eq!(sums.map(|sum| sum.to_string()), ["7", "3", "7", "1.5", "0"]);
    }

    #[test]
    fn quantile_is_the_bound_of_its_bucket() {
        let page =
            "m_bucket{le=\"1\"} 5\nm_bucket{le=\"10\"} 9\nm_bucket{le=\"+Inf\"} 10\nm_sum 3\nm_count 10\n";
        let metrics = Metrics::new(page.to_owned());
        let quantiles = [0.5, 0.9, 0.99].map(|quantile| metrics.quantile("m", &[], quantile));
        assert_eq!(quantiles, [Some(1.0), Some(10.0), Some(f64::INFINITY)]);
        assert_eq!(metrics.quantile("n", &[], 0.5), None);
    }
}
