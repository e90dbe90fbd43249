//! A stage's driver as a thread of the process.

use std::time::Duration;

use chassis::{Context, Exit, Failure, Fate};
use contracts::Topic;
use kafka_io::cluster::ClusterError;
use kafka_io::{Completed, Driver, DriverError, DriverOptions, Hooks, KafkaConfig, KafkaStage, StageCounts};
use pipeline::Stop;

use crate::memory;

/// Silence of a stage's loop after which the process isn't live. A turn may block in one bounded call to the cluster (a
/// transaction's commit: at most `transaction_timeout_ms`, 15 s by default); twice that is no longer progress.
const HEARTBEAT_DEADLINE: Duration = Duration::from_secs(30);

/// What a stage is to its host.
#[derive(Debug)]
pub struct StageSpec {
    /// The stage's name: a metric label, and what reports call it.
    pub stage: &'static str,
    /// Its consumer group.
    pub group: &'static str,
    /// Its input topics, in the order of the engine's topic indexes.
    pub inputs: Vec<Topic>,
    /// What it produces to, its dead-letter topic included.
    pub outputs: Vec<Topic>,
}

/// A stage that runs.
#[derive(Clone)]
pub struct Hosted {
    /// The stage's name.
    pub stage: &'static str,
    /// Its consumer group.
    pub group: &'static str,
    /// Its input topics.
    pub inputs: Vec<Topic>,
    /// What it has counted.
    pub counts: StageCounts,
}

/// How many consumers a stage has: that of its work, and one each for its tables, its global tables and what it restores.
pub fn consumers(stage: &impl KafkaStage) -> u64 {
    let beside = [!stage.tables().is_empty(), !stage.globals().is_empty(), !stage.restores().is_empty()];
    1 + beside.into_iter().map(u64::from).sum::<u64>()
}

/// Runs `stage` on a thread of its own until the context's shutdown begins; then it drains.
///
/// # Errors
/// When the Kafka configuration is wrong, or lets the process hold more than its container allows.
pub fn host<S>(
    context: &Context,
    kafka: &KafkaConfig,
    stage: S,
    completed: Completed<S::Completion>,
    spec: StageSpec,
) -> Result<Hosted, Failure>
where
    S: KafkaStage + Send + 'static,
    S::Output: Send,
    S::Completion: Send,
{
    let consumers = consumers(&stage);
    let memory = memory::reserve(memory::of_stage(spec.stage, kafka, spec.inputs.len(), consumers))?;
    let latch = context.health.component(spec.stage);
    let lacks = latch.clone();
    let heartbeat = context.health.heartbeat(spec.stage, HEARTBEAT_DEADLINE);
    let hooks = Hooks {
        heartbeat: Box::new(move || heartbeat.beat()),
        ready: Box::new(move |waits_for| match waits_for {
            None => latch.ready(),
            Some(cause) => latch.not_ready(cause),
        }),
        degraded: Box::new(move |cause| lacks.degraded(cause)),
        ..Hooks::default()
    };
    let options = DriverOptions {
        service: context.service,
        stage: spec.stage,
        group: spec.group.to_owned(),
        inputs: spec.inputs.clone(),
        outputs: spec.outputs,
        kafka: kafka.clone(),
        hooks,
    };
    let driver = Driver::new(stage, completed, options).map_err(failure)?;
    let hosted =
        Hosted { stage: spec.stage, group: spec.group, inputs: spec.inputs, counts: driver.counts() };
    let (stop, begun) = (driver.shutdown(), context.shutdown.clone());
    context.tasks.spawn(format!("{}-stop", spec.stage), Fate::MayEnd, async move {
        begun.begun().await;
        stop.request();
        Ok(())
    });
    context.tasks.thread(spec.stage, Fate::MustRun, move || {
        let ended = driver.run();
        drop(memory);
        match ended {
            Ok(Stop::Drained) => Ok(()),
            Ok(Stop::DrainTimedOut { held }) => Err(Failure::with(
                Exit::DrainTimedOut,
                format!("the drain budget is spent, {held} records stay for the next owner"),
            )),
            Ok(Stop::Failed(cause)) => Err(Failure::text(cause)),
            Err(error) => Err(failure(error)),
        }
    });
    Ok(hosted)
}

fn failure(error: DriverError) -> Failure {
    let exit = match &error {
        DriverError::Config(_) => Exit::Usage,
        DriverError::AccessDenied(_) | DriverError::Cluster(ClusterError::AccessDenied(_)) => Exit::Refused,
        DriverError::Client(_) | DriverError::Cluster(_) | DriverError::NoCoordinator { .. } => {
            Exit::Unreachable
        }
        DriverError::MissingOffset { .. } => Exit::MissingOffset,
        DriverError::Fenced { .. } => Exit::Fenced,
        DriverError::Fatal { .. } | DriverError::Unproducible { .. } => Exit::Failed,
    };
    Failure::with(exit, error)
}
