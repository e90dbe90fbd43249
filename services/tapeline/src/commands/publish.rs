//! `tapeline publish`: findings from a file or standard input, produced to Kafka by the edge's rules or posted to an edge.
//!
//! A thread reads the lines ([`batches`]), a batch at a time goes to its [`destination`], and [`tally`] counts the results.

mod args;
mod batches;
mod destination;
mod tally;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use chassis::{Shutdown, signals};
use tokio::sync::mpsc::Receiver;

use self::batches::LineBatch;
use self::destination::Destination;
use self::tally::Tally;
use crate::exit::{Cause, Failure};
use crate::finding_lines::{FindingLine, InputError};
use crate::market::ItemResult;
use crate::output::print;

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
    let tally = Tally::new(bytes);
    let mut publication = Publication { name, destination, tally, shutdown, stopped_at: None };
    let result = publication.run(batches::read(read, bytes.is_some())).await;
    let tally = publication.tally;
    tally.finish();
    let printed = print(&format!("{tally}\n"));
    if let Err(failure) = result {
        let position = match (publication.stopped_at, tally.line()) {
            (Some(line), _) => format!("at line {line}"),
            (None, 0) => "before the first line".to_owned(),
            (None, line) => format!("after line {line}"),
        };
        let stopped = format!("publishing stopped {position} of {}: {tally}", publication.name);
        return Err(failure.context(&stopped));
    }
    printed?;
    match tally.not_accepted() {
        0 => Ok(()),
        count => Err(Failure::not_ok(format!("{count} findings not accepted"))),
    }
}

fn interrupted() -> Failure {
    Failure::not_ok("interrupted by a signal")
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

struct Publication {
    name: String,
    destination: Destination,
    tally: Tally,
    shutdown: Shutdown,
    /// The first line without a result, if the destination failed.
    stopped_at: Option<u64>,
}

impl Publication {
    async fn run(&mut self, mut batches: Receiver<Result<LineBatch, InputError>>) -> Result<(), Failure> {
        loop {
            let batch = tokio::select! {
                biased;
                () = self.shutdown.begun() => return Err(interrupted()),
                batch = batches.recv() => batch,
            };
            let unreadable =
                |error| Failure::Usage(Cause::new(format!("failed to read {}", self.name), error));
            match batch.transpose().map_err(unreadable)? {
                Some(batch) if batch.lines.is_empty() => return Ok(()),
                Some(batch) => self.publish(batch).await?,
                None => {
                    return Err(Failure::not_ok(format!("failed to read {}: the thread ended", self.name)));
                }
            }
        }
    }

    /// Publishes the good lines of a batch, and prints those that were not accepted or have a warning in the order of the file.
    async fn publish(&mut self, batch: LineBatch) -> Result<(), Failure> {
        let mut results: Vec<(u64, ItemResult)> = Vec::new();
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        for FindingLine { number, text } in batch.lines {
            match text {
                Ok(text) => {
                    numbers.push(number);
                    texts.push(text);
                }
                Err(error) => results.push((number, ItemResult::invalid(error.to_string()))),
            }
        }
        let mut failure = None;
        if !texts.is_empty() {
            let published = self.destination.publish(&texts, &self.shutdown).await;
            self.tally.count_in_doubt(published.in_doubt);
            self.stopped_at = numbers.get(published.results.len()).copied();
            results.extend(numbers.into_iter().zip(published.results));
            failure = published.failure;
        }
        results.sort_by_key(|(number, _)| *number);
        let mut text = String::new();
        for (number, result) in &results {
            self.tally.count(*number, result);
            if !result.is_accepted() {
                text.push_str(&format!("{}:{number}: {}: {}\n", self.name, result.outcome, result.reason()));
            } else if let Some(warning) = result.shown_warning() {
                text.push_str(&format!("{}:{number}: warning: {warning}\n", self.name));
            }
        }
        let printed = self.tally.print(&text, batch.bytes_read);
        failure.map_or(printed, Err)
    }
}
