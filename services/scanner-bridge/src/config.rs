//! Configuration of the bridge.

use std::path::PathBuf;

use chassis::config::{ErrorCollector, Validate};
use chassis::run::Process;
use hosting::{KafkaSection, RegistrySection};
use kit::Millis;
use serde::{Deserialize, Serialize};

use crate::rules::batcher::Limits;
use crate::rules::limiter::Rate;
use crate::stage::Settings;

/// Settings of the scanner bridge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BridgeConfig {
    /// Admin server, logs and shutdown of the process.
    pub process: Process,
    /// Kafka cluster and its clients.
    pub kafka: KafkaSection,
    /// Schema registry and its cache.
    pub registry: RegistrySection,
    /// Processing of alerts into requests.
    pub alerts: AlertsSection,
}

impl Default for BridgeConfig {
    fn default() -> Self {
        Self {
            process: Process::on_admin_port(9_102),
            kafka: KafkaSection::default(),
            registry: RegistrySection::default(),
            alerts: AlertsSection::default(),
        }
    }
}

/// Settings of the processing of alerts into requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertsSection {
    /// Path of a TOML file that maps alert types to feature sets, a timeframe and a boost of the priority. Empty, the default, selects
    /// the built-in mapping (`config/mapping.toml` of the crate).
    pub mapping_file: PathBuf,
    /// Dedup window per symbol, in milliseconds of event time before and after its first alert. An alert in the window is dropped,
    /// unless it requests a new feature set or a higher priority. 60 s is the dedup window of requests in the feature service as well.
    pub dedup_window_ms: Millis,
    /// Maximum number of dedup windows per partition, about 300 bytes each; the one that was requested first is evicted. 20,000 in each of
    /// 12 partitions are twenty times the number of tradable symbols.
    pub partition_windows_max: usize,
    /// Number of symbols at which a batch is sent, 1 to 100. A batch that waits for the rate limit accepts symbols up to 100, the
    /// maximum of a request; 50 leaves room for as many.
    pub batch_symbols: usize,
    /// Maximum time from the first alert of a batch until it is sent, in milliseconds, for a key whose alerts never pause. 5 s is the
    /// longest delay that batching adds to an alert below priority 8; more urgent ones are sent at once.
    pub batch_wait_ms: Millis,
    /// Time without a new alert after which a batch is sent, in milliseconds, at most `batch_wait_ms`. 50 ms collects the
    /// alerts of one burst without a noticeable delay.
    pub batch_linger_ms: Millis,
    /// Rate limit of requests, in symbols per second, of the whole consumer group; an instance has the share of its partitions. 500
    /// fills a batch of 100 symbols in 200 ms.
    pub group_symbols_per_s: u32,
    /// Number of held alerts at which the input partitions are paused; they are resumed when fewer than half of it are held. 10,000
    /// alerts are 20 s of the default rate limit.
    pub waiting_max: usize,
}

impl Default for AlertsSection {
    fn default() -> Self {
        let (limits, rate) = (Limits::default(), Rate::default());
        Self {
            mapping_file: PathBuf::new(),
            dedup_window_ms: Millis::new(60_000),
            partition_windows_max: 20_000,
            batch_symbols: limits.ready_symbols,
            batch_wait_ms: Millis::new(5_000),
            batch_linger_ms: Millis::new(50),
            group_symbols_per_s: rate.group_symbols_per_s,
            waiting_max: limits.waiting_max,
        }
    }
}

impl AlertsSection {
    /// Returns the settings of the stage.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            window: self.dedup_window_ms.into(),
            partition_windows_max: self.partition_windows_max,
            limits: Limits {
                ready_symbols: self.batch_symbols,
                wait_max: self.batch_wait_ms.into(),
                linger: self.batch_linger_ms.into(),
                waiting_max: self.waiting_max,
                ..Limits::default()
            },
            rate: Rate { group_symbols_per_s: self.group_symbols_per_s, ..Rate::default() },
        }
    }
}

impl Validate for BridgeConfig {
    const FREE_FORM: &'static [&'static str] = &["kafka.options"];
    const RENAMED: &'static [(&'static str, &'static str)] =
        &[("alerts.batch_quiet_ms", "alerts.batch_linger_ms")];

    fn validate(&self, errors: &mut ErrorCollector) {
        errors.nest("process", &self.process);
        errors.nest("kafka", &self.kafka);
        errors.nest("registry", &self.registry);
        errors.nest("alerts", &self.alerts);
    }
}

impl Validate for AlertsSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        let symbols_max = Limits::default().symbols_max;
        let symbols = self.batch_symbols;
        errors.check((1..=symbols_max).contains(&symbols), "batch_symbols", symbols, "1 to 100", "50");
        let (linger, wait) = (self.batch_linger_ms, self.batch_wait_ms);
        errors.check(linger <= wait, "batch_linger_ms", linger, "at most batch_wait_ms", "50");
        let rate = self.group_symbols_per_s;
        errors.check(rate >= 1, "group_symbols_per_s", rate, "at least 1", "500");
        let windows = self.partition_windows_max;
        errors.check(windows >= 1, "partition_windows_max", windows, "at least 1", "20000");
        errors.check(self.waiting_max >= 2, "waiting_max", self.waiting_max, "at least 2", "10000");
    }
}

#[cfg(test)]
mod tests {
    use chassis::config::load_with_renames;

    use super::*;

    #[test]
    fn old_name_of_batch_linger_ms_is_accepted_and_reported() {
        let env = [("BRIDGE__ALERTS__BATCH_QUIET_MS".to_owned(), "70".to_owned())];
        let loaded = load_with_renames::<BridgeConfig>("BRIDGE", None, env.into_iter()).unwrap();
        assert_eq!(loaded.config.alerts.batch_linger_ms, Millis::new(70));
        assert_eq!(loaded.renamed.len(), 1);
        assert_eq!(loaded.renamed[0].new, "alerts.batch_linger_ms");
    }
}
