//! `tapeline verify`: what a run on a cluster lost, doubled and reordered, and where groups stand short of what is there.
//!
//! It reads the inputs and the committed outputs of every stage from the first record that is kept to where the topics end when it begins,
//! and counts them (`audit`). Bars and coverage aren't read: they are compacted, and a chunk's progress leaves in the transaction that
//! writes them.

#[path = "verify/offset_gaps.rs"]
mod gaps;
#[path = "verify/snapshot.rs"]
mod read;
#[path = "verify/report.rs"]
mod report;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use scanner_bridge::mapping_file;
use scanner_bridge::rules::mapping::Mapping;

use crate::audit::{self, Windows};
use crate::cli::ClusterArgs;
use crate::cluster;
use crate::exit::Failure;
use crate::say::say;

use report::Report;

/// `tapeline verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Print the report as one JSON object.
    #[arg(long)]
    pub json: bool,
    /// How long reading may take, seconds.
    #[arg(long, value_name = "S", default_value_t = 600)]
    pub timeout_s: u64,
    /// The bridge's dedup window, seconds.
    #[arg(long, value_name = "S", default_value_t = 60)]
    pub window_s: u32,
    /// The announcer's dedup window, seconds.
    #[arg(long, value_name = "S", default_value_t = 86_400)]
    pub announce_window_s: u32,
    /// The bridge's mapping file, where it isn't the built-in one.
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,
}

/// Verifies, and prints the report.
///
/// # Errors
/// [`Failure::NotOk`] when anything is lost, doubled, reordered or short; when the cluster or the registry can't be asked.
pub async fn run(args: VerifyArgs) -> Result<(), Failure> {
    let begun = Instant::now();
    let mapping = mapping(args.mapping.as_deref())?;
    let kafka = cluster::kafka(&args.cluster)?;
    let registry = cluster::registry(&args.cluster)?;
    let windows = Windows {
        alerts_micros: i64::from(args.window_s) * 1_000_000,
        announcements_micros: i64::from(args.announce_window_s) * 1_000_000,
    };
    let patience = Duration::from_secs(args.timeout_s);
    let working = tokio::task::spawn_blocking(move || {
        let mut read = read::read(&kafka, &registry, mapping, patience)?;
        let count = audit::count(&mut read.seen, windows);
        Ok(Report::new(&read, &count, begun.elapsed()))
    });
    let report = working.await.map_err(|e| Failure::NotOk(e.to_string()))??;
    say(&if args.json { report.json()? } else { report.to_string() });
    match report.ok {
        true => Ok(()),
        false => Err(Failure::NotOk("the run is not in order".to_owned())),
    }
}

fn mapping(file: Option<&std::path::Path>) -> Result<Mapping, Failure> {
    let Some(path) = file else {
        return mapping_file::parse(mapping_file::DEFAULT)
            .map_err(|e| Failure::Usage(format!("the built-in mapping: {e}")));
    };
    let at = |e: &dyn std::fmt::Display| Failure::Usage(format!("{}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| at(&e))?;
    mapping_file::parse(&text).map_err(|e| at(&e))
}
