//! The feature service's configuration.

use std::collections::BTreeSet;

use chassis::config::{ErrorCollector, Validate};
use chassis::run::Process;
use contracts::bounds::SET_VALUES_MAX;
use domain::Symbol;
use hosting::{KafkaSection, RegistrySection};
use serde::{Deserialize, Serialize};

use crate::rules::{COMPARED, in_name};

/// Each adds four values to the set that has most of them, and a set has a bound.
const BENCHMARKS_MAX: usize = SET_VALUES_MAX / 4;

/// Everything that an operator may say to the feature service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeatureConfig {
    /// The process.
    pub process: Process,
    /// The cluster.
    pub kafka: KafkaSection,
    /// The schema registry.
    pub registry: RegistrySection,
    /// Requests and their answers.
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

/// Requests and their answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestsSection {
    /// Ordinary requests that may wait before their partitions pause. 10,000: some seconds of work.
    pub queue_max: usize,
    /// Urgent requests that may wait before theirs do: a bound of their own, so that ordinary ones never stop them.
    pub urgent_queue_max: usize,
    /// Time from `requested_at` after which a request ends in a failure. 300 s: nobody acts on an older answer.
    pub ttl_ms: u64,
    /// How long the same symbol, timeframe, sets and time are answered once.
    pub dedup_window_ms: u64,
    /// Symbols of requests that are remembered for it at most, about 200 bytes each. 100,000: three windows at the bridge's rate.
    pub dedup_symbols_max: usize,
    /// Worker threads.
    pub workers: usize,
    /// Silence of a worker after which it is replaced and its request tried again. A request of 100 symbols takes about 100 ms.
    pub worker_deadline_ms: u64,
    /// Bars of a window, per symbol and timeframe.
    pub history_bars: usize,
    /// Bars held beyond a window, for requests of the past.
    pub slack_bars: usize,
    /// The symbols that each is compared with: values as `corr_spy_20`. Every instance reads their bars.
    pub benchmarks: Vec<String>,
}

impl Default for RequestsSection {
    fn default() -> Self {
        Self {
            queue_max: 10_000,
            urgent_queue_max: 1_000,
            ttl_ms: 300_000,
            dedup_window_ms: 60_000,
            dedup_symbols_max: 100_000,
            workers: 4,
            worker_deadline_ms: 30_000,
            history_bars: 300,
            slack_bars: 700,
            benchmarks: COMPARED.map(|symbol| symbol.to_string()).to_vec(),
        }
    }
}

impl RequestsSection {
    /// The benchmarks, as the stage takes them.
    #[must_use]
    pub fn compared(&self) -> Vec<Symbol> {
        self.benchmarks.iter().filter_map(|name| Symbol::parse(name).ok()).collect()
    }
}

impl Validate for FeatureConfig {
    const FREE_FORM: &'static [&'static str] = &["kafka.options"];

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
            ("workers", self.workers),
            ("history_bars", self.history_bars),
        ];
        for (key, value) in at_least_1 {
            errors.check(value >= 1, key, value, "at least 1", "4");
        }
        let benchmarks = &self.benchmarks;
        let count = format!("1 to {BENCHMARKS_MAX} symbols of different names");
        let different = self.compared().into_iter().map(in_name).collect::<BTreeSet<_>>().len();
        let is_list = (1..=BENCHMARKS_MAX).contains(&different) && different == self.compared().len();
        errors.check(is_list, "benchmarks", benchmarks.join(", "), &count, "[\"SPY\"]");
        for name in benchmarks.iter().filter(|name| Symbol::parse(name).is_err()) {
            errors.check(false, "benchmarks", name, "a symbol", "SPY");
        }
        errors.check(self.workers <= 1_024, "workers", self.workers, "at most 1024", "4");
        errors.check(self.ttl_ms >= 1, "ttl_ms", self.ttl_ms, "at least 1", "300000");
        let deadline = self.worker_deadline_ms;
        errors.check(deadline >= 1, "worker_deadline_ms", deadline, "at least 1", "30000");
    }
}

#[cfg(test)]
mod tests {
    use chassis::config::load;

    use super::*;

    fn fault_of(benchmarks: &str) -> Option<String> {
        let env = [("FEATURE__REQUESTS__BENCHMARKS".to_owned(), benchmarks.to_owned())];
        let errors = load::<FeatureConfig>("FEATURE", None, env.into_iter()).err()?;
        Some(errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn benchmarks_are_symbols_whose_values_have_names_of_their_own_and_fit_a_set() {
        assert_eq!(fault_of("A,B,C,D,E,F,G,H,I,J,K,L"), None);
        for (wrong, part) in [
            ("A,B,C,D,E,F,G,H,I,J,K,L,M", "must be 1 to 12 symbols of different names"),
            ("BRK.B,BRK-B", "must be 1 to 12 symbols of different names"),
            ("SPY,spy", "= spy (FEATURE__REQUESTS__BENCHMARKS): must be a symbol"),
        ] {
            let fault = fault_of(wrong).unwrap_or_default();
            assert!(fault.contains(part), "{wrong}: {fault}");
        }
    }
}
