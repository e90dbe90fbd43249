//! Runs the driver of a stage on a thread of the process.

use std::sync::LazyLock;
use std::time::Duration;

use chassis::{Context, EndPolicy, Exit, Failure};
use contracts::Topic;
use kafka_io::cluster::ClusterError;
use kafka_io::{
    Completed, Driver, DriverError, DriverOptions, Hooks, HungClients, KafkaConfig, KafkaStage, StageCounts,
};
use pipeline::Stop;

use crate::memory::Part;
use crate::{memory, producer};

/// The time without a heartbeat after which the process is not live. An iteration of the driver may block in bounded queries, each at
/// most `query_timeout_ms`, 5 s by default. While it waits for a transactional call, it sends heartbeats.
const HEARTBEAT_DEADLINE: Duration = Duration::from_secs(30);

/// Of all stages of this process.
static HUNG_CLIENTS: LazyLock<HungClients> = LazyLock::new(HungClients::default);

/// Names and topics of a stage.
#[derive(Debug)]
pub struct StageSpec {
    /// The name of the stage in metrics, health and reports.
    pub stage: &'static str,
    pub group: &'static str,
    /// The input topics, in the order of the engine's topic indexes.
    pub inputs: Vec<Topic>,
    /// The output topics, including the dead-letter topic.
    pub outputs: Vec<Topic>,
    /// The memory that the settings of the stage bound, in addition to that of its clients and the engine.
    pub memory: Vec<Part>,
}

/// A running stage.
#[derive(Clone)]
pub struct Hosted {
    pub stage: &'static str,
    pub group: &'static str,
    pub inputs: Vec<Topic>,
    pub counts: StageCounts,
}

/// Returns the number of consumers of a stage: one for its inputs, and one each for its tables, its global tables and its restored
/// outputs, if it has any.
pub fn consumers(stage: &impl KafkaStage) -> u64 {
    let side_inputs = [!stage.tables().is_empty(), !stage.globals().is_empty(), !stage.restores().is_empty()];
    1 + side_inputs.into_iter().map(u64::from).sum::<u64>()
}

/// Runs `stage` on its own thread until the shutdown of the context begins; then the stage drains.
///
/// # Errors
/// The Kafka configuration is invalid, or the configured memory exceeds the container's limit.
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
    let mut parts = memory::of_stage(spec.stage, kafka, spec.inputs.len(), consumers);
    parts.extend(spec.memory);
    let memory = memory::reserve(kafka, parts)?;
    let latch = context.health.component(spec.stage);
    let (degraded, unreachable) = (latch.clone(), latch.clone());
    let heartbeat = context.health.heartbeat(spec.stage, HEARTBEAT_DEADLINE);
    let hooks = Hooks {
        heartbeat: Box::new(move || heartbeat.beat()),
        ready: Box::new(move |unready| match unready {
            None => latch.ready(),
            Some(cause) => latch.not_ready(cause),
        }),
        degraded: Box::new(move |cause| degraded.degraded(cause)),
        unreachable: Box::new(move |cause| unreachable.degraded_by(producer::KAFKA, cause)),
        hung_clients: HUNG_CLIENTS.clone(),
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
    context.tasks.spawn(format!("{}-stop", spec.stage), EndPolicy::MayEnd, async move {
        begun.begun().await;
        stop.request();
        Ok(())
    });
    context.tasks.thread(spec.stage, EndPolicy::MustRun, move || {
        let ended = driver.run();
        drop(memory);
        match ended {
            Ok(Stop::Drained) => Ok(()),
            Ok(Stop::DrainTimedOut { held }) => Err(Failure::with(
                Exit::DrainTimedOut,
                format!("drain timeout exceeded: {held} unfinished records will be redelivered"),
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
        DriverError::ClientsAbandoned { .. } => Exit::ClientsAbandoned,
        DriverError::Fatal { .. } | DriverError::Unproducible { .. } => Exit::Failed,
    };
    Failure::with(exit, error)
}
