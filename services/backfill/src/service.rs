//! Composition root of the backfill service: wires the planner and the executor.

use std::sync::Arc;
use std::time::Duration;

use chassis::pool;
use chassis::run::Process;
use chassis::telemetry::Catalogue;
use chassis::{Context, Exit, Failure, Service};
use contracts::Topic;
use domain::{DataType, Interval, Symbol, Timeframe};
use hosting::{Hosted, Part, PoolWorkers, Reserved, StageSpec, WorkerError};
use kafka_io::{BreakerMeters, Completions, Wire, completions};
use kit::ErrorChain;
use tokio::runtime::Handle;

use crate::config::{BackfillConfig, ExecutorSection, LedgerKind, SourceKind, SourceSection};
use crate::features::FEATURES;
use crate::ledger;
use crate::metric_names::METRICS;
use crate::owned_partitions::OwnedPartitions;
use crate::range_counts::RangeCounts;
use crate::rules::attempts::Attempts;
use crate::rules::live_bars::LiveBars;
use crate::served;
use crate::sources::{
    Adjusted, Alpaca, Files, Source, SourceBars, SourceError, SyntheticMarket, memory_parts,
};
use crate::stage::executor::{self, ExecutorStage, Settings, SourceHook, Workers};
use crate::stage::planner::{self, PlannerStage};
use crate::worker::{Job, JobResult, fetch_chunk};

/// The name of the planner stage in metrics and reports.
pub const PLANNER: &str = "backfill-planner";

/// The consumer group of the planner.
pub const PLANNER_GROUP: &str = "tapeline.backfill.planner";

/// The name of the executor stage in metrics and reports.
pub const EXECUTOR: &str = "backfill-executor";

/// The consumer group of the executor.
pub const EXECUTOR_GROUP: &str = "tapeline.backfill.executor";

/// The part of a worker's deadline in which a call to a remote source ends.
const CALL_SHARE: f64 = 0.9;

const DEAD_LETTERS: Topic = Topic::BackfillDeadLetter;

/// The output topics of the executor without its dead-letter topic.
const EXECUTOR_WRITES: [Topic; 7] = [
    Topic::BarClosed,
    Topic::NewsPublished,
    Topic::CorporateActionAnnounced,
    Topic::RangeProgressed,
    Topic::CoverageChanged,
    Topic::RangeCompleted,
    Topic::RangeFailed,
];

/// The backfill service.
#[derive(Debug)]
pub struct Backfill;

impl Service for Backfill {
    const NAME: &'static str = "backfill";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = BackfillConfig;
    type Running = Vec<Hosted>;

    fn features() -> &'static [&'static str] {
        FEATURES
    }

    fn catalogue() -> Catalogue {
        Catalogue::new().with(hosting::METRICS).with(METRICS)
    }

    fn process(config: &BackfillConfig) -> &Process {
        &config.process
    }

    async fn start(config: BackfillConfig, context: Context) -> Result<Vec<Hosted>, Failure> {
        let mut source = source(&config, &context)?;
        if config.source.adjusted {
            source = Arc::new(Adjusted::new(source));
        }
        report_source(&context, &config.source);
        start_with(config, source, context).await
    }
}

/// Starts the service with this source instead of the configured one: for a process that has the bars in memory.
///
/// # Errors
/// [`Failure`] if the cluster or the registry is unavailable, or a stage cannot start.
pub async fn start_with(
    config: BackfillConfig,
    source: Arc<dyn Source>,
    context: Context,
) -> Result<Vec<Hosted>, Failure> {
    let kafka = &config.kafka.0;
    // Before any connection, so that a configuration that cannot work fails the start at once.
    let parts = [ledger_parts(&config), memory_parts(config.source.kind, &config.executor)].concat();
    let reserved = hosting::reserve(kafka, parts)?;
    let writes = [&EXECUTOR_WRITES[..], &[executor::INPUT]].concat();
    // The executor reads what the planner and itself write.
    let connection =
        hosting::connect(&context, kafka, &config.registry, DEAD_LETTERS, &writes, &planner::INPUTS).await?;
    report_left_out(&config, source.as_ref());
    let planner = host_planner(&context, &config, source.as_ref(), connection.wire.clone())?;
    let owned = OwnedPartitions::default();
    ledger::start(&context, &config, connection.wire.clone(), owned.clone());
    let executor = host_executor(&context, &config, (source, reserved), connection.wire, owned)?;
    Ok(vec![planner, executor])
}

/// Returns the memory of the ledger.
fn ledger_parts(config: &BackfillConfig) -> Vec<Part> {
    match config.ledger.kind {
        LedgerKind::None => Vec::new(),
        LedgerKind::Sqlite | LedgerKind::Postgres => hosting::of_reader("ledger", &config.kafka.0),
    }
}

fn host_planner(
    context: &Context,
    config: &BackfillConfig,
    source: &dyn Source,
    wire: Wire,
) -> Result<Hosted, Failure> {
    let stage = PlannerStage::new(wire, served::planner(&config.planner, source));
    // The planner has no workers, so the channel remains empty.
    let (_, completed) = completions(1);
    let spec = StageSpec {
        stage: PLANNER,
        group: PLANNER_GROUP,
        inputs: planner::INPUTS.to_vec(),
        outputs: vec![executor::INPUT, DEAD_LETTERS],
        memory: Vec::new(),
    };
    hosting::host(context, &config.kafka.0, stage, completed, spec)
}

fn host_executor(
    context: &Context,
    config: &BackfillConfig,
    (source, reserved): (Arc<dyn Source>, Reserved),
    wire: Wire,
    owned: OwnedPartitions,
) -> Result<Hosted, Failure> {
    let section = &config.executor;
    let (sender, completed) = completions(section.running_max);
    let workers = start_workers(section, context, (Arc::clone(&source), reserved), sender)?;
    // The jitter of the backoff must differ between instances, so that they do not retry together.
    let seed = context.clock.wall_micros().unsigned_abs() ^ u64::from(std::process::id());
    let settle = config.source.settle_ms.into();
    let timeframes = served::timeframes(section, source.as_ref());
    let (keeper, live_bars) = (config.keeper.keeper(settle), config.keeper.live_bars());
    let settings = Settings { settle, timeframes, keeper, live_bars, ..section.settings() };
    let stage = ExecutorStage::new(wire, source, settings, Box::new(workers), seed)
        .with_counts(RangeCounts::new(&context.metrics))
        .with_owned_partitions(owned)
        .with_source_guard(BreakerMeters::of(Backfill::NAME, "source"), source_hook(context));
    let spec = StageSpec {
        stage: EXECUTOR,
        group: EXECUTOR_GROUP,
        inputs: vec![executor::INPUT],
        // The keeper requests ranges.
        outputs: [&EXECUTOR_WRITES[..], &[executor::INPUT, DEAD_LETTERS]].concat(),
        memory: vec![
            Part::in_partitions(
                "executor.partition_ends_max",
                &config.kafka.0,
                section.partition_ends_max,
                Attempts::END_BYTES_MAX,
            ),
            Part::in_partitions(
                "keeper.live_sessions_max",
                &config.kafka.0,
                live_bars.map_or(0, |live| live.sessions_max),
                LiveBars::SESSION_BYTES_MAX,
            ),
        ],
    };
    hosting::host(context, &config.kafka.0, stage, completed, spec)
}

fn source(config: &BackfillConfig, context: &Context) -> Result<Arc<dyn Source>, Failure> {
    let (section, clock) = (&config.source, Arc::clone(&context.clock));
    match section.kind {
        SourceKind::Alpaca => alpaca(config, context),
        SourceKind::None => Ok(Arc::new(EmptySource)),
        SourceKind::Synthetic => {
            Ok(Arc::new(SyntheticMarket::with(section.seed, section.synthetic.clone(), clock)))
        }
        SourceKind::Files if section.has_bucket() => bucket(config, context),
        SourceKind::Csv | SourceKind::Files if !section.folder.is_dir() => {
            let text = format!("invalid source.folder {:?}: not a readable folder", section.folder);
            Err(Failure::with(Exit::Usage, text))
        }
        SourceKind::Csv => Ok(Arc::new(Files::of_day_bars(section.folder.clone(), clock))),
        SourceKind::Files => match Files::new(section, clock) {
            Ok(files) => Ok(Arc::new(files)),
            // The configuration has been validated.
            Err(error) => Err(Failure::with(Exit::Usage, format!("invalid source.path_pattern: {error}"))),
        },
    }
}

/// Returns the maximum time of a call to a remote source. Less than the deadline of a worker: a call that takes too long ends with an error
/// of its own.
fn call_max(config: &BackfillConfig) -> Duration {
    config.executor.worker_deadline_ms.as_duration().mul_f64(CALL_SHARE)
}

fn bucket(config: &BackfillConfig, context: &Context) -> Result<Arc<dyn Source>, Failure> {
    let clock = Arc::clone(&context.clock);
    match Files::of_bucket(&config.source, Handle::current(), clock, call_max(config)) {
        Ok(files) => Ok(Arc::new(files)),
        Err(error) => {
            Err(Failure::with(Exit::Usage, format!("failed to open source.bucket: {}", ErrorChain(&error))))
        }
    }
}

fn alpaca(config: &BackfillConfig, context: &Context) -> Result<Arc<dyn Source>, Failure> {
    let call_max = call_max(config);
    let source = Alpaca::new(&config.source, Handle::current(), Arc::clone(&context.clock), call_max);
    match source {
        Ok(Some(source)) => Ok(Arc::new(source)),
        // The configuration has been validated.
        Ok(None) => Err(Failure::with(Exit::Usage, "invalid section source")),
        Err(cause) => Err(Failure::with(
            Exit::Usage,
            format!("failed to create an HTTP client: {}", ErrorChain(&cause)),
        )),
    }
}

/// The source of a service without a configured one. It serves no data.
struct EmptySource;

impl Source for EmptySource {
    fn name(&self) -> &'static str {
        "none"
    }

    fn serves(&self, _data_type: DataType, _timeframe: Option<Timeframe>) -> bool {
        false
    }

    fn bars(&self, symbol: Symbol, _: Timeframe, _: Interval) -> Result<SourceBars, SourceError> {
        Err(SourceError::unknown_symbol(self.name(), symbol, "no source is configured"))
    }
}

/// Reports an open circuit breaker of the source in `/ready`.
fn source_hook(context: &Context) -> Box<SourceHook> {
    let latch = context.health.component("source");
    latch.ready();
    Box::new(move |cause| latch.degraded_by("breaker", cause))
}

/// Reports a service whose requests all fail: once in the log, and in `/ready` as degraded.
fn report_source(context: &Context, section: &SourceSection) {
    if section.kind == SourceKind::None {
        tracing::warn!("no source of bars: every request for history fails (source.kind is none)");
        let latch = context.health.component("source");
        latch.ready();
        latch.degraded(Some("no source of bars: every request for history fails (source.kind is none)"));
    }
}

/// Reports the data types and timeframes of the configuration that the source does not serve.
fn report_left_out(config: &BackfillConfig, source: &dyn Source) {
    let left_out = served::not_requested(config, source);
    if !left_out.is_empty() && config.source.kind != SourceKind::None {
        let left_out = left_out.join(", ");
        tracing::info!(source = source.name(), left_out, "not requested: the source does not serve them");
    }
}

/// Starts the workers of the executor, which fetch from the source. Its reserved memory is released when they have ended.
///
/// # Errors
/// [`Failure`] if the system provides no thread.
pub fn start_workers(
    section: &ExecutorSection,
    context: &Context,
    (source, reserved): (Arc<dyn Source>, Reserved),
    done: Completions<JobResult>,
) -> Result<PoolWorkers<Job, JobResult>, Failure> {
    // A fetch has at most one chunk at the workers, so at most `running_max` jobs are queued.
    let workers = section.workers_min..=section.workers_max;
    let options = pool::Options {
        job_deadline: section.worker_deadline_ms.into(),
        ..pool::Options::new("backfill-workers", workers, section.running_max)
    };
    let source_name = source.name();
    let make = move || {
        // Released when the workers have ended.
        let _held_by_the_work: &Reserved = &reserved;
        let source = Arc::clone(&source);
        move |job: &Job| fetch_chunk(source.as_ref(), job)
    };
    // A panic or a timeout may be temporary: the chunk is tried again.
    let failed = move |job: &Job, error: WorkerError| JobResult {
        fetch: job.fetch,
        part: Err(SourceError::transient(source_name, error)),
    };
    PoolWorkers::start(context, options, done, make, failed)
}

impl Workers for PoolWorkers<Job, JobResult> {
    fn start(&self, job: Job) -> Result<(), Job> {
        self.submit(job)
    }
}
