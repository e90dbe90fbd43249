//! The backfill service's configuration.

use std::path::PathBuf;
use std::time::Duration;

use chassis::config::{ErrorCollector, Validate};
use chassis::run::Process;
use domain::{DataType, Layer, Timeframe};
use hosting::{KafkaSection, RegistrySection};
use serde::{Deserialize, Serialize};

use crate::rules::chunks::ChunkDays;
use crate::rules::coalesce::Limits;
use crate::rules::planner::Planner;
use crate::rules::timeframes::Timeframes;
use crate::stage::executor::{Retries, Settings};

/// Everything that an operator may say to the backfill service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackfillConfig {
    /// The process.
    pub process: Process,
    /// The cluster.
    pub kafka: KafkaSection,
    /// The schema registry.
    pub registry: RegistrySection,
    /// From facts to requests.
    pub planner: PlannerSection,
    /// From requests to bars.
    pub executor: ExecutorSection,
    /// Where bars come from.
    pub source: SourceSection,
}

impl Default for BackfillConfig {
    fn default() -> Self {
        Self {
            process: Process::on_admin_port(9_104),
            kafka: KafkaSection::default(),
            registry: RegistrySection::default(),
            planner: PlannerSection::default(),
            executor: ExecutorSection::default(),
            source: SourceSection::default(),
        }
    }
}

/// From facts to requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlannerSection {
    /// The data types of layer 0: names as `market_data`, `news`; none plans nothing for the layer.
    pub basic: Vec<String>,
    /// Those of layer 1.
    pub liquid: Vec<String>,
    /// Those of layer 2.
    pub catalyst: Vec<String>,
    /// Those of layer 3.
    pub active: Vec<String>,
    /// The layer that a gap is filled for, as the fact names none. 3: it has every timeframe.
    pub gap_layer: i32,
}

/// From requests to bars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecutorSection {
    /// How long requests for the same gather into one fetch.
    pub gather_ms: u64,
    /// How long they do at most while the fetch waits for its turn.
    pub gather_max_ms: u64,
    /// Fetches that run at once.
    pub running_max: usize,
    /// Requests that may wait before their partitions pause.
    pub requests_max: usize,
    /// How long after a success the same request is a duplicate.
    pub dedup_window_ms: u64,
    /// Ended requests that a partition remembers at most. 10,000: every symbol of a partition, several times over.
    pub partition_ends_max: usize,
    /// Calls for one chunk before it is given up.
    pub attempts_max: u32,
    /// The longest wait after a first failure; doubles with each.
    pub backoff_first_ms: u64,
    /// The longest wait of all.
    pub backoff_max_ms: u64,
    /// Worker threads: calls to the source at once.
    pub workers: usize,
    /// Silence of a worker after which it is replaced and its chunk asked for again. A chunk is a few thousand bars.
    pub worker_deadline_ms: u64,
    /// The timeframes that are filled at all, by name (`1day`); empty means all.
    pub timeframes: Vec<String>,
    /// Days of a chunk of day bars. 365: some 250 bars.
    pub day_bars_chunk_days: u16,
    /// Days of a chunk of hour bars. 90: some 1,000 bars.
    pub hour_bars_chunk_days: u16,
    /// Days of a chunk of minute bars. 5: some 5,000 bars, a transaction of moderate size.
    pub minute_bars_chunk_days: u16,
}

/// What a source is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// None: every request ends in a failure that says so.
    #[default]
    None,
    /// A folder of day bars, a file a symbol.
    Csv,
    /// A market that never was, the same for the same seed.
    Synthetic,
}

/// Where bars come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceSection {
    /// `none`, `csv` or `synthetic`. None by default: history that nobody chose must not fill the topics.
    pub kind: SourceKind,
    /// Of `csv`: the folder with `<SYMBOL>.csv`.
    pub folder: PathBuf,
    /// Of `synthetic`: the market's seed.
    pub seed: u64,
}

// === impl BackfillConfig ===

impl BackfillConfig {
    /// Only day bars are planned and filled, whatever the layer: what a replayed or synthetic market has.
    pub fn market_data_in_day_bars(&mut self) {
        let bars = vec![DataType::MarketData.as_str().to_owned()];
        let planner = &mut self.planner;
        for layer in [&mut planner.basic, &mut planner.liquid, &mut planner.catalyst, &mut planner.active] {
            layer.clone_from(&bars);
        }
        self.executor.timeframes = vec![Timeframe::Day1.as_str().to_owned()];
    }
}

impl Validate for BackfillConfig {
    const FREE_FORM: &'static [&'static str] = &["kafka.options"];

    fn validate(&self, errors: &mut ErrorCollector) {
        errors.nest("process", &self.process);
        errors.nest("kafka", &self.kafka);
        errors.nest("registry", &self.registry);
        errors.nest("planner", &self.planner);
        errors.nest("executor", &self.executor);
        errors.nest("source", &self.source);
    }
}

// === impl PlannerSection ===

impl Default for PlannerSection {
    fn default() -> Self {
        let Planner { layer_data_types: [basic, liquid, catalyst, active], gap_layer } = Planner::default();
        let names = |types: Vec<DataType>| types.iter().map(|it| it.as_str().to_owned()).collect();
        Self {
            basic: names(basic),
            liquid: names(liquid),
            catalyst: names(catalyst),
            active: names(active),
            gap_layer: gap_layer.number(),
        }
    }
}

impl PlannerSection {
    /// As the planner takes it.
    #[must_use]
    pub fn planner(&self) -> Planner {
        let types = |names: &[String]| names.iter().filter_map(|name| DataType::from_name(name)).collect();
        Planner {
            layer_data_types: [
                types(&self.basic),
                types(&self.liquid),
                types(&self.catalyst),
                types(&self.active),
            ],
            gap_layer: Layer::from_number(self.gap_layer).unwrap_or(Planner::default().gap_layer),
        }
    }
}

impl Validate for PlannerSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        let known = DataType::ALL.map(DataType::as_str).join(", ");
        let layers = [
            ("basic", &self.basic),
            ("liquid", &self.liquid),
            ("catalyst", &self.catalyst),
            ("active", &self.active),
        ];
        for (key, names) in layers {
            for name in names.iter().filter(|name| DataType::from_name(name).is_none()) {
                errors.check(false, key, name, &format!("of {known}"), "market_data");
            }
        }
        let layer = self.gap_layer;
        errors.check(Layer::from_number(layer).is_ok(), "gap_layer", layer, "0 to 3", "3");
    }
}

// === impl ExecutorSection ===

impl Default for ExecutorSection {
    fn default() -> Self {
        let (limits, days) = (Limits::default(), ChunkDays::default());
        Self {
            gather_ms: 2_000,
            gather_max_ms: 30_000,
            running_max: limits.most_running,
            requests_max: limits.most_requests,
            dedup_window_ms: 3_600_000,
            partition_ends_max: 10_000,
            attempts_max: 3,
            backoff_first_ms: 1_000,
            backoff_max_ms: 60_000,
            workers: limits.most_running,
            worker_deadline_ms: 60_000,
            timeframes: Vec::new(),
            day_bars_chunk_days: days.day,
            hour_bars_chunk_days: days.hour,
            minute_bars_chunk_days: days.minutes,
        }
    }
}

impl ExecutorSection {
    /// As the stage takes it.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let ms = Duration::from_millis;
        let named = self.timeframes.iter().filter_map(|name| Timeframe::from_name(name)).collect();
        let all = self.timeframes.is_empty();
        Settings {
            limits: Limits {
                gather: ms(self.gather_ms),
                longest_gather: ms(self.gather_max_ms),
                most_running: self.running_max,
                most_requests: self.requests_max,
            },
            dedup_window: ms(self.dedup_window_ms),
            partition_ends_max: self.partition_ends_max,
            retries: Retries {
                attempts_max: self.attempts_max,
                backoff_first: ms(self.backoff_first_ms),
                backoff_max: ms(self.backoff_max_ms),
            },
            timeframes: if all { Timeframes::default() } else { Timeframes::restricted_to(named) },
            chunk_days: ChunkDays {
                day: self.day_bars_chunk_days,
                hour: self.hour_bars_chunk_days,
                minutes: self.minute_bars_chunk_days,
            },
        }
    }
}

impl Validate for ExecutorSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        let (gather, longest) = (self.gather_ms, self.gather_max_ms);
        errors.check(longest >= gather, "gather_max_ms", longest, "at least gather_ms", "30000");
        let running = self.running_max;
        errors.check((1..=64).contains(&running), "running_max", running, "1 to 64", "3");
        errors.check((1..=64).contains(&self.workers), "workers", self.workers, "1 to 64", "3");
        errors.check(self.requests_max >= 2, "requests_max", self.requests_max, "at least 2", "10000");
        let ends = self.partition_ends_max;
        errors.check(ends >= 1, "partition_ends_max", ends, "at least 1", "10000");
        let attempts = self.attempts_max;
        errors.check((1..=100).contains(&attempts), "attempts_max", attempts, "1 to 100", "3");
        let (first, longest) = (self.backoff_first_ms, self.backoff_max_ms);
        errors.check(first >= 1, "backoff_first_ms", first, "at least 1", "1000");
        errors.check(longest >= first, "backoff_max_ms", longest, "at least backoff_first_ms", "60000");
        let deadline = self.worker_deadline_ms;
        errors.check(deadline >= 1, "worker_deadline_ms", deadline, "at least 1", "60000");
        let known = Timeframe::ALL.map(Timeframe::as_str).join(", ");
        for name in self.timeframes.iter().filter(|name| Timeframe::from_name(name).is_none()) {
            errors.check(false, "timeframes", name, &format!("of {known}"), "1day");
        }
        let days = [
            ("day_bars_chunk_days", self.day_bars_chunk_days),
            ("hour_bars_chunk_days", self.hour_bars_chunk_days),
            ("minute_bars_chunk_days", self.minute_bars_chunk_days),
        ];
        for (key, value) in days {
            // Each bar is an output, and all of a chunk leave in one transaction.
            errors.check((1..=3_660).contains(&value), key, value, "1 to 3660", "5");
        }
    }
}

// === impl SourceSection ===

impl Validate for SourceSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        let is_missing = self.kind == SourceKind::Csv && self.folder.as_os_str().is_empty();
        errors.check(!is_missing, "folder", "", "given when kind is csv", "/var/lib/bars");
    }
}

#[cfg(test)]
mod tests;
