//! `tapeline publish`: findings from a file or standard input, produced to Kafka by the edge's rules or posted to an edge.
//!
//! A thread reads the lines ([`batches`]), [`publication`] posts a batch at a time to its [`destination`], and [`tally`] counts the results.

mod args;
mod batches;
mod destination;
mod local_edge;
mod publication;
mod tally;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use chassis::{Shutdown, signals};

use self::destination::Destination;
use self::publication::{Publication, interrupted};
use self::tally::Tally;
use crate::exit::{Cause, Failure};

pub use self::args::PublishArgs;

/// Publishes every line, prints `file:line: outcome: cause` for each that was not accepted or has a warning, and the counts at the end, also if it ends early. A
/// signal ends it after the batch that is being sent.
///
/// # Errors
/// An unreadable file; an unreachable edge, cluster or registry; [`Failure::NotOk`] if a finding was not accepted.
pub async fn run(args: &PublishArgs) -> Result<(), Failure> {
    let Input { name, bytes, read } = Input::open(&args.file)?;
    let shutdown = Shutdown::new();
    signals::listen(&shutdown)
        .map_err(|error| Failure::NotOk(Cause::new("failed to start signal handlers", error)))?;
    let destination = tokio::select! {
        biased;
        () = shutdown.begun() => return Err(interrupted()),
        opened = Destination::open(args) => opened?,
    };
    let publication = Publication::new(name, destination, Tally::new(bytes), shutdown);
    publication.run(batches::read(read, bytes.is_some())).await
}

struct Input {
    /// Its name in messages.
    name: String,
    /// Its size, if it is a regular file.
    bytes: Option<u64>,
    read: Box<dyn Read + Send>,
}

impl Input {
    fn open(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            return Ok(Self { name: "<stdin>".to_owned(), bytes: None, read: Box::new(std::io::stdin()) });
        }
        let failed = |error| Failure::file("open", path, error);
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(std::io::ErrorKind::IsADirectory.into()));
        }
        let bytes = metadata.is_file().then_some(metadata.len());
        Ok(Self { name: path.display().to_string(), bytes, read: Box::new(file) })
    }
}
