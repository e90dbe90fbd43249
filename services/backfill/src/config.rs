//! Configuration of the backfill service.

mod keeper;
mod ledger;
mod source;
mod synthetic;

use chassis::config::{ErrorCollector, Validate};
use chassis::run::Process;
use domain::{DataType, Layer, Timeframe};
use hosting::{KafkaSection, RegistrySection};
use kit::{Backoff, Millis};
use serde::{Deserialize, Serialize};

use crate::rules::chunks::ChunkDays;
use crate::rules::coalescer::Limits;
use crate::rules::planner::Planner;
use crate::rules::timeframes::Timeframes;
use crate::stage::executor::{Retries, Settings};

pub use self::keeper::KeeperSection;
pub use self::ledger::{LedgerKind, LedgerSection};
pub use self::source::{AlpacaFeed, SourceKind, SourceSection};
pub use self::synthetic::SyntheticSection;

/// The settings of the backfill service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackfillConfig {
    /// The process: admin address, logs, shutdown.
    pub process: Process,
    /// The Kafka cluster.
    pub kafka: KafkaSection,
    /// The schema registry.
    pub registry: RegistrySection,
    /// The planner stage, which turns facts into requests.
    pub planner: PlannerSection,
    /// The executor stage, which turns requests into bars.
    pub executor: ExecutorSection,
    /// The source of historical bars.
    pub source: SourceSection,
    /// The ledger: a view of backfills in a SQL database, for people.
    pub ledger: LedgerSection,
    /// The keeper, which requests missing history of wanted series.
    pub keeper: KeeperSection,
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
            ledger: LedgerSection::default(),
            keeper: KeeperSection::default(),
        }
    }
}

/// The planner stage, which turns facts into requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlannerSection {
    /// The data types that are requested for a symbol of layer 0 (all tradable symbols), by name: `market_data`, `news`,
    /// `corporate_actions`, ... An empty list requests nothing. Here and in the other layers, types that
    /// no source serves are not requested, unless nothing else is configured. By default bars only, because this layer has the most symbols.
    pub basic: Vec<String>,
    /// The data types that are requested for a symbol of layer 1 (liquid), by name. An empty list requests nothing. By default bars and
    /// news.
    pub liquid: Vec<String>,
    /// The data types that are requested for a symbol of layer 2 (catalyst), by name. An empty list requests nothing. By default bars,
    /// news and corporate actions.
    pub catalyst: Vec<String>,
    /// The data types that are requested for a symbol of layer 3 (active), by name. An empty list requests nothing. By default the same
    /// as for layer 2.
    pub active: Vec<String>,
    /// The layer, 0 to 3, whose timeframes are requested to fill a gap: the event of a gap has no layer. By default 3, which has all
    /// timeframes.
    pub gap_layer: i32,
}

/// The executor stage, which turns requests into bars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecutorSection {
    /// The time in milliseconds that a fetch gathers requests for the same symbol and data type before it may run. By default 2 s: long
    /// enough for requests that arrive together, short compared with a fetch.
    pub gather_ms: Millis,
    /// The time in milliseconds after which a fetch that is due, but has no free slot, accepts no further requests; at least `gather_ms`.
    /// By default 30 s, so that fetches grow under load, and the oldest request still has a bound.
    pub gather_max_ms: Millis,
    /// The maximum number of fetches that run at once, 1 to 64. By default 3, a moderate load for a source.
    pub running_max: usize,
    /// The number of held requests at which the stage pauses its partitions, at least 2. They resume when fewer than half are left. By
    /// default 10,000, one for each symbol of a full layer 0.
    pub requests_max: usize,
    /// The dedup window in milliseconds: the time after a success in which the same request (symbol, layer, data types, range) is a
    /// duplicate. By default 1 h. The terminal events of this time are restored at assignment.
    pub dedup_window_ms: Millis,
    /// The maximum number of ended requests that are kept per partition for the dedup window, at least 1. By default 10,000: each symbol
    /// of a partition several times.
    pub partition_ends_max: usize,
    /// The maximum number of calls to the source for one chunk, 1 to 100. After that the error of the chunk is reported in the terminal
    /// event. By default 3: a brief outage passes, a longer one ends the request within minutes.
    pub attempts_max: u32,
    /// The longest wait in milliseconds after the first failed call for a chunk, at least 1. It doubles with each failure, and the actual
    /// wait is random between zero and that. By default 1 s: a brief error delays a request little.
    pub backoff_first_ms: Millis,
    /// The longest wait in milliseconds after any failed call, at least `backoff_first_ms`. By default 60 s: a source that has
    /// recovered is called within a minute.
    pub backoff_max_ms: Millis,
    /// The number of worker threads at start and without work, 1 to `workers_max`. By default 1: an idle instance needs no more, and the
    /// number grows by one each 100 ms while a call waits.
    pub workers_min: usize,
    /// The maximum number of worker threads, 1 to 64: calls to the source at once. They are added while calls wait, and removed one by
    /// one when one has been idle for 60 s. By default 3, as many as `running_max`: a fetch has at most one call at a time, so more
    /// would have no work.
    pub workers_max: usize,
    /// The time in milliseconds after which a call to the source counts as failed and its worker thread is replaced, at least 1. By
    /// default 60 s: a chunk has a few thousand bars.
    pub worker_deadline_ms: Millis,
    /// The maximum number of bars that are written into each partition in a second, on average; 0 is no limit. In addition, a burst of 7,500, or
    /// of one chunk if it is larger. By default 5,000: a `feature` that reads all twelve partitions reads four times as many.
    pub partition_bars_per_s: u32,
    /// The timeframes that are fetched, by name: `1min`, `5min`, `1hour`, `1day`. By default an empty list, which means all that the source
    /// serves.
    pub timeframes: Vec<String>,
    /// The maximum number of days in a chunk of day bars or corporate actions, 1 to 3,660. By default 365: some 250 bars.
    pub day_bars_chunk_days: u16,
    /// The maximum number of days in a chunk of hour bars, 1 to 3,660. By default 90: some 1,000 bars.
    pub hour_bars_chunk_days: u16,
    /// The maximum number of days in a chunk of bars of one or five minutes, 1 to 3,660. By default 5: some 5,000 bars, a transaction of
    /// moderate size.
    pub minute_bars_chunk_days: u16,
    /// The maximum number of days in a chunk of news, 1 to 3,660. By default 30: some 1,500 articles of a symbol with many, which a source
    /// with small pages serves within `worker_deadline_ms`.
    pub news_chunk_days: u16,
}

// === impl BackfillConfig ===

impl BackfillConfig {
    /// Restricts planner and executor to day bars in all layers: the data of a replayed or synthetic market.
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
    const RENAMED: &'static [(&'static str, &'static str)] = &[("executor.workers", "executor.workers_max")];

    fn validate(&self, errors: &mut ErrorCollector) {
        errors.nest("process", &self.process);
        errors.nest("kafka", &self.kafka);
        errors.nest("registry", &self.registry);
        errors.nest("planner", &self.planner);
        errors.nest("executor", &self.executor);
        errors.nest("source", &self.source);
        errors.nest("keeper", &self.keeper);
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
    /// Returns the rules of the planner.
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
        let names = DataType::ALL.map(DataType::as_str).join(", ");
        let layers = [
            ("basic", &self.basic),
            ("liquid", &self.liquid),
            ("catalyst", &self.catalyst),
            ("active", &self.active),
        ];
        for (key, types) in layers {
            for name in types.iter().filter(|name| DataType::from_name(name).is_none()) {
                errors.check(false, key, name, &format!("of {names}"), "market_data");
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
            gather_ms: Millis::new(2_000),
            gather_max_ms: Millis::new(30_000),
            running_max: limits.running_max,
            requests_max: limits.requests_max,
            dedup_window_ms: Millis::new(3_600_000),
            partition_ends_max: 10_000,
            attempts_max: 3,
            backoff_first_ms: Millis::new(1_000),
            backoff_max_ms: Millis::new(60_000),
            workers_min: 1,
            workers_max: limits.running_max,
            worker_deadline_ms: Millis::new(60_000),
            partition_bars_per_s: 5_000,
            timeframes: Vec::new(),
            day_bars_chunk_days: days.day,
            hour_bars_chunk_days: days.hour,
            minute_bars_chunk_days: days.minutes,
            news_chunk_days: days.news,
        }
    }
}

impl ExecutorSection {
    /// Returns the settings of the stage, with the default of `source.settle_ms`.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let named = self.timeframes.iter().filter_map(|name| Timeframe::from_name(name)).collect();
        let all = self.timeframes.is_empty();
        Settings {
            limits: Limits {
                gather: self.gather_ms.into(),
                gather_max: self.gather_max_ms.into(),
                running_max: self.running_max,
                requests_max: self.requests_max,
            },
            dedup_window: self.dedup_window_ms.into(),
            partition_ends_max: self.partition_ends_max,
            retries: Retries {
                attempts_max: self.attempts_max,
                backoff: Backoff::new(self.backoff_first_ms.into(), self.backoff_max_ms.into()),
            },
            partition_bars_per_s: self.partition_bars_per_s,
            timeframes: if all { Timeframes::default() } else { Timeframes::restricted_to(named) },
            settle: SourceSection::default().settle_ms.into(),
            keeper: None,
            live_bars: None,
            chunk_days: ChunkDays {
                day: self.day_bars_chunk_days,
                hour: self.hour_bars_chunk_days,
                minutes: self.minute_bars_chunk_days,
                news: self.news_chunk_days,
            },
        }
    }
}

impl Validate for ExecutorSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        let (gather, max) = (self.gather_ms, self.gather_max_ms);
        errors.check(max >= gather, "gather_max_ms", max, "at least gather_ms", "30000");
        let running = self.running_max;
        errors.check((1..=64).contains(&running), "running_max", running, "1 to 64", "3");
        let (min, max) = (self.workers_min, self.workers_max);
        errors.check((1..=64).contains(&max), "workers_max", max, "1 to 64", "3");
        errors.check((1..=max.max(1)).contains(&min), "workers_min", min, "1 to workers_max", "1");
        errors.check(self.requests_max >= 2, "requests_max", self.requests_max, "at least 2", "10000");
        let ends = self.partition_ends_max;
        errors.check(ends >= 1, "partition_ends_max", ends, "at least 1", "10000");
        let attempts = self.attempts_max;
        errors.check((1..=100).contains(&attempts), "attempts_max", attempts, "1 to 100", "3");
        let (first, max) = (self.backoff_first_ms, self.backoff_max_ms);
        errors.check(!first.is_zero(), "backoff_first_ms", first, "at least 1", "1000");
        errors.check(max >= first, "backoff_max_ms", max, "at least backoff_first_ms", "60000");
        let deadline = self.worker_deadline_ms;
        errors.check(!deadline.is_zero(), "worker_deadline_ms", deadline, "at least 1", "60000");
        let names = Timeframe::ALL.map(Timeframe::as_str).join(", ");
        for name in self.timeframes.iter().filter(|name| Timeframe::from_name(name).is_none()) {
            errors.check(false, "timeframes", name, &format!("of {names}"), "1day");
        }
        let days = [
            ("day_bars_chunk_days", self.day_bars_chunk_days),
            ("hour_bars_chunk_days", self.hour_bars_chunk_days),
            ("minute_bars_chunk_days", self.minute_bars_chunk_days),
            ("news_chunk_days", self.news_chunk_days),
        ];
        for (key, value) in days {
            // Each record is an output, and the outputs of a chunk are one transaction.
            errors.check((1..=3_660).contains(&value), key, value, "1 to 3660", "5");
        }
    }
}

#[cfg(test)]
mod tests;
