//! `tapeline topics`: creates the topics of the contract, or compares them with the cluster.

use clap::Subcommand;
use contracts::Topic;
use kafka_io::admin::{self, AdminError, Permitted, TopicDifference, TopicsPlan};

use crate::cluster::{self, ClusterArgs};
use crate::exit::{Cause, Failure};
use crate::output::print;

#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Create missing topics of the contract, and change settings of existing ones after printing each change. A difference that cannot be
    /// changed in place, or that would delete records, is printed and left. Exit code 1 if any is left.
    #[command(after_help = "Examples:
  tapeline topics apply --brokers 127.0.0.1:9092 --replication 1
  tapeline topics apply --brokers kafka:9092 --dry-run")]
    Apply {
        #[command(flatten)]
        cluster: ClusterArgs,
        /// Replicas of each topic; 1 for a single broker.
        #[arg(long, default_value_t = 3)]
        replication: i32,
        /// Only print what would be created and changed.
        #[arg(long)]
        dry_run: bool,
        /// Also shorten the retention of topics that keep records for longer than the contract: Kafka deletes the older ones.
        #[arg(long)]
        allow_deletion: bool,
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
        TopicsCommand::Apply { cluster, replication, dry_run, allow_deletion } => {
            let permitted = if *allow_deletion { Permitted::Deletion } else { Permitted::Lossless };
            apply(cluster, *replication, permitted, *dry_run).await
        }
        TopicsCommand::Check { cluster, replication } => check(cluster, *replication).await,
    }
}

async fn apply(
    cluster: &ClusterArgs,
    replication: i32,
    permitted: Permitted,
    dry_run: bool,
) -> Result<(), Failure> {
    let kafka = cluster::kafka(cluster)?;
    let plan = admin::topics_plan(&kafka, Topic::ALL, replication, permitted).await;
    let plan = plan.map_err(|error| failure(error, replication))?;
    print(&plan.changes.iter().map(change_line).collect::<String>())?;
    let created = if dry_run {
        "missing"
    } else {
        let mut printed = Ok(());
        let changed = |topic| {
            if printed.is_ok() {
                printed = print(&format!("changed    {topic}\n"));
            }
        };
        let executed = admin::execute(&kafka, &plan, replication, changed).await;
        printed?;
        executed.map_err(|error| failure(error, replication))?;
        "created"
    };
    print(&result_lines(&plan, created))?;
    if plan.differences.is_empty() {
        return Ok(());
    }
    Err(Failure::not_ok("existing topics differ from the contract in settings that were not changed"))
}

fn change_line(change: &TopicDifference) -> String {
    let TopicDifference { topic, key, found, expected } = change;
    format!("change     {topic}: {key} from {found} to {expected}\n")
}

/// A line for each topic without changes, and for each difference that stays. `created` starts the line of a topic that was missing.
fn result_lines(plan: &TopicsPlan, created: &str) -> String {
    let created = plan.missing.iter().map(|topic| format!("{created:<9}  {topic}\n"));
    let unchanged = plan.unchanged.iter().map(|topic| format!("unchanged  {topic}\n"));
    let differences = plan.differences.iter().map(|difference| format!("differs    {difference}\n"));
    created.chain(unchanged).chain(differences).collect()
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
