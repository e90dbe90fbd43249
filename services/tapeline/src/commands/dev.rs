//! `tapeline dev`: broker, registry, all four services, a market and a small scanner in this process.
//!
//! In order: bars are read and the run is planned; broker and registry start; the services start and get ready; the market runs;
//! with `--until-end` everything comes to rest; the services drain; the topics are read again and judged.

#[path = "../market/plan.rs"]
mod bars;
#[path = "dev/status_lines.rs"]
mod live;
#[path = "dev/group_positions.rs"]
mod rest;
#[path = "dev/services.rs"]
mod services;

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::shutdown::Cause;
use chassis::{Shutdown, signals};
use contracts::Topic;
use devstack::broker::EmbeddedBroker;
use devstack::registry::EmbeddedRegistry;
use kafka_io::{BatchProducer, GroupQuery, KafkaConfig, ProducerLimits, RegistryConfig};

use self::bars::History;
use self::services::Services;
use crate::cli::{DevArgs, MarketArgs};
use crate::cluster;
use crate::dump::Lines;
use crate::edge_client::EdgeClient;
use crate::exit::Failure;
use crate::findings_file::Findings;
use crate::follow::{Follower, follow};
use crate::run::{Ending, Judge, Market, Plan, Poster, Settler, Show};

pub use bars::plan;

/// Partitions of every topic, as on a cluster.
const PARTITIONS: i32 = contracts::topics::DEFAULT_PARTITIONS;

/// How long what is under way may take to come to its end after an interrupt, before the services drain.
const REST_BUDGET: Duration = Duration::from_secs(5);

/// Runs it.
///
/// # Errors
/// What can't be started, isn't in order, or gets stuck.
pub async fn run(args: DevArgs) -> Result<(), Failure> {
    let interrupt = Shutdown::new();
    signals::listen(&interrupt).map_err(|e| Failure::NotOk(format!("signals: {e}")))?;
    let plan = plan(&args.market)?;
    let lines = args.market.vectors.as_deref().map(Lines::create).transpose()?;
    let broker = start_broker()?;
    let registry = EmbeddedRegistry::start((Ipv4Addr::LOCALHOST, 0).into())
        .await
        .map_err(|e| Failure::NotOk(format!("the embedded registry: {e}")))?;
    let kafka = KafkaConfig::embedded(&broker.bootstrap());
    let history = History::of(&plan.replay);
    // The services have an end of their own: an interrupt stops the market first, so that what it set going comes to its end.
    let end_of_services = Shutdown::new();
    let url = registry.url();
    let services = tokio::select! {
        started = Services::start(&args, &kafka, &url, history, &end_of_services) => started?,
        () = interrupt.begun() => return interrupted(&args, &interrupt),
    };
    println!("edge      http://{}/v1/findings", services.edge());
    println!("admin     http://{}", services.admin());
    println!("broker    {} (embedded, at least once)", kafka.brokers);
    println!("registry  {}", registry.url());
    let config = RegistryConfig { url: registry.url(), ..RegistryConfig::default() };
    let client = Arc::new(cluster::registry_client(config)?);
    let begun = Instant::now();
    let judge = tokio::task::block_in_place(|| Judge::new(&kafka, client.clone()))?;
    let (mut follower, following) = follow(&kafka, client, lines)?;
    let reading = tokio::task::spawn_blocking(move || following.run());
    let end = tokio::select! {
        end = drive(&args, plan, &kafka, &services, &follower) => end,
        () = live::warn_of_loss(&broker) => Ok(()),
        () = interrupt.begun() => interrupted(&args, &interrupt),
        () = end_of_services.begun() => Err(Failure::NotOk("a service has failed".to_owned())),
    };
    if interrupt.is_begun() {
        // What isn't done by then shows in the report.
        drop(tokio::time::timeout(REST_BUDGET, rest::wait(&kafka, services.hosted())).await);
    }
    let drained = services.drain().await;
    follower.sync().await;
    follower.end();
    let end = end.and(reading.await.map_err(|e| Failure::NotOk(e.to_string()))?);
    let end = drained.failure.map_or(end, Err);
    let ending = Ending { duration: begun.elapsed(), came_to_its_end: end.is_ok() };
    let report = tokio::task::block_in_place(|| judge.finish(&args.market, drained.counts, ending))?;
    println!("{}", report.summary());
    end?;
    if report.ok { Ok(()) } else { Err(Failure::NotOk("the run is not in order".to_owned())) }
}

fn start_broker() -> Result<EmbeddedBroker, Failure> {
    let topics: Vec<(&str, i32)> = Topic::ALL.iter().map(|topic| (topic.name(), PARTITIONS)).collect();
    EmbeddedBroker::start(&topics).map_err(|e| Failure::NotOk(format!("the embedded broker: {e}")))
}

/// Runs the market to its end; without `--until-end` the services stay up after it.
async fn drive(
    args: &DevArgs,
    plan: Plan,
    kafka: &KafkaConfig,
    services: &Services,
    follower: &Follower,
) -> Result<(), Failure> {
    let show = Show::new(args.market.bars.is_some());
    let market = market(kafka, services, follower.clone(), show.clone())?;
    let work = async {
        run_market(market, plan, args.until_end, kafka, services).await?;
        if !args.until_end {
            println!("the market has come to its end; Ctrl-C ends the rest");
            std::future::pending::<()>().await;
        }
        Ok(())
    };
    tokio::select! {
        end = work => end,
        () = live::tell(args.market.bars.is_none(), follower.clone(), &show, services) => Ok(()),
    }
}

fn interrupted(args: &DevArgs, shutdown: &Shutdown) -> Result<(), Failure> {
    let cause = match shutdown.cause() {
        Some(Cause::Signal(name)) => name,
        _ => "asked to",
    };
    eprintln!("ending: {cause}; what is under way comes to its end first");
    if args.until_end {
        Err(Failure::NotOk("the run was interrupted before its end".to_owned()))
    } else {
        Ok(())
    }
}

fn market(
    kafka: &KafkaConfig,
    services: &Services,
    follower: Follower,
    show: Show,
) -> Result<Market, Failure> {
    let unreachable = |e: &dyn std::error::Error| Failure::Unreachable(e.to_string());
    let bridge = GroupQuery::new(kafka, scanner_bridge::service::GROUP).map_err(|e| unreachable(&e))?;
    let edge = EdgeClient::new(services.edge()).map_err(|e| unreachable(&e))?;
    let producer = BatchProducer::new(kafka, ProducerLimits::default()).map_err(|e| unreachable(&e))?;
    Ok(Market {
        poster: Poster::new(edge),
        settler: Settler::new(follower.clone(), bridge, PARTITIONS),
        follower,
        producer,
        wire: services.market_wire(),
        show,
    })
}

async fn run_market(
    mut market: Market,
    plan: Plan,
    until_end: bool,
    kafka: &KafkaConfig,
    services: &Services,
) -> Result<(), Failure> {
    if let Err(failure) = market.run(plan).await {
        let behind = rest::furthest_behind(kafka, services.hosted()).await;
        return Err(match behind {
            Some(behind) => failure.with_cause(&behind),
            None => failure,
        });
    }
    if until_end { rest::wait(kafka, services.hosted()).await } else { Ok(()) }
}

/// The findings of the file, or none.
fn findings(args: &MarketArgs) -> Result<Findings, Failure> {
    args.findings.as_deref().map_or_else(|| Ok(Findings::default()), |path: &Path| Findings::read(path))
}
