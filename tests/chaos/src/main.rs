//! Command line program of the storm; see the library.

use std::io;
use std::process::ExitCode;

use chaos::cli::{Cli, Command, RunArgs};
use chaos::{producer_process, report, signals, storm, watcher_process};
use clap::Parser;
use tempfile::TempDir;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Plan(args) => {
            storm::plan_of(&args).steps.iter().for_each(|step| report::line(format_args!("{}", step.fault)));
            Ok(true)
        }
        Command::Produce(args) => producer_process::run(&args).map(|()| true),
        Command::Watch { brokers } => watcher_process::run(&brokers).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            chassis::output::note(&format!("storm: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Returns whether no record was lost, doubled or reordered.
fn run(args: &RunArgs) -> io::Result<bool> {
    let mut folder = TempDir::with_prefix("tapeline-storm-")?;
    folder.disable_cleanup(true);
    signals::install(folder.path())?;
    report::line(format_args!("seed {}, folder {}", args.seed, folder.path().display()));
    let outcome = storm::run(args, folder.path())?;
    let storm::Outcome { count, records, faults, longest_gap, is_verified } = outcome;
    let is_correct = [count.lost, count.doubled, count.reordered] == [0; 3] && is_verified != Some(false);
    folder.disable_cleanup(args.keep || !is_correct);
    if is_verified.is_none() {
        report::line(format_args!("tapeline verify printed no summary"));
    }
    report::line(format_args!(
        "storm: lost {} doubled {} reordered {} of {records} records, {faults} faults, longest gap {:.1} s, seed {}",
        count.lost,
        count.doubled,
        count.reordered,
        longest_gap.as_secs_f64(),
        args.seed
    ));
    Ok(is_correct && is_verified.is_some())
}
