//! The storm as a program; see the library.

use std::io;
use std::process::ExitCode;

use chaos::cli::{Cli, Command, RunArgs};
use chaos::{ending, produce, storm, watch};
use clap::Parser;
use tempfile::TempDir;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Plan(args) => {
            storm::plan_of(&args).steps.iter().for_each(|step| println!("{}", step.fault));
            Ok(true)
        }
        Command::Produce(args) => produce::run(&args).map(|()| true),
        Command::Watch { brokers } => watch::run(&brokers).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("storm: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing was lost, doubled or reordered.
fn run(args: &RunArgs) -> io::Result<bool> {
    let mut folder = TempDir::with_prefix("tapeline-storm-")?;
    folder.disable_cleanup(true);
    ending::guarded(folder.path())?;
    println!("seed {}, folder {}", args.seed, folder.path().display());
    let outcome = storm::run(args, folder.path())?;
    let storm::Outcome { count, records, faults, longest_gap, is_verified } = outcome;
    let is_right = [count.lost, count.doubled, count.reordered] == [0; 3] && is_verified != Some(false);
    folder.disable_cleanup(args.keep || !is_right);
    if is_verified.is_none() {
        println!("tapeline verify could not be asked");
    }
    println!(
        "storm: lost {} doubled {} reordered {} of {records} records, {faults} faults, longest gap {:.1} s, seed {}",
        count.lost,
        count.doubled,
        count.reordered,
        longest_gap.as_secs_f64(),
        args.seed
    );
    Ok(is_right && is_verified.is_some())
}
