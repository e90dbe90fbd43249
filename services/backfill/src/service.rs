//! The one place where the backfill service is put together: the planner and the executor.

use std::sync::Arc;
use std::time::Duration;

use chassis::pool::{self, Outcome, Pool};
use chassis::run::Process;
use chassis::telemetry::Catalogue;
use chassis::{Context, EndPolicy, Exit, Failure, Service};
use contracts::Topic;
use domain::{Bar, DataType, Interval, Symbol, Timeframe};
use hosting::{Hosted, StageSpec};
use kafka_io::{Completions, KafkaConfig, Wire, completions};

use crate::config::{BackfillConfig, ExecutorSection, SourceKind, SourceSection};
use crate::metric_names::METRICS;
use crate::sources::{CsvFolder, Source, SourceError, SyntheticMarket};
use crate::stage::executor::{self, ExecutorStage, Workers};
use crate::stage::planner::{self, PlannerStage};
use crate::work::{Done, Job, fetch};

/// What the planner is called in metrics and reports.
pub const PLANNER: &str = "backfill-planner";

/// The planner's consumer group.
pub const PLANNER_GROUP: &str = "tapeline.backfill.planner";

/// What the executor is called in metrics and reports.
pub const EXECUTOR: &str = "backfill-executor";

/// The executor's consumer group.
pub const EXECUTOR_GROUP: &str = "tapeline.backfill.executor";

const DEAD_LETTERS: Topic = Topic::BackfillDeadLetter;

/// What the executor writes, beside dead letters.
const EXECUTOR_WRITES: [Topic; 5] = [
    Topic::BarClosed,
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

    fn catalogue() -> Catalogue {
        Catalogue::new().with(hosting::METRICS).with(METRICS)
    }

    fn process(config: &BackfillConfig) -> &Process {
        &config.process
    }

    async fn start(config: BackfillConfig, context: Context) -> Result<Vec<Hosted>, Failure> {
        let source = source(&config.source)?;
        start_with(config, source, context).await
    }
}

/// Starts the service with a source of its own, whatever its configuration says of one: for a process that holds the bars itself.
///
/// # Errors
/// When the cluster or the registry can't be reached, or a stage can't start.
pub async fn start_with(
    config: BackfillConfig,
    source: Arc<dyn Source>,
    context: Context,
) -> Result<Vec<Hosted>, Failure> {
    let kafka = &config.kafka.0;
    let writes = [&EXECUTOR_WRITES[..], &[executor::INPUT]].concat();
    let connection = hosting::connect(&context, kafka, &config.registry, DEAD_LETTERS, &writes).await?;
    let planner = host_planner(&context, &config, connection.wire.clone())?;
    let executor = host_executor(&context, kafka, &config.executor, source, connection.wire)?;
    Ok(vec![planner, executor])
}

fn host_planner(context: &Context, config: &BackfillConfig, wire: Wire) -> Result<Hosted, Failure> {
    let stage = PlannerStage::new(wire, config.planner.planner());
    // No work is done elsewhere, so nothing ever comes back through this.
    let (_, completed) = completions(1);
    let spec = StageSpec {
        stage: PLANNER,
        group: PLANNER_GROUP,
        inputs: planner::INPUTS.to_vec(),
        outputs: vec![executor::INPUT, DEAD_LETTERS],
    };
    hosting::host(context, &config.kafka.0, stage, completed, spec)
}

fn host_executor(
    context: &Context,
    kafka: &KafkaConfig,
    section: &ExecutorSection,
    source: Arc<dyn Source>,
    wire: Wire,
) -> Result<Hosted, Failure> {
    let (sender, completed) = completions(section.running_max);
    let workers = ThreadWorkers::start(section, context, Arc::clone(&source), sender)?;
    // Waits only have to differ between instances.
    let seed = context.clock.wall_micros().unsigned_abs() ^ u64::from(std::process::id());
    let stage = ExecutorStage::new(wire, source, section.settings(), Box::new(workers), seed);
    let spec = StageSpec {
        stage: EXECUTOR,
        group: EXECUTOR_GROUP,
        inputs: vec![executor::INPUT],
        outputs: [&EXECUTOR_WRITES[..], &[DEAD_LETTERS]].concat(),
    };
    hosting::host(context, kafka, stage, completed, spec)
}

fn source(section: &SourceSection) -> Result<Arc<dyn Source>, Failure> {
    match section.kind {
        SourceKind::None => Ok(Arc::new(Nothing)),
        SourceKind::Synthetic => Ok(Arc::new(SyntheticMarket::new(section.seed))),
        SourceKind::Csv if section.folder.is_dir() => Ok(Arc::new(CsvFolder::new(section.folder.clone()))),
        SourceKind::Csv => {
            let text = format!("source.folder {}: is no folder that can be read", section.folder.display());
            Err(Failure::with(Exit::Usage, text))
        }
    }
}

/// The source of a service that was given none.
struct Nothing;

impl Source for Nothing {
    fn name(&self) -> &'static str {
        "none"
    }

    fn serves(&self, _data_type: DataType, _timeframe: Timeframe) -> bool {
        false
    }

    fn bars(&self, _: Symbol, _: Timeframe, _: Interval) -> Result<Vec<Bar>, SourceError> {
        Ok(Vec::new())
    }
}

/// The supervised pool behind the executor. It is closed when the stage goes.
struct ThreadWorkers {
    pool: Pool<Job, Done>,
}

impl ThreadWorkers {
    fn start(
        section: &ExecutorSection,
        context: &Context,
        source: Arc<dyn Source>,
        done: Completions<Done>,
    ) -> Result<Self, Failure> {
        // A fetch has one chunk under way, so no more than `running_max` ever wait.
        let options = pool::Options {
            job_deadline: Duration::from_millis(section.worker_deadline_ms),
            ..pool::Options::new("backfill-workers", section.workers, section.running_max)
        };
        let clock = Arc::clone(&context.clock);
        let source_name = source.name();
        let report = move |outcome| {
            // A driver that has ended wants no more answers.
            drop(done.send(of_outcome(outcome, source_name)));
        };
        let make = move || {
            let source = Arc::clone(&source);
            move |job: &Job| fetch(source.as_ref(), job)
        };
        let pool = Pool::start(options, clock, &context.metrics, make, report)?;
        // They end when the stage does, which owns them: it is the stage that says why.
        context.tasks.thread("backfill-workers", EndPolicy::MayEnd, pool.supervisor(&context.health));
        Ok(Self { pool })
    }
}

impl Workers for ThreadWorkers {
    fn start(&self, job: Job) -> Result<(), Job> {
        self.pool.try_submit(job)
    }
}

impl Drop for ThreadWorkers {
    fn drop(&mut self) {
        self.pool.close();
    }
}

/// A worker that panicked or hung may have been unlucky: its chunk is tried again.
fn of_outcome(outcome: Outcome<Job, Done>, source_name: &'static str) -> Done {
    let failed = |fetch, cause| Done { fetch, result: Err(SourceError::Transient { source_name, cause }) };
    match outcome {
        Outcome::Done { result, .. } => result,
        Outcome::Panicked { job, message } => failed(job.fetch, format!("the worker panicked: {message}")),
        Outcome::Stuck { job, after } => {
            failed(job.fetch, format!("the source gave no answer within {} ms", after.as_millis()))
        }
    }
}
