//! Configuration of the feature service.

use std::collections::BTreeSet;

use chassis::config::{ErrorCollector, Validate};
use chassis::run::Process;
use contracts::bounds::SET_VALUES_MAX;
use domain::Symbol;
use hosting::{KafkaSection, RegistrySection};
use kit::Millis;
use serde::{Deserialize, Serialize};

use crate::rules::{COMPARED, in_name};

/// The maximum number of benchmarks: each adds four values to `correlation_features`, and a set has a maximum number of values.
const BENCHMARKS_MAX: usize = SET_VALUES_MAX / 4;

/// Settings of the feature service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeatureConfig {
    /// Admin server, logs and shutdown of the process.
    pub process: Process,
    /// Kafka cluster and its clients.
    pub kafka: KafkaSection,
    /// Schema registry and its cache.
    pub registry: RegistrySection,
    /// Processing of requests into vectors.
    pub requests: RequestsSection,
}

impl Default for FeatureConfig {
    fn default() -> Self {
        Self {
            process: Process::on_admin_port(9_103),
            kafka: KafkaSection::default(),
            registry: RegistrySection::default(),
            requests: RequestsSection::default(),
        }
    }
}

/// Settings of the processing of requests into vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestsSection {
    /// Number of queued ordinary requests (`feature.batch.requested`) at which their partitions are paused; they are resumed when fewer
    /// than half of it are queued. 10,000 requests are some seconds of work. Requests that use 40 MiB of memory pause them too.
    pub queue_max: usize,
    /// The same for urgent requests (`feature.batch.urgent`). They have their own bound, so that ordinary requests never delay them;
    /// 1,000 because urgent requests are few and leave the queue first. Their memory is bounded by 8 MiB.
    pub urgent_queue_max: usize,
    /// Time in milliseconds from `requested_at` of a request after which it ends in a failure of the class `expired`. 300 s by default:
    /// a vector of an older request has no use.
    pub ttl_ms: Millis,
    /// Dedup window in milliseconds of processing time. A symbol of a request ends in a failure of the class `duplicate` if an earlier
    /// request in the window has the same symbol, timeframe, sets and time, at the same or a higher priority. 60 s is the dedup window
    /// of alerts in the scanner bridge as well.
    pub dedup_window_ms: Millis,
    /// Maximum number of requested symbols in the dedup window, about 350 bytes each; above it, the oldest are evicted. 100,000 is
    /// three windows at the default rate limit of the scanner bridge.
    pub dedup_symbols_max: usize,
    /// Maximum number of splits that are held, at most 208 bytes each; above it, those with the oldest ex-dates are evicted, and older bars
    /// are not adjusted by them. 20,000 is two for each of 10,000 symbols.
    pub splits_max: usize,
    /// Number of worker threads, which compute requests, at start and without load; 1 to `workers_max`. 1 by default: an idle instance
    /// needs no more, and the number grows by one each 100 ms while requests wait.
    pub workers_min: usize,
    /// Maximum number of worker threads, at most 1024. They are added while requests wait, and removed one by one when one has been
    /// idle for 60 s. 8 by default: twice the CPU limit of an instance in the Helm chart, so that a worker that hangs leaves no core
    /// unused.
    pub workers_max: usize,
    /// Time in milliseconds after which a worker that has not completed its request is replaced, and the request is tried again. 30 s
    /// by default: a request of 100 symbols takes about 100 ms.
    pub worker_deadline_ms: Millis,
    /// Maximum number of bars of a window, per symbol and timeframe. 300 bars are enough for every value: the longest window of a value
    /// has 253 bars.
    pub history_bars: usize,
    /// Number of bars per symbol and timeframe that are kept in addition to a window, for requests whose `occurred_at` is in the past.
    /// 700 by default, so that 1,000 bars are kept.
    pub slack_bars: usize,
    /// Symbols that each symbol is compared with, in values such as `corr_spy_20`; 1 to 12. Every instance reads their bars. By default
    /// large companies (SPY), technology companies (QQQ) and small companies (IWM).
    pub benchmarks: Vec<String>,
}

impl Default for RequestsSection {
    fn default() -> Self {
        Self {
            queue_max: 10_000,
            urgent_queue_max: 1_000,
            ttl_ms: Millis::new(300_000),
            dedup_window_ms: Millis::new(60_000),
            dedup_symbols_max: 100_000,
            splits_max: 20_000,
            workers_min: 1,
            workers_max: 8,
            worker_deadline_ms: Millis::new(30_000),
            history_bars: 300,
            slack_bars: 700,
            benchmarks: COMPARED.map(|symbol| symbol.to_string()).to_vec(),
        }
    }
}

impl RequestsSection {
    /// Returns the benchmarks as symbols.
    #[must_use]
    pub fn compared(&self) -> Vec<Symbol> {
        self.benchmarks.iter().filter_map(|name| Symbol::parse(name).ok()).collect()
    }
}

impl Validate for FeatureConfig {
    const FREE_FORM: &'static [&'static str] = &["kafka.options"];
    const RENAMED: &'static [(&'static str, &'static str)] = &[("requests.workers", "requests.workers_max")];

    fn validate(&self, errors: &mut ErrorCollector) {
        errors.nest("process", &self.process);
        errors.nest("kafka", &self.kafka);
        errors.nest("registry", &self.registry);
        errors.nest("requests", &self.requests);
    }
}

impl Validate for RequestsSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        let at_least_1 = [
            ("queue_max", self.queue_max),
            ("urgent_queue_max", self.urgent_queue_max),
            ("dedup_symbols_max", self.dedup_symbols_max),
            ("splits_max", self.splits_max),
            ("workers_min", self.workers_min),
            ("workers_max", self.workers_max),
            ("history_bars", self.history_bars),
        ];
        for (key, value) in at_least_1 {
            errors.check(value >= 1, key, value, "at least 1", "4");
        }
        let benchmarks = &self.benchmarks;
        let count = format!("1 to {BENCHMARKS_MAX} symbols of different names");
        let names = self.compared().into_iter().map(in_name).collect::<BTreeSet<_>>().len();
        let is_list = (1..=BENCHMARKS_MAX).contains(&names) && names == self.compared().len();
        errors.check(is_list, "benchmarks", benchmarks.join(", "), &count, "[\"SPY\"]");
        for name in benchmarks.iter().filter(|name| Symbol::parse(name).is_err()) {
            errors.check(false, "benchmarks", name, "a symbol", "SPY");
        }
        let (min, max) = (self.workers_min, self.workers_max);
        errors.check(max <= 1_024, "workers_max", max, "at most 1024", "8");
        errors.check(min <= max.max(1), "workers_min", min, "at most workers_max", "1");
        errors.check(!self.ttl_ms.is_zero(), "ttl_ms", self.ttl_ms, "at least 1", "300000");
        let deadline = self.worker_deadline_ms;
        errors.check(!deadline.is_zero(), "worker_deadline_ms", deadline, "at least 1", "30000");
    }
}

#[cfg(test)]
mod tests {
    use chassis::config::{load, load_with_renames};

    use super::*;

    fn errors_of(benchmarks: &str) -> Option<String> {
        let env = [("FEATURE__REQUESTS__BENCHMARKS".to_owned(), benchmarks.to_owned())];
        let errors = load::<FeatureConfig>("FEATURE", None, env.into_iter()).err()?;
        Some(errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn benchmarks_are_distinct_symbols_that_fit_a_set() {
        assert_eq!(errors_of("A,B,C,D,E,F,G,H,I,J,K,L"), None);
        for (invalid, part) in [
            ("A,B,C,D,E,F,G,H,I,J,K,L,M", "must be 1 to 12 symbols of different names"),
            ("BRK.B,BRK-B", "must be 1 to 12 symbols of different names"),
            ("SPY,spy", "= spy (FEATURE__REQUESTS__BENCHMARKS): must be a symbol"),
        ] {
            let errors = errors_of(invalid).unwrap_or_default();
            assert!(errors.contains(part), "{invalid}: {errors}");
        }
    }

    fn loaded(variables: &[(&str, &str)]) -> Result<(usize, usize, usize), String> {
        let env =
            variables.iter().map(|(key, value)| (format!("FEATURE__REQUESTS__{key}"), (*value).to_owned()));
        let loaded = load_with_renames::<FeatureConfig>("FEATURE", None, env)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<String>())?;
        let RequestsSection { workers_min, workers_max, .. } = loaded.config.requests;
        Ok((workers_min, workers_max, loaded.renamed.len()))
    }

    #[test]
    fn old_name_of_workers_max_is_accepted_and_reported() {
        assert_eq!(loaded(&[("WORKERS", "2")]), Ok((1, 2, 1)));
        assert_eq!(loaded(&[("WORKERS_MAX", "2")]), Ok((1, 2, 0)));
    }

    #[test]
    fn worker_numbers_out_of_order_are_an_error() {
        let errors = loaded(&[("WORKERS_MIN", "9")]).unwrap_err();
        assert!(
            errors.contains("workers_min = 9 (FEATURE__REQUESTS__WORKERS_MIN): must be at most workers_max"),
            "{errors}"
        );
        assert_eq!(loaded(&[("WORKERS_MIN", "9"), ("WORKERS_MAX", "9")]), Ok((9, 9, 0)));
        for (key, value) in [("WORKERS_MIN", "0"), ("WORKERS_MAX", "0"), ("WORKERS_MAX", "1025")] {
            let errors = loaded(&[(key, value)]).unwrap_err();
            assert_eq!(errors.matches("must be").count(), 1, "{key} {value}: {errors}");
        }
    }
}
