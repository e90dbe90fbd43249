//! `tapeline topics`: creates the topics of the contract, or compares them with the cluster.

use clap::Subcommand;
use contracts::Topic;
use kafka_io::admin::{self, AdminError};

use crate::cluster::{self, ClusterArgs};
use crate::exit::{Cause, Failure};
use crate::output::print;

#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Create missing topics of the contract, and print each difference of existing ones. Existing topics are not changed.
    #[command(after_help = "Example:
  tapeline topics apply --brokers 127.0.0.1:9092 --replication 1")]
    Apply {
        #[command(flatten)]
        cluster: ClusterArgs,
        /// Replicas of each topic; 1 for a single broker.
        #[arg(long, default_value_t = 3)]
        replication: i32,
    },
    /// Compare the topics with the contract and print a line for each difference. Exit code 1 if there is any.
    #[command(after_help = "Example:
  tapeline topics check --brokers 127.0.0.1:9092 --replication 1")]
    Check {
        #[command(flatten)]
        cluster: ClusterArgs,
        /// Replicas of each topic; 1 for a single broker.
        #[arg(long, default_value_t = 3)]
        replication: i32,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// If the cluster is unreachable or denies access; [`Failure::NotOk`] if topics differ from the contract.
pub async fn run(command: &TopicsCommand) -> Result<(), Failure> {
    match command {
        TopicsCommand::Apply { cluster, replication } => apply(cluster, *replication).await,
        TopicsCommand::Check { cluster, replication } => check(cluster, *replication).await,
    }
}

async fn apply(cluster: &ClusterArgs, replication: i32) -> Result<(), Failure> {
    let kafka = cluster::kafka(cluster)?;
    let report = admin::topics_apply(&kafka, Topic::ALL, replication).await;
    let report = report.map_err(|error| failure(error, replication))?;
    let created = report.created.iter().map(|topic| format!("created    {topic}\n"));
    let unchanged = report.unchanged.iter().map(|topic| format!("unchanged  {topic}\n"));
    let differences = report.differences.iter().map(|difference| format!("differs    {difference}\n"));
    print(&created.chain(unchanged).chain(differences).collect::<String>())?;
    if report.differences.is_empty() {
        return Ok(());
    }
    Err(Failure::not_ok("existing topics differ from the contract and were not changed"))
}

async fn check(cluster: &ClusterArgs, replication: i32) -> Result<(), Failure> {
    let kafka = cluster::kafka(cluster)?;
    let differences = admin::topics_check(&kafka, Topic::ALL, replication).await;
    let differences = differences.map_err(|error| failure(error, replication))?;
    if differences.is_empty() {
        return print(&format!("{} topics match the contract\n", Topic::ALL.len()));
    }
    let lines = differences.iter().map(|difference| format!("differs    {difference}\n"));
    print(&lines.collect::<String>())?;
    Err(Failure::not_ok(format!("topics differ from the contract: {} differences", differences.len())))
}

fn failure(error: AdminError, replication: i32) -> Failure {
    match error {
        AdminError::Embedded => Failure::usage(error),
        error if error.is_replication() => Failure::Usage(Cause::new(
            format!(
                "--replication {replication} needs as many running brokers, use --replication 1 for a single broker"
            ),
            error,
        )),
        error => Failure::query(error),
    }
}
