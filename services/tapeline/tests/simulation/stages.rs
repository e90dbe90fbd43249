//! The five stages as their services create them, with workers whose jobs the simulation completes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backfill::config::{BackfillConfig, KeeperSection};
use backfill::served;
use backfill::sources::{Source, SourceError, SyntheticMarket};
use backfill::stage::executor::{self, ExecutorStage};
use backfill::stage::planner::PlannerStage;
use backfill::worker::fetch_chunk;
use contracts::Topic;
use domain::Symbol;
use feature::intake::LaneLimits;
use feature::stage::FeatureStage;
use kafka_io::Wire;
use kit::Millis;
use pipeline::{Delivery, Options};
use publisher::rules::announce::Announcer;
use publisher::stage::AnnouncerStage;
use scanner_bridge::config::AlertsSection;
use scanner_bridge::mapping_file;
use scanner_bridge::rules::mapping::Mapping;
use scanner_bridge::stage::BridgeStage;
use tapeline::audit::{DedupWindows, Stage};
use testkit::OwnSchemas;

use crate::defects::Defect;
use crate::instance::{Instance, Member, Work};
use crate::kafka::{Kafka, PARTITIONS};

/// The dedup window of the bridge, and of the requests of the feature stage.
const ALERT_WINDOW: Duration = Duration::from_secs(10);

/// The dedup window of the announcer.
const ANNOUNCEMENT_WINDOW: Duration = Duration::from_secs(30);

/// The time after which a request of the feature stage expires.
const REQUEST_TTL: Duration = Duration::from_secs(20);

/// Workers of an instance.
const WORKERS: usize = 2;

/// Jobs that wait for the simulation.
#[derive(Debug)]
struct Jobs<J>(Arc<Mutex<Vec<J>>>);

impl<J> Jobs<J> {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    fn push(&self, job: J) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(job);
    }

    /// Takes any of the jobs.
    fn take(&self, kafka: &mut Kafka) -> Option<J> {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kafka.rng.below(u64::try_from(jobs.len()).ok()?);
        (!jobs.is_empty()).then(|| jobs.swap_remove(usize::try_from(at).unwrap_or(0)))
    }
}

impl executor::Workers for Jobs<backfill::worker::Job> {
    fn start(&self, job: backfill::worker::Job) -> Result<(), backfill::worker::Job> {
        self.push(job);
        Ok(())
    }
}

impl feature::stage::Workers for Jobs<feature::worker::Job> {
    fn start(&self, job: feature::worker::Job) -> Result<(), feature::worker::Job> {
        self.push(job);
        Ok(())
    }

    fn count(&self) -> usize {
        WORKERS
    }

    fn set_held(&self, _requests: usize) {}
}

/// The windows of the audit.
pub(crate) fn windows() -> DedupWindows {
    let micros = |window: Duration| i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
    DedupWindows { alerts_micros: micros(ALERT_WINDOW), announcements_micros: micros(ANNOUNCEMENT_WINDOW) }
}

/// The mapping of alert types to requests.
pub(crate) fn mapping() -> Mapping {
    mapping_file::parse(mapping_file::DEFAULT).expect("a valid mapping")
}

/// The wire of a stage.
pub(crate) fn wire(stage: Stage) -> Wire {
    let dead_letters = match stage {
        Stage::Announcer => Topic::PublisherDeadLetter,
        Stage::Bridge => Topic::ScannerBridgeDeadLetter,
        Stage::Feature => Topic::FeatureDeadLetter,
        Stage::Planner | Stage::Executor => Topic::BackfillDeadLetter,
    };
    Wire::new(stage.name(), dead_letters, PARTITIONS, OwnSchemas::ids(), Arc::new(OwnSchemas))
}

/// The source of the executors: day bars.
pub(crate) fn source() -> Arc<dyn Source> {
    Arc::new(SyntheticMarket::new(7))
}

/// Starts an instance of a stage.
pub(crate) fn start(
    stage: Stage,
    id: u32,
    source: &Arc<dyn Source>,
    defect: Option<Defect>,
    kafka: &mut Kafka,
) -> Box<dyn Member> {
    let (owner, wire) = ((stage, id), wire(stage));
    let options = options(kafka);
    match stage {
        Stage::Announcer => {
            let window = windows().announcements_micros;
            let rules = AnnouncerStage::new(wire, Announcer::new(window, 1_000));
            Box::new(Instance::start(owner, (rules, Box::new(|_| None)), options, defect, kafka))
        }
        Stage::Bridge => {
            let alerts = AlertsSection {
                dedup_window_ms: Millis::new(10_000),
                batch_symbols: 3,
                batch_wait_ms: Millis::new(500),
                ..AlertsSection::default()
            };
            let rules = BridgeStage::new(wire, mapping(), alerts.settings());
            Box::new(Instance::start(owner, (rules, Box::new(|_| None)), options, defect, kafka))
        }
        Stage::Planner => {
            let rules = PlannerStage::new(wire, served::planner(&backfill().planner, source.as_ref()));
            Box::new(Instance::start(owner, (rules, Box::new(|_| None)), options, defect, kafka))
        }
        Stage::Executor => {
            let parts = executor(wire, source, u64::from(id));
            Box::new(Instance::start(owner, parts, options, defect, kafka))
        }
        Stage::Feature => Box::new(Instance::start(owner, feature(wire), options, defect, kafka)),
    }
}

/// Small bounds, so that each is reached.
fn options(kafka: &mut Kafka) -> Options {
    Options {
        batch_outputs_max: 40,
        batch_age_max: Duration::from_millis(200),
        held_records_max: 20,
        ledger_records_max: 24,
        completed_ranges_max_bytes: 24,
        outputs_max: 120,
        originated_outputs_max: 8,
        drain_budget: Duration::from_millis(if kafka.rng.chance(50) { 200 } else { 5_000 }),
        commit_interval: Duration::from_millis(100),
        ..Options::new(Delivery::Transactional)
    }
}

fn backfill() -> BackfillConfig {
    let mut config = BackfillConfig::default();
    config.market_data_in_day_bars();
    config.executor.gather_ms = Millis::new(200);
    config.executor.gather_max_ms = Millis::new(1_000);
    config.executor.running_max = WORKERS;
    config.executor.backoff_first_ms = Millis::new(100);
    config.executor.backoff_max_ms = Millis::new(500);
    config.executor.day_bars_chunk_days = 60;
    config
}

fn executor(
    wire: Wire,
    source: &Arc<dyn Source>,
    seed: u64,
) -> (ExecutorStage, Work<backfill::worker::JobResult>) {
    let settings = backfill().executor.settings();
    let keeper = KeeperSection::default();
    let settings = executor::Settings {
        keeper: keeper.keeper(settings.settle),
        live_bars: keeper.live_bars(),
        ..settings
    };
    let jobs = Jobs::new();
    let rules = ExecutorStage::new(wire, Arc::clone(source), settings, Box::new(jobs.share()), seed);
    let source = Arc::clone(source);
    let work = move |kafka: &mut Kafka| {
        let job = jobs.take(kafka)?;
        let mut result = fetch_chunk(source.as_ref(), &job);
        if kafka.source_fails && kafka.rng.chance(25) {
            kafka.counts.source_errors += 1;
            result.part = Err(match kafka.rng.chance(50) {
                true => SourceError::transient(source.name(), "timed out"),
                false => SourceError::permanent(source.name(), "malformed response"),
            });
        }
        Some(result)
    };
    (rules, Box::new(work))
}

fn feature(wire: Wire) -> (FeatureStage, Work<feature::worker::JobResult>) {
    let lane = LaneLimits { requests: 8, bytes: 1 << 20 };
    let limits = feature::stage::Limits {
        ordinary: lane,
        urgent: lane,
        request_ttl: REQUEST_TTL,
        dedup_window: ALERT_WINDOW,
        dedup_symbols_max: 1_000,
        splits_max: 1_000,
        history_bars: 30,
        slack_bars: 1_000,
        outputs_max: 40,
        workers_max: WORKERS,
        worker_symbols_max: 10,
        waiting_results_bytes_max: 1 << 20,
    };
    let jobs = Jobs::new();
    let compared = vec![Symbol::constant("SPY")];
    let rules = FeatureStage::new(wire, limits, compared, Box::new(jobs.share()));
    let work = move |kafka: &mut Kafka| {
        let job = jobs.take(kafka)?;
        let (ticket, error) = (job.ticket, feature::worker::JobError::Rejected);
        Some(match !kafka.calm && kafka.rng.chance(10) {
            true => feature::worker::JobResult::Failed { ticket, error },
            false => feature::worker::compute(&job),
        })
    };
    (rules, Box::new(work))
}
