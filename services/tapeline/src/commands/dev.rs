//! `tapeline dev`: broker, registry, all four services, a market and a small scanner in one process.
//!
//! In order: the run is planned from bars and findings; broker and registry start; the services start and become ready; the market
//! runs; with `--until-end` all records are processed; the services drain; the run is audited from its topics.

mod args;
mod group_positions;
mod history;
mod rest_detector;
mod services;
mod status_lines;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::shutdown::Cause as ShutdownCause;
use chassis::{Shutdown, descriptors, signals};
use contracts::Topic;
use contracts::topics::DEFAULT_PARTITIONS;
use devstack::broker::EmbeddedBroker;
use devstack::registry::EmbeddedRegistry;
use kafka_io::{BatchProducer, GroupQuery, KafkaConfig, ProducerLimits, RegistryConfig};

use self::history::History;
use self::services::Services;
use self::status_lines::StatusDisplay;
use crate::cluster;
use crate::exit::{Cause, Failure};
use crate::market::{
    self, AlertWaiter, DateProgress, EdgeClient, EdgeError, FindingPoster, MarketPlan, MarketRunner,
    RejectedFindings, RunAudit, RunEnd, TopicFollower,
};
use crate::output::print;

pub use self::args::DevArgs;

/// Time for unresolved records after an interrupt, before the services drain.
const INTERRUPT_GRACE: Duration = Duration::from_secs(5);

/// Compares the limit of file descriptors with what all services need, and raises the soft one. To be called before the async runtime,
/// which needs some itself.
///
/// # Errors
/// [`Failure::Usage`] if the hard limit is too low.
pub fn require_descriptors(args: &DevArgs) -> Result<(), Failure> {
    // The log has only warnings: a soft limit that cannot be raised fails with the first descriptor above it.
    descriptors::require(services::descriptors(args)).map(drop).map_err(Failure::usage)
}

/// Runs everything, and audits the run.
///
/// # Errors
/// If something cannot be started, fails or makes no progress; [`Failure::NotOk`] if the report is not ok.
pub async fn run(args: DevArgs) -> Result<(), Failure> {
    let interrupt = Shutdown::new();
    signals::listen(&interrupt).map_err(|error| Failure::start("signal handlers", error))?;
    market::check_outputs(&args.market)?;
    let Some((plan, vectors)) = market::open(&args.market, &interrupt).await? else {
        return interrupted(&args, &interrupt);
    };
    let broker = start_broker()?;
    let registry = EmbeddedRegistry::start((Ipv4Addr::LOCALHOST, 0).into())
        .await
        .map_err(not_started("the embedded registry"))?;
    let kafka = KafkaConfig::embedded(&broker.bootstrap());
    let history = History::of(&plan.replay);
    // The services have a shutdown of their own: an interrupt stops the market first, so that its records can be processed.
    let shutdown = Shutdown::new();
    let url = registry.url();
    let services = tokio::select! {
        started = Services::start(&args, &kafka, &url, history, &shutdown) => started?,
        () = interrupt.begun() => return interrupted(&args, &interrupt),
    };
    print_addresses(&services, &kafka, &url)?;
    let config = RegistryConfig { url, ..RegistryConfig::default() };
    let client = Arc::new(cluster::registry_client(config)?);
    let started = Instant::now();
    let audit = tokio::task::block_in_place(|| RunAudit::start(&kafka, client.clone()))?;
    let (follower, task) = market::follow(&kafka, client, vectors)?;
    let reading = tokio::task::spawn_blocking(move || task.run());
    let rejected = RejectedFindings::of(args.market.findings.as_deref());
    let not_replayed = plan.not_replayed.clone();
    let result = tokio::select! {
        result = drive(&args, plan, &broker, &services, &follower, &rejected) => result,
        () = interrupt.begun() => interrupted(&args, &interrupt),
        () = shutdown.begun() => Err(Failure::not_ok("a service failed")),
    };
    if interrupt.is_begun() {
        // Records that are still unresolved then show as held in the report.
        let rest = group_positions::wait_for_rest(&kafka, services.hosted());
        drop(tokio::time::timeout(INTERRUPT_GRACE, rest).await);
    }
    let drained = services.drain().await;
    let result = market::end_following(follower, reading).await.and(result);
    let result = drained.failure.map_or(result, Err).and(rejected.verdict());
    let end = RunEnd { duration: started.elapsed(), is_complete: result.is_ok() };
    let audited = tokio::task::block_in_place(|| audit.finish(&args.market, drained.counts, end));
    let (report, written) = match audited {
        Ok(audited) => audited,
        Err(failure) => return result.and(Err(failure)),
    };
    let printed = print(&report.summary(&not_replayed));
    result.and(written).and(printed)?;
    report.verdict()
}

fn start_broker() -> Result<EmbeddedBroker, Failure> {
    let topics: Vec<(&str, i32)> =
        Topic::ALL.iter().map(|topic| (topic.name(), DEFAULT_PARTITIONS)).collect();
    EmbeddedBroker::start(&topics).map_err(not_started("the embedded broker"))
}

fn not_started<E: std::error::Error + Send + Sync + 'static>(what: &str) -> impl FnOnce(E) -> Failure {
    let context = format!("failed to start {what}");
    move |error| Failure::NotOk(Cause::new(context, error))
}

fn print_addresses(services: &Services, kafka: &KafkaConfig, registry: &str) -> Result<(), Failure> {
    print(&format!(
        "edge      http://{}/v1/findings\n\
         admin     http://{}\n\
         broker    {} (embedded, at least once)\n\
         registry  {registry}\n",
        services.edge(),
        services.admin(),
        kafka.brokers,
    ))
}

/// Runs the market to its end. Without `--until-end` the services run until Ctrl-C.
async fn drive(
    args: &DevArgs,
    plan: MarketPlan,
    broker: &EmbeddedBroker,
    services: &Services,
    follower: &TopicFollower,
    rejected: &RejectedFindings,
) -> Result<(), Failure> {
    let kafka = KafkaConfig::embedded(&broker.bootstrap());
    let is_synthetic = args.market.bars.is_none();
    let display = StatusDisplay::new(is_synthetic);
    let progress = if is_synthetic { display.date_progress() } else { DateProgress::visible() };
    let runner = market_runner(&kafka, services, follower.clone(), progress.clone(), rejected.clone())?;
    let work = async {
        run_market(runner, plan, args.until_end, &kafka, services).await?;
        if !args.until_end {
            display.print("the market has ended; press Ctrl-C to stop the services\n")?;
            std::future::pending::<()>().await;
        }
        Ok(())
    };
    tokio::select! {
        result = work => result,
        () = status_lines::warn_of_deleted_records(broker, &progress) => Ok(()),
        failure = status_lines::show(is_synthetic, &display, follower.clone(), &progress, services) => Err(failure),
    }
}

fn interrupted(args: &DevArgs, shutdown: &Shutdown) -> Result<(), Failure> {
    let cause = match shutdown.cause() {
        Some(ShutdownCause::Signal(name)) => name,
        _ => "requested",
    };
    chassis::output::note(&format!(
        "shutting down ({cause}): waiting up to {} s for unresolved records",
        INTERRUPT_GRACE.as_secs()
    ));
    if args.until_end { Err(Failure::not_ok("the run was interrupted")) } else { Ok(()) }
}

fn market_runner(
    kafka: &KafkaConfig,
    services: &Services,
    follower: TopicFollower,
    progress: DateProgress,
    rejected: RejectedFindings,
) -> Result<MarketRunner, Failure> {
    let bridge = GroupQuery::new(kafka, scanner_bridge::service::GROUP).map_err(Failure::unreachable)?;
    let edge = EdgeClient::new(services.edge()).map_err(EdgeError::failure)?;
    let producer = BatchProducer::new(kafka, ProducerLimits::default()).map_err(Failure::unreachable)?;
    Ok(MarketRunner {
        poster: FindingPoster::new(edge),
        waiter: AlertWaiter::new(follower.clone(), bridge, DEFAULT_PARTITIONS),
        follower,
        producer,
        wire: services.market_wire(),
        progress,
        rejected,
    })
}

async fn run_market(
    mut runner: MarketRunner,
    plan: MarketPlan,
    until_end: bool,
    kafka: &KafkaConfig,
    services: &Services,
) -> Result<(), Failure> {
    if let Err(failure) = runner.run(plan).await {
        let lag_max = group_positions::lag_max(kafka, services.hosted()).await;
        return Err(match lag_max {
            Some(position) => failure.context(&format!("market run failed, largest lag: {position}")),
            None => failure,
        });
    }
    if until_end { group_positions::wait_for_rest(kafka, services.hosted()).await } else { Ok(()) }
}
