//! The stages of each service, as the services create them.

use std::sync::Arc;

use backfill::config::BackfillConfig;
use backfill::service as fill;
use backfill::sources::SyntheticMarket;
use backfill::stage::executor::{self, ExecutorStage};
use backfill::stage::planner::{self, PlannerStage};
use contracts::Topic;
use feature::intake::LaneLimits;
use feature::stage::{FeatureStage, Limits};
use hosting::consumers;
use kafka_io::{Registry, RegistryConfig, SchemaIds, Wire};
use publisher::rules::announce::Announcer;
use publisher::service as publish;
use publisher::stage::AnnouncerStage;
use scanner_bridge::config::AlertsSection;
use scanner_bridge::mapping_file;
use scanner_bridge::service as scan;
use scanner_bridge::stage::BridgeStage;
use tokio::runtime::Handle;

/// A stage and its use of the cluster.
pub(crate) struct StageInfo {
    pub(crate) service: &'static str,
    pub(crate) stage: &'static str,
    pub(crate) group: &'static str,
    pub(crate) inputs: Vec<Topic>,
    /// The number of consumers, as in `hosting::host`.
    pub(crate) consumers: u64,
}

/// Workers that start no job.
struct Idle;

impl feature::stage::Workers for Idle {
    fn start(&self, job: feature::worker::Job) -> Result<(), feature::worker::Job> {
        Err(job)
    }

    fn count(&self) -> usize {
        1
    }

    fn set_held(&self, _requests: usize) {}
}

impl executor::Workers for Idle {
    fn start(&self, job: backfill::worker::Job) -> Result<(), backfill::worker::Job> {
        Err(job)
    }
}

/// Returns all five stages.
pub(crate) fn all() -> Vec<StageInfo> {
    let announcer = AnnouncerStage::new(wire(), Announcer::new(1, 1));
    let mapping = mapping_file::parse(mapping_file::DEFAULT).unwrap();
    let bridge = BridgeStage::new(wire(), mapping, AlertsSection::default().settings());
    let planner = PlannerStage::new(wire(), BackfillConfig::default().planner.planner());
    let settings = BackfillConfig::default().executor.settings();
    let market = Arc::new(SyntheticMarket::new(1));
    let executor = ExecutorStage::new(wire(), market, settings, Box::new(Idle), 1);
    let info = |service, (stage, group), inputs: &[Topic], consumers| StageInfo {
        service,
        stage,
        group,
        inputs: inputs.to_vec(),
        consumers,
    };
    vec![
        info(
            "publisher",
            (publish::STAGE, publish::GROUP),
            &[publisher::stage::INPUT],
            consumers(&announcer),
        ),
        info(
            "scanner-bridge",
            (scan::STAGE, scan::GROUP),
            &[scanner_bridge::stage::INPUT],
            consumers(&bridge),
        ),
        info(
            "feature",
            (feature::service::STAGE, feature::service::GROUP),
            &feature::stage::INPUTS,
            consumers(&features()),
        ),
        info("backfill", (fill::PLANNER, fill::PLANNER_GROUP), &planner::INPUTS, consumers(&planner)),
        info("backfill", (fill::EXECUTOR, fill::EXECUTOR_GROUP), &[executor::INPUT], consumers(&executor)),
    ]
}

fn features() -> FeatureStage {
    let second = std::time::Duration::from_secs(1);
    let limits = Limits {
        ordinary: LaneLimits { requests: 1, bytes: 1 },
        urgent: LaneLimits { requests: 1, bytes: 1 },
        request_ttl: second,
        dedup_window: second,
        dedup_symbols_max: 1,
        splits_max: 1,
        history_bars: 1,
        slack_bars: 1,
        workers_max: 1,
        outputs_max: 1,
        waiting_results_bytes_max: 1,
        worker_symbols_max: 1,
    };
    FeatureStage::new(wire(), limits, feature::rules::COMPARED.to_vec(), Box::new(Idle))
}

/// Returns a wire without a connection.
fn wire() -> Wire {
    let registry = Registry::new(&RegistryConfig::default(), Handle::current()).unwrap();
    Wire::new("chart", Topic::PublisherDeadLetter, 12, SchemaIds::new(), Arc::new(registry))
}
