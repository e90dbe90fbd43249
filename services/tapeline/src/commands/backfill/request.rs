//! `tapeline backfill request`: writes requests, and follows them until they end.

use std::time::{Duration, Instant};

use chassis::{Clock, SystemClock};
use domain::{Symbol, Timestamp};
use kafka_io::{Start, TopicReader};
use tokio::task::block_in_place;

use super::args::RequestArgs;
use super::progress::RequestProgress;
use super::range_request::{RequestTemplate, id_of};
use super::request_writer::RequestWriter;
use super::symbol_list;
use super::tracking::{Counts, Ended, FOLLOWED, Tracking};
use crate::cluster;
use crate::exit::Failure;
use crate::history::{Decoder, Outcome};
use crate::output::print;

/// Requests that are written at once.
const BATCH: usize = 500;

/// Open requests with --wait. Further requests are written when others have ended, so that neither this command nor the service holds more.
const OPEN_MAX: usize = 2_000;

/// Up to this number of requests, each completion is printed.
const PRINTED_MAX: usize = 20;

/// Timeout of one read.
const READ_TIMEOUT: Duration = Duration::from_millis(100);

/// Time without an event after which the command names a possible cause.
const STALL: Duration = Duration::from_secs(30);

/// Writes the requests, and waits for their ends with `--wait`.
///
/// # Errors
/// [`Failure::Usage`] for invalid arguments; [`Failure::NotOk`] or [`Failure::Partial`] by the ends of the requests; a cluster or registry
/// that is unreachable or denies access.
pub(super) async fn run(args: RequestArgs) -> Result<(), Failure> {
    let symbols = symbol_list::read(&args.symbols, args.symbols_file.as_deref())?;
    let now = Timestamp::from_micros(SystemClock::new().wall_micros());
    let template = RequestTemplate::new(&args, now);
    if let Some(first) = symbols.first() {
        template.check(*first).map_err(Failure::usage)?;
    }
    let kafka = cluster::kafka(&args.cluster)?;
    let writer = RequestWriter::open(&args.cluster, &kafka).await?;
    if !args.wait {
        return write_all(&writer, &template, &symbols).await;
    }
    let registry = cluster::registry(&args.cluster)?;
    let reader = block_in_place(|| TopicReader::open(&kafka, &FOLLOWED, Start::Latest));
    let started = Instant::now();
    let mut following = Following {
        reader: reader.map_err(Failure::query)?,
        decoder: Decoder::new(&registry),
        tracking: Tracking::default(),
        progress: RequestProgress::new(symbols.len(), started),
        is_short: symbols.len() <= PRINTED_MAX,
        deadline: started + Duration::from_secs(args.timeout_s),
        written: 0,
        stalled_since: Some(started),
    };
    let result = following.run(&writer, &template, &symbols).await;
    let (counts, open) = (following.tracking.counts, following.tracking.open());
    let unwritten = symbols.len().saturating_sub(following.written);
    drop(following);
    result?;
    print(&summary(symbols.len(), &counts, started.elapsed()))?;
    verdict(&counts, (open, unwritten), args.timeout_s)
}

async fn write_all(
    writer: &RequestWriter,
    template: &RequestTemplate,
    symbols: &[Symbol],
) -> Result<(), Failure> {
    for batch in symbols.chunks(BATCH) {
        let requests: Vec<_> = batch.iter().map(|symbol| template.of(*symbol)).collect();
        writer.write(&requests).await?;
        let lines = requests
            .iter()
            .map(|request| format!("requested  {:<8}  {}\n", request.symbol, request.backfill_id));
        print(&lines.collect::<String>())?;
    }
    Ok(())
}

struct Following<'a> {
    reader: TopicReader,
    decoder: Decoder<'a>,
    tracking: Tracking,
    progress: RequestProgress,
    is_short: bool,
    deadline: Instant,
    /// The number of written requests: all of them, unless the time was over before.
    written: usize,
    /// The time of the last event. `None` once the possible cause is named.
    stalled_since: Option<Instant>,
}

impl Following<'_> {
    /// Writes all requests, and returns when they have ended or the time is over.
    async fn run(
        &mut self,
        writer: &RequestWriter,
        template: &RequestTemplate,
        symbols: &[Symbol],
    ) -> Result<(), Failure> {
        for batch in symbols.chunks(BATCH) {
            while self.tracking.open() + batch.len() > OPEN_MAX && Instant::now() < self.deadline {
                block_in_place(|| self.follow())?;
            }
            if Instant::now() >= self.deadline {
                return Ok(());
            }
            self.written += batch.len();
            let requests: Vec<_> = batch.iter().map(|symbol| template.of(*symbol)).collect();
            requests.iter().for_each(|request| self.tracking.add(id_of(request)));
            writer.write(&requests).await?;
        }
        while self.tracking.open() > 0 && Instant::now() < self.deadline {
            block_in_place(|| self.follow())?;
        }
        Ok(())
    }

    /// Reads the next events and shows the progress.
    fn follow(&mut self) -> Result<(), Failure> {
        let records = self.reader.read(READ_TIMEOUT).map_err(Failure::query)?;
        let now = Instant::now();
        let before = self.tracking.counts;
        for record in &records {
            if let Some(ended) = self.tracking.follow(record, &mut self.decoder)?
                && (self.is_short || !matches!(ended.outcome, Outcome::Completed { .. }))
            {
                self.progress.print(&line(&ended))?;
            }
        }
        self.progress.show(&self.tracking, now);
        if self.tracking.counts != before {
            self.stalled_since = Some(now);
        } else if self.stalled_since.is_some_and(|since| now.duration_since(since) >= STALL) {
            self.stalled_since = None;
            self.progress.note(
                "no event for 30 s: is a backfill service running? `tapeline lag --group tapeline.backfill.executor`",
            );
        }
        Ok(())
    }
}

fn line(ended: &Ended) -> String {
    let Ended { id, symbol, outcome } = ended;
    let detail = match outcome {
        Outcome::Completed { records } => format!("{records} records"),
        Outcome::Partial { records, error } => format!("{records} records; {error}"),
        Outcome::Failed { class: contracts::BackfillErrorClass::Duplicate, .. } => {
            "fetched before, within the dedup window of the service".to_owned()
        }
        Outcome::Failed { class, error, .. } => format!("{class}: {error}"),
    };
    format!("{:<9}  {symbol:<8}  {id}  {detail}\n", outcome.as_str())
}

fn summary(total: usize, counts: &Counts, elapsed: Duration) -> String {
    let Counts { completed, duplicate, partial, failed, records, .. } = counts;
    let noun = if total == 1 { "request" } else { "requests" };
    format!(
        "{total} {noun} in {:.1} s: {completed} completed, {duplicate} fetched before, {partial} partial, {failed} failed; {records} records\n",
        elapsed.as_secs_f64()
    )
}

fn verdict(counts: &Counts, (open, unwritten): (usize, usize), timeout_s: u64) -> Result<(), Failure> {
    if (open, unwritten) != (0, 0) {
        return Err(Failure::not_ok(format!(
            "{open} requests did not end within {timeout_s} s, and {unwritten} were not written: the former continue, see \
             `tapeline backfill status`"
        )));
    }
    if counts.failed > 0 {
        return Err(Failure::not_ok(format!("requests failed: {}", counts.failed)));
    }
    match counts.partial {
        0 => Ok(()),
        partial => Err(Failure::Partial(format!("{partial} requests were served in part").into())),
    }
}

#[cfg(test)]
mod tests {
    use chassis::Exit;

    use super::*;

    #[test]
    fn exit_code_is_that_of_the_worst_request() {
        let exit = |counts: Counts, open| verdict(&counts, (open, 0), 1).map_err(|failure| failure.exit());
        let (completed, partial, failed) = (1, 1, 1);
        assert_eq!(exit(Counts { completed, duplicate: 1, ..Counts::default() }, 0), Ok(()));
        assert_eq!(exit(Counts { completed, partial, ..Counts::default() }, 0), Err(Exit::Partial));
        assert_eq!(exit(Counts { partial, failed, ..Counts::default() }, 0), Err(Exit::Failed));
        assert_eq!(exit(Counts::default(), 1), Err(Exit::Failed));
        let unwritten = verdict(&Counts::default(), (0, 1), 1).map_err(|failure| failure.exit());
        assert_eq!(unwritten, Err(Exit::Failed));
    }
}
