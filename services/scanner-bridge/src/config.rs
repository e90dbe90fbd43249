//! The bridge's configuration.

use std::path::PathBuf;
use std::time::Duration;

use chassis::config::{ErrorCollector, Validate};
use chassis::run::Process;
use hosting::{KafkaSection, RegistrySection};
use serde::{Deserialize, Serialize};

use crate::rules::batcher::Limits;
use crate::rules::limiter::Rate;
use crate::stage::Settings;

/// Everything that an operator may say to the bridge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BridgeConfig {
    /// The process.
    pub process: Process,
    /// The cluster.
    pub kafka: KafkaSection,
    /// The schema registry.
    pub registry: RegistrySection,
    /// Alerts and requests.
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

/// From alerts to requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertsSection {
    /// A mapping of alert types to feature sets (TOML); empty takes the built-in one.
    pub mapping_file: PathBuf,
    /// The dedup window per symbol, both ways, in event time.
    pub dedup_window_ms: u64,
    /// Windows that a partition remembers at most. 100,000: every tradable symbol ten times over.
    pub partition_windows_max: usize,
    /// So many symbols close a batch.
    pub batch_symbols: usize,
    /// A batch waits this long at the most.
    pub batch_wait_ms: u64,
    /// A batch closes when no alert joined it for so long.
    pub batch_linger_ms: u64,
    /// Symbols a second that the whole group may ask for.
    pub group_symbols_per_s: u32,
    /// Alerts that may wait before the source pauses.
    pub waiting_max: usize,
}

impl Default for AlertsSection {
    fn default() -> Self {
        let (limits, rate) = (Limits::default(), Rate::default());
        Self {
            mapping_file: PathBuf::new(),
            dedup_window_ms: 60_000,
            partition_windows_max: 100_000,
            batch_symbols: limits.closing_symbols,
            batch_wait_ms: 5_000,
            batch_linger_ms: 50,
            group_symbols_per_s: rate.group_symbols_per_s,
            waiting_max: limits.most_waiting,
        }
    }
}

impl AlertsSection {
    /// As the stage takes it.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            window: Duration::from_millis(self.dedup_window_ms),
            partition_windows_max: self.partition_windows_max,
            limits: Limits {
                closing_symbols: self.batch_symbols,
                longest_wait: Duration::from_millis(self.batch_wait_ms),
                quiet: Duration::from_millis(self.batch_linger_ms),
                most_waiting: self.waiting_max,
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
        let most = Limits::default().most_symbols;
        let symbols = self.batch_symbols;
        errors.check((1..=most).contains(&symbols), "batch_symbols", symbols, "1 to 100", "50");
        let (quiet, wait) = (self.batch_linger_ms, self.batch_wait_ms);
        errors.check(quiet <= wait, "batch_linger_ms", quiet, "at most batch_wait_ms", "50");
        let rate = self.group_symbols_per_s;
        errors.check(rate >= 1, "group_symbols_per_s", rate, "at least 1", "500");
        let windows = self.partition_windows_max;
        errors.check(windows >= 1, "partition_windows_max", windows, "at least 1", "100000");
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
        assert_eq!(loaded.config.alerts.batch_linger_ms, 70);
        assert_eq!(loaded.renamed.len(), 1);
        assert_eq!(loaded.renamed[0].new, "alerts.batch_linger_ms");
    }
}
