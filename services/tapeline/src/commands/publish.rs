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
use self::publication::Publication;
use self::tally::Tally;
use crate::exit::Failure;

pub use self::args::PublishArgs;

/// The argument that means standard input.
const STDIN: &str = "-";

/// Publishes every line, prints `file:line: outcome: cause` for each that was not accepted or has a warning, and the counts at the end, also if it ends early. A
/// signal ends it after the batch that is being sent.
///
/// # Errors
/// An unreadable file; an unreachable edge, cluster or registry; [`Failure::NotOk`] if a finding was not accepted.
pub async fn run(args: &PublishArgs) -> Result<(), Failure> {
    let shutdown = Shutdown::new();
    signals::listen(&shutdown).map_err(|error| Failure::start("signal handlers", error))?;
    let opening = async { Ok((Input::open(&args.file).await?, Destination::open(args).await?)) };
    let (Input { bytes, read }, destination) = tokio::select! {
        biased;
        () = shutdown.begun() => return publication::interrupted_before(&name(&args.file)),
        opened = opening => opened?,
    };
    let publication = Publication::new(name(&args.file), destination, Tally::new(bytes), shutdown);
    publication.run(batches::read(read, bytes.is_some())).await
}

/// Returns the name of an input in messages.
fn name(path: &Path) -> String {
    if path.as_os_str() == STDIN { "<stdin>".to_owned() } else { path.display().to_string() }
}

struct Input {
    /// Its size, if it is a regular file.
    bytes: Option<u64>,
    read: Box<dyn Read + Send>,
}

impl Input {
    /// Opens the input on a thread of its own: a pipe opens when another process opens its other end.
    async fn open(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == STDIN {
            return Ok(Self { bytes: None, read: Box::new(std::io::stdin()) });
        }
        let path = path.to_path_buf();
        tokio::task::spawn_blocking(move || Self::open_file(&path)).await.map_err(Failure::not_ok)?
    }

    fn open_file(path: &Path) -> Result<Self, Failure> {
        let failed = |error| Failure::file("open", path, error);
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(std::io::ErrorKind::IsADirectory.into()));
        }
        let bytes = metadata.is_file().then_some(metadata.len());
        Ok(Self { bytes, read: Box::new(file) })
    }
}
