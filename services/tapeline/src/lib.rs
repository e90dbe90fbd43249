//! `tapeline`, the operator's command, and everything in one process for development.
//!
//! It deliberately decides nothing that a service decides. Start at [`cli`] for what can be asked, then [`dev`]; how a run is judged
//! is in [`audit`].

pub mod audit;
pub mod cli;
#[path = "cluster/clients.rs"]
pub mod cluster;
#[path = "market/topic_contents.rs"]
pub mod collect;
#[path = "commands/dead_letters.rs"]
pub mod dead_letters;
#[path = "output/decoded_record.rs"]
pub mod decoded;
#[path = "commands/dev.rs"]
pub mod dev;
#[path = "output/ndjson_file.rs"]
pub mod dump;
#[path = "market/edge_client.rs"]
pub mod edge_client;
pub mod exit;
#[path = "market/findings_file.rs"]
pub mod findings_file;
#[path = "market/alert_tracker.rs"]
pub mod flow;
#[path = "market/topic_follower.rs"]
pub mod follow;
#[path = "commands/lag.rs"]
pub mod lag;
#[path = "commands/publish.rs"]
pub mod publish;
#[path = "commands/dev/rest_detector.rs"]
pub mod quiet;
#[path = "commands/replay.rs"]
pub mod replay;
#[path = "market/run_report.rs"]
pub mod report;
#[path = "market.rs"]
pub mod run;
#[path = "output.rs"]
mod say;
#[path = "commands/schemas.rs"]
pub mod schemas_check;
#[path = "cluster/settings.rs"]
pub mod settings;
#[path = "commands/tail.rs"]
pub mod tail;
#[path = "commands/verify.rs"]
pub mod verify;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, SchemasCommand, TopicsCommand};
use exit::Failure;

/// Does what the command line asks, and gives the exit code.
#[must_use]
pub fn command() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("tapeline: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let end = runtime.block_on(dispatch(cli.command));
    // A thread that still reads from a topic must not hold the process up.
    runtime.shutdown_background();
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tapeline: {failure}");
            failure.exit().into()
        }
    }
}

async fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Dev(args) => dev::run(args).await,
        Command::Replay(args) => replay::run(args).await,
        Command::Topics { command: TopicsCommand::Apply { cluster, replication } } => {
            cluster::apply_topics(&cluster, replication).await
        }
        Command::Topics { command: TopicsCommand::Check { cluster, replication } } => {
            cluster::check_topics(&cluster, replication).await
        }
        Command::Schemas { command: SchemasCommand::Register { cluster } } => {
            cluster::register_schemas(&cluster).await
        }
        Command::Schemas { command: SchemasCommand::Check { cluster } } => schemas_check::run(&cluster).await,
        Command::Publish(args) => publish::run(&args).await,
        Command::DeadLetters { command } => dead_letters::run(command).await,
        Command::Tail(args) => tail::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Lag(args) => lag::run(args).await,
    }
}
