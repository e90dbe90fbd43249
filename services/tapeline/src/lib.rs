//! `tapeline`, the operator's command, and a development mode that runs everything in one process.
//!
//! | command | what it does |
//! |---|---|
//! | `dev` | runs an embedded broker and registry, all four services and a market in this process, then audits the run |
//! | `replay` | runs the same market against services on a cluster, then audits the run |
//! | `topics`, `schemas` | create or register what the contract defines, or compare it with the cluster |
//! | `backfill` | request history, list and cancel requests |
//! | `coverage` | the held, covered, requested and missing history of a symbol |
//! | `publish`, `tail` | write findings, read events |
//! | `dead-letters` | list, show and replay dead letters |
//! | `lag`, `verify` | consumer lag; the loss audit from the topics alone |
//!
//! # Data flow
//!
//! A run of `dev` or `replay`:
//!
//! ```text
//! bars, findings ──► market::MarketRunner ──► edge and brokers ──► services ──► topics
//!                           ▲                                                     │
//!                           └────────── market::TopicFollower ◄───────────────────┤
//!                                                                                 ▼
//!                         report, NDJSON files ◄── market::RunAudit ◄── audit::count
//! ```
//!
//! Modules depend on each other in one direction only: [`cli`] → [`commands`] → [`market`], [`audit`], [`history`] → [`cluster`] → [`output`],
//! [`exit`], [`finding_lines`], [`record_position`]. [`cli`] defines the command line. [`audit`] recounts lost, doubled and reordered records and shares neither counters nor
//! state with the services.
//!
//! # What it does not do
//!
//! It contains no rules of the services: `dev` starts the services as their crates define them, and `publish` without `--edge` uses the
//! publisher's own edge without its socket. It never deletes or changes topics, and no service needs it in order to run.

pub mod audit;
pub mod cli;
pub mod cluster;
pub mod commands;
pub mod exit;
pub mod finding_lines;
pub mod history;
pub mod market;
pub mod output;
pub mod record_position;
mod version;

use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use kit::secret::redacted_address;

use self::cli::Cli;
use self::exit::Failure;

/// Runs the command of the process's arguments and returns its exit code.
#[must_use]
pub fn run() -> ExitCode {
    match run_command() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            chassis::output::note(&format!("tapeline: {}", failure.chain()));
            failure.exit().into()
        }
    }
}

fn run_command() -> Result<(), Failure> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are results; on a terminal clap prints them with its styles.
        Err(text) if !text.use_stderr() && !chassis::output::is_terminal() => {
            return output::print(&text.render().to_string());
        }
        Err(error) => without_secrets(error).exit(),
    };
    cli.check_limits()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::start("the async runtime", error))?;
    let result = runtime.block_on(cli.run());
    // A blocking thread that still reads from a topic must not keep the process alive.
    runtime.shutdown_background();
    result
}

/// The parts of an error that repeat what the user wrote.
const WRITTEN: [ContextKind; 3] =
    [ContextKind::InvalidArg, ContextKind::InvalidSubcommand, ContextKind::InvalidValue];

/// Hides what precedes an `@` and the query in an argument that is quoted: an address may have a password.
fn without_secrets(mut error: clap::Error) -> clap::Error {
    for kind in WRITTEN {
        let Some(ContextValue::String(value)) = error.get(kind) else { continue };
        let shown = redacted_address(value);
        if shown != *value {
            error.insert(kind, ContextValue::String(shown));
            // The suggestions quote it as well.
            error.remove(ContextKind::Suggested);
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_in_an_argument_is_not_shown() {
        let address = "http://me:hunter2@edge:8080";
        let flag = format!("--edge-url={address}");
        let query = "edge:8080?password=hunter2";
        for args in [
            &["publish", "-", address][..],
            &["publish", "-", query],
            &[address],
            &["topics", address],
            &["topics", query],
            &["replay", &flag],
            &["dev", "--until-end", address],
            &["lag", &format!("--json={address}")],
        ] {
            let error = Cli::try_parse_from(["tapeline"].iter().chain(args)).unwrap_err();
            let text = without_secrets(error).to_string();
            assert!(!text.contains("hunter2") && text.starts_with("error: "), "{args:?}: {text}");
        }
    }

    #[test]
    fn suggestion_without_a_password_is_kept() {
        let text = without_secrets(Cli::try_parse_from(["tapeline", "topic"]).unwrap_err()).to_string();
        assert!(text.contains("'topics'"), "{text}");
        let error = Cli::try_parse_from(["tapeline", "lag", "--jsn"]).unwrap_err();
        assert!(without_secrets(error).to_string().contains("'--json'"));
    }

    #[test]
    fn password_in_the_value_of_a_flag_is_not_shown() {
        for [command, argument, flag] in
            [["publish", "-", "--edge"], ["replay", "--seed=1", "--edge"], ["dev", "--bars=b", "--from"]]
        {
            let args = ["tapeline", command, argument, flag, "http://me:hunter2@edge:8080"];
            let text = without_secrets(Cli::try_parse_from(args).unwrap_err()).to_string();
            assert!(text.contains(&format!("'http://[redacted]@edge:8080' for '{flag}")), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
