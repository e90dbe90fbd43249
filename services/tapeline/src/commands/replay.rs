//! `tapeline replay`: the market, the scanner and the judgement of `dev`, against services that run on a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use contracts::Topic;
use kafka_io::{BatchProducer, GroupQuery, ProducerLimits};

use crate::cli::ReplayArgs;
use crate::cluster;
use crate::dev;
use crate::dump::Lines;
use crate::edge_client::EdgeClient;
use crate::exit::Failure;
use crate::follow::follow;
use crate::run::{Ending, Judge, Market, Poster, Settler, Show};

/// Runs it to its end.
///
/// # Errors
/// What can't be reached, isn't in order, or gets stuck.
pub async fn run(args: ReplayArgs) -> Result<(), Failure> {
    let plan = dev::plan(&args.market)?;
    let kafka = cluster::kafka(&args.cluster)?;
    let registry = cluster::registry(&args.cluster)?;
    let unreachable = |e: &dyn std::error::Error| Failure::Unreachable(e.to_string());
    let begun = Instant::now();
    let judge = tokio::task::block_in_place(|| Judge::new(&kafka, Arc::new(registry.clone())))?;
    let lines = args.market.vectors.as_deref().map(Lines::create).transpose()?;
    let (follower, following) = follow(&kafka, Arc::new(registry.clone()), lines)?;
    let reading = tokio::task::spawn_blocking(move || following.run());
    let bridge = GroupQuery::new(&kafka, scanner_bridge::service::GROUP).map_err(|e| unreachable(&e))?;
    let mut market = Market {
        poster: Poster::new(EdgeClient::new(args.edge).map_err(|e| unreachable(&e))?),
        settler: Settler::new(follower.clone(), bridge, kafka.partitions),
        follower: follower.clone(),
        producer: BatchProducer::new(&kafka, ProducerLimits::default()).map_err(|e| unreachable(&e))?,
        wire: cluster::wire(&registry, &[Topic::BarClosed], kafka.partitions).await?,
        show: Show::new(true),
    };
    let end = market.run(plan).await;
    // What was acknowledged before the end is in the vectors' file before it is closed.
    let mut last = follower.clone();
    last.sync().await;
    follower.end();
    let read = reading.await.map_err(|e| Failure::NotOk(e.to_string()))?;
    let end = end.and(read);
    let ending = Ending { duration: begun.elapsed(), came_to_its_end: end.is_ok() };
    let report = tokio::task::block_in_place(|| judge.finish(&args.market, BTreeMap::new(), ending))?;
    println!("{}", report.summary());
    end?;
    if report.ok { Ok(()) } else { Err(Failure::NotOk("the run is not in order".to_owned())) }
}
