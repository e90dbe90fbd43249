//! Composition root of the bridge.

use chassis::run::Process;
use chassis::telemetry::Catalogue;
use chassis::{Context, Exit, Failure, Service};
use contracts::Topic;
use hosting::{Hosted, Latency, Part, StageSpec};
use kafka_io::completions;

use crate::config::BridgeConfig;
use crate::mapping_file;
use crate::metric_names::{ALERT_TO_REQUEST, LIMITER_DELAY, METRICS};
use crate::rules::dedup::Dedup;
use crate::stage::{BridgeStage, INPUT};

/// The name of the stage in metrics and reports.
pub const STAGE: &str = "bridge";

/// The stage's consumer group.
pub const GROUP: &str = "tapeline.scanner-bridge";

/// The scanner bridge.
#[derive(Debug)]
pub struct Bridge;

impl Service for Bridge {
    const NAME: &'static str = "scanner-bridge";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = BridgeConfig;
    type Running = Vec<Hosted>;

    fn features() -> &'static [&'static str] {
        kafka_io::FEATURES
    }

    fn catalogue() -> Catalogue {
        Catalogue::new().with(hosting::METRICS).with(METRICS)
    }

    fn process(config: &BridgeConfig) -> &Process {
        &config.process
    }

    async fn start(config: BridgeConfig, context: Context) -> Result<Vec<Hosted>, Failure> {
        let mapping = mapping_file::load(&config.alerts.mapping_file)
            .map_err(|error| Failure::with(Exit::Usage, error))?;
        let kafka = &config.kafka.0;
        let writes = [Topic::BatchRequested, Topic::BatchUrgent];
        let dead_letters = Topic::ScannerBridgeDeadLetter;
        let connection =
            hosting::connect(&context, kafka, &config.registry, dead_letters, &writes, &[INPUT]).await?;
        let delay = context.metrics.histogram(&LIMITER_DELAY, &[("stage", STAGE)]);
        let stage = BridgeStage::new(connection.wire, mapping, config.alerts.settings())
            .with_limiter_delay(delay)
            .with_latency(Latency::new(&context.metrics, &ALERT_TO_REQUEST));
        // The stage has no workers, so nothing is sent through this channel.
        let (_, completed) = completions(1);
        let spec = StageSpec {
            stage: STAGE,
            group: GROUP,
            inputs: vec![INPUT],
            outputs: vec![Topic::BatchRequested, Topic::BatchUrgent, dead_letters],
            memory: vec![Part::in_partitions(
                "alerts.partition_windows_max",
                kafka,
                config.alerts.partition_windows_max,
                Dedup::WINDOW_BYTES_MAX,
            )],
        };
        Ok(vec![hosting::host(&context, kafka, stage, completed, spec)?])
    }
}
