//! `tapeline replay`: the market, the scanner and the audit of `dev`, against services on a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use chassis::{Shutdown, signals};
use clap::Args;
use contracts::Topic;
use kafka_io::{BatchProducer, GroupQuery, ProducerLimits};

use crate::cluster::{self, ClusterArgs, EdgeAddress};
use crate::exit::Failure;
use crate::market::{
    self, AlertWaiter, DateProgress, EdgeClient, EdgeError, FindingPoster, MarketArgs, MarketRunner,
    RejectedFindings, RunAudit, RunEnd,
};
use crate::output::print;

#[derive(Debug, Args)]
#[command(after_help = "Example:
  tapeline replay --bars tests/data/bars --from 2012-01-03 --to 2012-12-31 --speed max \\
      --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081 --edge 127.0.0.1:8080 --report report.json")]
pub struct ReplayArgs {
    #[command(flatten)]
    pub market: MarketArgs,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Address of the publisher's HTTP edge, host:port or URL.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub edge: EdgeAddress,
}

/// Runs the market to its end or until a signal, and audits the run.
///
/// # Errors
/// If the edge, the cluster or the registry is unreachable; [`Failure::NotOk`] if the run makes no progress or its report is not ok.
pub async fn run(args: ReplayArgs) -> Result<(), Failure> {
    let interrupt = Shutdown::new();
    signals::listen(&interrupt).map_err(|error| Failure::start("signal handlers", error))?;
    market::check_outputs(&args.market)?;
    let Some((plan, vectors)) = market::open(&args.market, &interrupt).await? else { return interrupted() };
    let kafka = cluster::kafka(&args.cluster)?;
    let registry = cluster::registry(&args.cluster)?;
    let edge = args.edge.resolve().await.map_err(Failure::unreachable)?;
    let started = Instant::now();
    let audit = tokio::task::block_in_place(|| RunAudit::start(&kafka, Arc::new(registry.clone())))?;
    let (follower, task) = market::follow(&kafka, Arc::new(registry.clone()), vectors)?;
    let reading = tokio::task::spawn_blocking(move || task.run());
    let bridge = GroupQuery::new(&kafka, scanner_bridge::service::GROUP).map_err(Failure::unreachable)?;
    let rejected = RejectedFindings::of(args.market.findings.as_deref());
    let mut runner = MarketRunner {
        poster: FindingPoster::new(EdgeClient::new(edge).map_err(EdgeError::failure)?),
        waiter: AlertWaiter::new(follower.clone(), bridge, kafka.partitions),
        follower: follower.clone(),
        producer: BatchProducer::new(&kafka, ProducerLimits::default()).map_err(Failure::unreachable)?,
        wire: cluster::wire(&registry, &[Topic::BarClosed], kafka.partitions).await?,
        progress: DateProgress::visible(),
        rejected: rejected.clone(),
    };
    let not_replayed = plan.not_replayed.clone();
    let result = tokio::select! {
        result = runner.run(plan) => result,
        () = interrupt.begun() => interrupted(),
    };
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

fn interrupted() -> Result<(), Failure> {
    Err(Failure::not_ok("the run was interrupted"))
}
