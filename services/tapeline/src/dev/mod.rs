//! `tapeline dev`: broker, registry, all four services, a market and a small scanner in this process.
//!
//! In order: bars are read and the run is planned; broker and registry start; the services start and get ready; the market runs;
//! with `--until-end` everything comes to rest; the services drain; the topics are read again and judged.

mod bars;
mod live;
mod rest;
mod services;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use chassis::{Shutdown, signals};
use contracts::Topic;
use devstack::broker::EmbeddedBroker;
use devstack::registry::EmbeddedRegistry;
use kafka_io::{BatchProducer, GroupInquirer, KafkaConfig, ProducerLimits, Registry};
use tokio::runtime::Handle;

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

/// Runs it.
///
/// # Errors
/// What can't be started, isn't in order, or gets stuck.
pub async fn run(args: DevArgs) -> Result<(), Failure> {
    let shutdown = Shutdown::new();
    signals::listen(&shutdown).map_err(|e| Failure::NotOk(format!("signals: {e}")))?;
    let plan = plan(&args.market)?;
    let broker = start_broker()?;
    let registry = EmbeddedRegistry::start("127.0.0.1:0".parse().map_err(|_| Failure::Usage(String::new()))?)
        .await
        .map_err(|e| Failure::NotOk(format!("the embedded registry: {e}")))?;
    let kafka = KafkaConfig::embedded(&broker.bootstrap());
    let history = History::of(&plan.replay);
    let services = Services::start(&args, &kafka, &registry.url(), history, &shutdown).await?;
    println!("edge      http://{}/v1/findings", services.edge());
    println!("admin     http://{}", services.admin());
    println!("broker    {} (embedded, at least once)", kafka.brokers);
    println!("registry  {}", registry.url());
    let client = cluster::registry(&registry.url())?;
    let begun = Instant::now();
    let judge = Judge::new(&kafka, Arc::new(client.clone()))?;
    let end = tokio::select! {
        end = drive(&args, plan, &kafka, client, &services, &shutdown) => end,
        () = live::warn_of_loss(&broker) => Ok(()),
    };
    let stages = services.drain().await;
    let ending =
        Ending { duration: begun.elapsed(), came_to_its_end: end.is_ok() && stages.failure.is_none() };
    let report = tokio::task::block_in_place(|| judge.judge(&args.market, stages.counts, ending))?;
    println!("{}", report.summary());
    end?;
    if let Some(failure) = stages.failure {
        return Err(failure);
    }
    if report.ok { Ok(()) } else { Err(Failure::NotOk("the run is not in order".to_owned())) }
}

fn start_broker() -> Result<EmbeddedBroker, Failure> {
    let topics: Vec<(&str, i32)> = Topic::ALL.iter().map(|topic| (topic.name(), PARTITIONS)).collect();
    EmbeddedBroker::start(&topics).map_err(|e| Failure::NotOk(format!("the embedded broker: {e}")))
}

/// Runs the market to its end or until the shutdown begins, whichever is first.
async fn drive(
    args: &DevArgs,
    plan: Plan,
    kafka: &KafkaConfig,
    registry: Registry,
    services: &Services,
    shutdown: &Shutdown,
) -> Result<(), Failure> {
    let lines = args.market.vectors.as_deref().map(Lines::create).transpose()?;
    let (follower, following) = follow(kafka, Arc::new(registry), lines)?;
    let reading = Handle::current().spawn_blocking(move || following.run());
    let show = Show::new(args.market.bars.is_some());
    let market = market(kafka, services, follower.clone(), show.clone())?;
    let work = async {
        run_market(market, plan, args.until_end, kafka, services).await?;
        if !args.until_end {
            println!("the market has come to its end; Ctrl-C ends the rest");
            shutdown.begun().await;
        }
        Ok(())
    };
    let is_live = args.market.bars.is_none();
    let end = tokio::select! {
        end = work => end,
        () = live::tell(is_live, follower.clone(), &show, services) => Ok(()),
        () = shutdown.begun() => interrupted(args, shutdown),
    };
    follower.end();
    let read = reading.await.map_err(|e| Failure::NotOk(e.to_string()))?;
    end.and(read)
}

fn interrupted(args: &DevArgs, shutdown: &Shutdown) -> Result<(), Failure> {
    eprintln!("ending: {:?}", shutdown.cause());
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
    let bridge = GroupInquirer::new(kafka, scanner_bridge::service::GROUP).map_err(|e| unreachable(&e))?;
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
    market.run(plan).await?;
    if until_end { rest::wait(kafka, services.hosted()).await } else { Ok(()) }
}

/// The findings of the file, or none.
fn findings(args: &MarketArgs) -> Result<Findings, Failure> {
    args.findings.as_deref().map_or_else(|| Ok(Findings::default()), |path: &Path| Findings::read(path))
}
