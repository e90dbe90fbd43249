//! Composition root of the feature service.

use chassis::pool;
use chassis::run::Process;
use chassis::telemetry::Catalogue;
use chassis::{Context, Failure, Service};
use contracts::Topic;
use hosting::{Hosted, Latency, Part, PoolWorkers, StageSpec, WorkerError};
use kafka_io::{Completions, completions};

use crate::config::{FeatureConfig, RequestsSection};
use crate::intake::{DedupWindow, LaneLimits};
use crate::memory::memory_parts;
use crate::metric_names::{METRICS, REQUEST_TO_VECTOR};
use crate::rules::Splits;
use crate::set_counts::SetCounts;
use crate::stage::{
    FeatureStage, INPUTS, Limits, ORDINARY_BYTES_MAX, OUTPUTS_MAX, TABLES, URGENT_BYTES_MAX,
    WAITING_RESULTS_BYTES_MAX, WORKER_SYMBOLS_MAX, Workers,
};
use crate::worker::{Job, JobResult, compute};

/// The name of the stage in metrics and reports.
pub const STAGE: &str = "feature";

/// The consumer group of the stage.
pub const GROUP: &str = "tapeline.feature";

/// The workers of the stage.
pub(crate) struct StageWorkers(pub(crate) PoolWorkers<Job, JobResult>);

/// The feature service.
#[derive(Debug)]
pub struct Feature;

impl Service for Feature {
    const NAME: &'static str = "feature";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = FeatureConfig;
    type Running = Vec<Hosted>;

    fn features() -> &'static [&'static str] {
        kafka_io::FEATURES
    }

    fn catalogue() -> Catalogue {
        Catalogue::new().with(hosting::METRICS).with(METRICS)
    }

    fn process(config: &FeatureConfig) -> &Process {
        &config.process
    }

    async fn start(config: FeatureConfig, context: Context) -> Result<Vec<Hosted>, Failure> {
        let writes = [Topic::VectorComputed, Topic::RequestFailed];
        let dead_letters = Topic::FeatureDeadLetter;
        let kafka = &config.kafka.0;
        let reads = [&INPUTS[..], &TABLES[..]].concat();
        let connection =
            hosting::connect(&context, kafka, &config.registry, dead_letters, &writes, &reads).await?;
        let limits = limits(&config.requests);
        // The channel has room for the results of all running jobs: no worker waits for a driver that is in a transaction.
        let (sender, completed) = completions(limits.jobs_max());
        let pool = start_workers(&config.requests, limits.jobs_max(), &context, sender, || compute)?;
        let workers = StageWorkers(pool);
        let compared = config.requests.compared();
        let bars = context.health.component("bars");
        bars.ready();
        let stage = FeatureStage::new(connection.wire, limits, compared, Box::new(workers))
            .with_telemetry(SetCounts::new(&context.metrics), bars)
            .with_latency(Latency::new(&context.metrics, &REQUEST_TO_VECTOR));
        let dedup_window =
            Part::of("requests.dedup_symbols_max", limits.dedup_symbols_max, DedupWindow::KEY_BYTES_MAX);
        let splits = Part::of("requests.splits_max", limits.splits_max, Splits::SPLIT_BYTES_MAX);
        let spec = StageSpec {
            stage: STAGE,
            group: GROUP,
            inputs: INPUTS.to_vec(),
            outputs: vec![Topic::VectorComputed, Topic::RequestFailed, dead_letters],
            memory: [memory_parts(&config.requests), vec![dedup_window, splits]].concat(),
        };
        Ok(vec![hosting::host(&context, kafka, stage, completed, spec)?])
    }
}

fn limits(section: &RequestsSection) -> Limits {
    Limits {
        ordinary: LaneLimits { requests: section.queue_max, bytes: ORDINARY_BYTES_MAX },
        urgent: LaneLimits { requests: section.urgent_queue_max, bytes: URGENT_BYTES_MAX },
        request_ttl: section.ttl_ms.into(),
        dedup_window: section.dedup_window_ms.into(),
        dedup_symbols_max: section.dedup_symbols_max,
        splits_max: section.splits_max,
        history_bars: section.history_bars,
        slack_bars: section.slack_bars,
        outputs_max: OUTPUTS_MAX,
        workers_max: section.workers_max,
        worker_symbols_max: WORKER_SYMBOLS_MAX,
        waiting_results_bytes_max: WAITING_RESULTS_BYTES_MAX,
    }
}

/// Starts the workers. `make` returns the work of one of them.
pub(crate) fn start_workers<W: FnMut(&Job) -> JobResult + 'static>(
    section: &RequestsSection,
    jobs_max: usize,
    context: &Context,
    done: Completions<JobResult>,
    make: impl Fn() -> W + Send + Sync + 'static,
) -> Result<PoolWorkers<Job, JobResult>, Failure> {
    let options = pool::Options {
        job_deadline: section.worker_deadline_ms.into(),
        ..pool::Options::new("feature-workers", section.workers_min..=section.workers_max, jobs_max)
    };
    let failed =
        |job: &Job, error: WorkerError| JobResult::Failed { ticket: job.ticket, error: error.into() };
    PoolWorkers::start(context, options, done, make, failed)
}

impl Workers for StageWorkers {
    fn start(&self, job: Job) -> Result<(), Job> {
        self.0.submit(job)
    }

    fn count(&self) -> usize {
        self.0.target_workers()
    }

    fn set_held(&self, requests: usize) {
        self.0.set_held_jobs(requests);
    }
}
