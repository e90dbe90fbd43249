//! `tapeline verify`: the loss audit of a cluster, and committed offsets that do not fit their partitions.
//!
//! It reads the inputs and the committed outputs of every stage, from the earliest retained record to the ends at its start, and counts
//! them ([`crate::audit`]). Bars and coverage are not read: they are compacted, and the progress event of a chunk is written in the
//! transaction that writes them.

mod offset_gaps;
mod report;
mod snapshot;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use scanner_bridge::mapping_file;
use scanner_bridge::rules::mapping::Mapping;

use self::report::VerifyReport;
use crate::audit::{self, DedupWindows};
use crate::cluster::{self, ClusterArgs};
use crate::exit::{Cause, Failure};
use crate::output::{print, print_json};

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 0 only if nothing is lost, doubled or reordered and no offset gap is found; 3 if the cluster or the registry is
unreachable. Run it at rest: records that a group has not processed yet count as lost.

Example:
  tapeline verify --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081 --json"
)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Print the report as one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Time limit of reading, seconds.
    #[arg(long, value_name = "S", default_value_t = 600)]
    pub timeout_s: u64,
    /// Dedup window of the bridge, seconds.
    #[arg(long, value_name = "S", default_value_t = 60)]
    pub window_s: u32,
    /// Dedup window of the announcer, seconds.
    #[arg(long, value_name = "S", default_value_t = 86_400)]
    pub announce_window_s: u32,
    /// Mapping file of the bridge [default: the built-in mapping].
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,
}

/// Audits the cluster and prints the report.
///
/// # Errors
/// [`Failure::NotOk`] if anything is lost, doubled or reordered or an offset does not fit; a cluster or registry that is unreachable or
/// denies access.
pub async fn run(args: VerifyArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let mapping = mapping(args.mapping.as_deref())?;
    let kafka = cluster::kafka(&args.cluster)?;
    let registry = cluster::registry(&args.cluster)?;
    let windows = DedupWindows {
        alerts_micros: i64::from(args.window_s) * 1_000_000,
        announcements_micros: i64::from(args.announce_window_s) * 1_000_000,
    };
    let timeout = Duration::from_secs(args.timeout_s);
    let work = tokio::task::spawn_blocking(move || {
        let mut snapshot = snapshot::read(&kafka, &registry, mapping, timeout)?;
        let audited = audit::count(&mut snapshot.records, windows);
        Ok::<_, Failure>(VerifyReport::new(&snapshot, &audited, started.elapsed()))
    });
    let report = work.await.map_err(Failure::not_ok)??;
    if args.json { print_json(&report) } else { print(&report.to_string()) }?;
    match report.ok {
        true => Ok(()),
        false => Err(Failure::not_ok("verification failed")),
    }
}

fn mapping(file: Option<&Path>) -> Result<Mapping, Failure> {
    let Some(path) = file else {
        return mapping_file::parse(mapping_file::DEFAULT)
            .map_err(|error| Failure::Usage(Cause::new("invalid built-in mapping", error)));
    };
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, error))?;
    mapping_file::parse(&text).map_err(|error| {
        Failure::Usage(Cause::new(format!("invalid mapping file {}", path.display()), error))
    })
}
