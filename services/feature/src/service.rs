//! The one place where the feature service is put together.

use std::time::Duration;

use chassis::pool;
use chassis::run::Process;
use chassis::telemetry::Catalogue;
use chassis::{Context, Failure, Service};
use contracts::Topic;
use hosting::{Hosted, PoolWorkers, StageSpec, WorkerError};
use kafka_io::{Completions, completions};

use crate::config::{FeatureConfig, RequestsSection};
use crate::metric_names::METRICS;
use crate::stage::{FeatureStage, INPUTS, Limits, Workers};
use crate::work::{Done, Job, compute};

/// What the stage is called in metrics and reports.
pub const STAGE: &str = "feature";

/// The stage's consumer group.
pub const GROUP: &str = "tapeline.feature";

/// As many symbols as a full request has. Below that another is handed out, so an urgent request waits behind less than two full ones
/// for each worker (ADR 068).
const IN_HAND_SYMBOLS: usize = contracts::events::SYMBOLS_MAX;

/// The feature service.
#[derive(Debug)]
pub struct Feature;

impl Service for Feature {
    const NAME: &'static str = "feature";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = FeatureConfig;
    type Running = Vec<Hosted>;

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
        let connection = hosting::connect(&context, kafka, &config.registry, dead_letters, &writes).await?;
        let limits = limits(&config.requests);
        // Room for all that is under way: no worker waits for a driver that is in a transaction.
        let (sender, completed) = completions(limits.jobs_max());
        let workers = start_workers(&config.requests, limits.jobs_max(), &context, sender)?;
        let compared = config.requests.compared();
        let stage = FeatureStage::new(connection.wire, limits, compared, Box::new(workers));
        let spec = StageSpec {
            stage: STAGE,
            group: GROUP,
            inputs: INPUTS.to_vec(),
            outputs: vec![Topic::VectorComputed, Topic::RequestFailed, dead_letters],
        };
        Ok(vec![hosting::host(&context, kafka, stage, completed, spec)?])
    }
}

fn limits(section: &RequestsSection) -> Limits {
    Limits {
        ordinary_max: section.queue_max,
        urgent_max: section.urgent_queue_max,
        request_ttl: Duration::from_millis(section.ttl_ms),
        dedup_window: Duration::from_millis(section.dedup_window_ms),
        dedup_symbols_max: section.dedup_symbols_max,
        history_bars: section.history_bars,
        slack_bars: section.slack_bars,
        workers: section.workers,
        in_hand_symbols: IN_HAND_SYMBOLS,
    }
}

fn start_workers(
    section: &RequestsSection,
    jobs_max: usize,
    context: &Context,
    done: Completions<Done>,
) -> Result<PoolWorkers<Job, Done>, Failure> {
    let options = pool::Options {
        job_deadline: Duration::from_millis(section.worker_deadline_ms),
        ..pool::Options::new("feature-workers", section.workers, jobs_max)
    };
    let failed =
        |job: &Job, error: WorkerError| Done::Failed { ticket: job.ticket, cause: error.to_string() };
    PoolWorkers::start(context, options, done, || compute, failed)
}

impl Workers for PoolWorkers<Job, Done> {
    fn start(&self, job: Job) -> Result<(), Job> {
        self.submit(job)
    }
}
