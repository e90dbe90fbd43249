//! `tapeline replay`: the market, the scanner and the audit of `dev`, against services on a cluster.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use contracts::Topic;
use kafka_io::{BatchProducer, GroupQuery, ProducerLimits};

use crate::cluster::{self, ClusterArgs, parse_socket_address};
use crate::exit::Failure;
use crate::market::{
    self, AlertWaiter, DateProgress, EdgeClient, EdgeError, FindingPoster, MarketArgs, MarketRunner,
    RejectedFindings, RunAudit, RunEnd,
};
use crate::output::{NdjsonFile, print};

#[derive(Debug, Args)]
#[command(after_help = "Example:
  tapeline replay --bars tests/data/bars --from 2012-01-03 --to 2012-12-31 --speed max \\
      --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081 --edge 127.0.0.1:8080 --report report.json")]
pub struct ReplayArgs {
    #[command(flatten)]
    pub market: MarketArgs,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Address of the publisher's HTTP edge, host:port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = parse_socket_address)]
    pub edge: SocketAddr,
}

/// Runs the market to its end and audits the run.
///
/// # Errors
/// If the edge, the cluster or the registry is unreachable; [`Failure::NotOk`] if the run makes no progress or its report is not ok.
pub async fn run(args: ReplayArgs) -> Result<(), Failure> {
    market::check_outputs(&args.market)?;
    let plan = market::plan(&args.market)?;
    plan.warn();
    let kafka = cluster::kafka(&args.cluster)?;
    let registry = cluster::registry(&args.cluster)?;
    let started = Instant::now();
    let audit = tokio::task::block_in_place(|| RunAudit::start(&kafka, Arc::new(registry.clone())))?;
    let vectors = args.market.vectors.as_deref().map(NdjsonFile::create).transpose()?;
    let (follower, task) = market::follow(&kafka, Arc::new(registry.clone()), vectors)?;
    let reading = tokio::task::spawn_blocking(move || task.run());
    let bridge = GroupQuery::new(&kafka, scanner_bridge::service::GROUP).map_err(Failure::unreachable)?;
    let rejected = RejectedFindings::of(args.market.findings.as_deref());
    let mut runner = MarketRunner {
        poster: FindingPoster::new(EdgeClient::new(args.edge).map_err(EdgeError::failure)?),
        waiter: AlertWaiter::new(follower.clone(), bridge, kafka.partitions),
        follower: follower.clone(),
        producer: BatchProducer::new(&kafka, ProducerLimits::default()).map_err(Failure::unreachable)?,
        wire: cluster::wire(&registry, &[Topic::BarClosed], kafka.partitions).await?,
        progress: DateProgress::visible(),
        rejected: rejected.clone(),
    };
    let not_replayed = plan.not_replayed.clone();
    let result = runner.run(plan).await;
    let result = market::end_following(follower, reading).await.and(result).and(rejected.verdict());
    let end = RunEnd { duration: started.elapsed(), is_complete: result.is_ok() };
    let audited = tokio::task::block_in_place(|| audit.finish(&args.market, BTreeMap::new(), end));
    let (report, written) = match audited {
        Ok(audited) => audited,
        Err(failure) => return result.and(Err(failure)),
    };
    let printed = print(&report.summary(&not_replayed));
    result.and(written).and(printed)?;
    report.verdict()
}
