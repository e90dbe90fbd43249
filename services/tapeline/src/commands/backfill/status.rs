//! `tapeline backfill status`: open and recent requests, from the topics alone.

use contracts::WriterSchemas;
use domain::{Symbol, Timestamp};
use kafka_io::KafkaConfig;
use serde::Serialize;
use uuid::Uuid;

use super::args::StatusArgs;
use crate::cluster::{self, EndReader};
use crate::exit::Failure;
use crate::history::{BackfillState, Decoder, LoggedBackfill, REQUEST_TOPICS, RequestLog};
use crate::output::{columns, print, print_json, wrapped};

/// The requests that are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    All,
    Symbol(Symbol),
    Backfill(Uuid),
}

/// Open and ended requests, the newest first.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) open: Vec<LoggedBackfill>,
    pub(super) ended: Vec<LoggedBackfill>,
    /// The numbers of all open and of all ended requests.
    counts: (usize, usize),
}

/// A request as JSON.
#[derive(Debug, Serialize)]
struct Row {
    backfill_id: String,
    symbol: String,
    state: &'static str,
    requested_at: Option<String>,
    cancel_requested_at: Option<String>,
    ended_at: Option<String>,
    attempt: Option<i32>,
    /// Written and all chunks of its newest fetch.
    chunks: Option<(i32, i32)>,
    request: Option<contracts::RangeRequest>,
    error_class: Option<&'static str>,
    error: Option<String>,
}

/// Prints the requests.
///
/// # Errors
/// [`Failure::NotOk`] if a target is given and has no request; a cluster or registry that is unreachable or denies access.
pub(super) async fn run(args: StatusArgs) -> Result<(), Failure> {
    let target = args.target.as_deref().map_or(Ok(Target::All), Target::parse)?;
    let kafka = cluster::kafka(&args.cluster)?;
    let registry = cluster::registry(&args.cluster)?;
    let limit = args.limit;
    let reading = tokio::task::spawn_blocking(move || Listed::read(&kafka, &registry, target, limit));
    let listed = reading.await.map_err(Failure::not_ok)??;
    if args.json {
        let rows = |of: &[LoggedBackfill]| of.iter().map(Row::of).collect::<Vec<_>>();
        let (open, ended) = listed.counts;
        let counts = serde_json::json!({"open": open, "ended": ended});
        let (open, ended) = (rows(&listed.open), rows(&listed.ended));
        print_json(&serde_json::json!({"counts": counts, "open": open, "ended": ended}))?;
    } else {
        print(&listed.text(columns()))?;
    }
    match args.target {
        Some(target) if listed.counts == (0, 0) => {
            Err(Failure::not_ok(format!("no request of {target} in the topics")))
        }
        _ => Ok(()),
    }
}

impl Target {
    fn parse(text: &str) -> Result<Self, Failure> {
        if let Ok(id) = Uuid::try_parse(text) {
            return Ok(Self::Backfill(id));
        }
        Symbol::parse(text).map(Self::Symbol).map_err(|error| {
            Failure::usage(format!("invalid argument: {error}, and is no backfill_id (a UUID)"))
        })
    }

    fn contains(self, backfill: &LoggedBackfill) -> bool {
        match self {
            Self::All => true,
            Self::Symbol(symbol) => backfill.symbol == symbol.as_str(),
            Self::Backfill(id) => backfill.id == id,
        }
    }
}

impl Listed {
    /// Reads the requests, one partition at a time. Keeps the newest `limit` open and ended ones. Blocks.
    pub(super) fn read(
        kafka: &KafkaConfig,
        writers: &(dyn WriterSchemas + Sync),
        target: Target,
        limit: usize,
    ) -> Result<Self, Failure> {
        let count = cluster::partition_count(kafka, &REQUEST_TOPICS)?;
        let partitions = match target {
            Target::Symbol(symbol) => {
                let own = contracts::partition_for(symbol.as_str().as_bytes(), count);
                own..own + 1
            }
            Target::All | Target::Backfill(_) => 0..count,
        };
        let mut listed = Self::default();
        for partition in partitions {
            let mut reader = EndReader::of_partition(kafka, &REQUEST_TOPICS, partition, "requests")?;
            let (mut log, mut decoder) = (RequestLog::default(), Decoder::new(writers));
            while let Some(records) = reader.next_batch()? {
                for record in &records {
                    log.add(record, &mut decoder)?;
                }
            }
            let found = log.newest_first().into_iter().filter(|backfill| target.contains(backfill));
            let (open, ended) = found.partition::<Vec<_>, _>(|backfill| backfill.state().is_open());
            listed.counts.0 += open.len();
            listed.counts.1 += ended.len();
            add_newest(&mut listed.open, open, limit);
            add_newest(&mut listed.ended, ended, limit);
        }
        Ok(listed)
    }

    fn text(&self, columns: usize) -> String {
        let (open, ended) = self.counts;
        let mut text = format!("open {open}, ended {ended}\n");
        for backfill in self.open.iter().chain(&self.ended) {
            text.push('\n');
            text.push_str(&line(backfill));
            text.push_str(&wrapped(&details(backfill), columns));
        }
        let hidden = (open - self.open.len(), ended - self.ended.len());
        if hidden != (0, 0) {
            text.push_str(&format!("\nand {} open, {} ended: --limit\n", hidden.0, hidden.1));
        }
        text
    }
}

fn add_newest(list: &mut Vec<LoggedBackfill>, more: Vec<LoggedBackfill>, limit: usize) {
    list.extend(more);
    list.sort_by_key(|backfill| std::cmp::Reverse(backfill.newest_ms()));
    list.truncate(limit);
}

fn line(backfill: &LoggedBackfill) -> String {
    let state = backfill.state().as_str();
    format!("{state:<9}  {:<8}  {}\n", backfill.symbol, backfill.id)
}

fn details(backfill: &LoggedBackfill) -> Vec<String> {
    let row = Row::of(backfill);
    let mut details = Vec::new();
    if let Some(request) = &backfill.request {
        let types: Vec<&str> = request.data_types.iter().map(|kind| kind.as_str()).collect();
        let at = |micros| Timestamp::from_micros(micros).to_string();
        details.push(format!("{} to {}", at(request.start), at(request.end)));
        details.push(format!("layer {} {}", request.layer, types.join(",")));
        let refetch = if request.refetch { " (refetch)" } else { "" };
        details.push(format!("{} by {}{refetch}", request.trigger, request.source));
    }
    details.extend(row.requested_at.map(|at| format!("requested {at}")));
    details.extend(row.chunks.map(|(done, total)| format!("chunk {done} of {total}")));
    details.extend(row.cancel_requested_at.map(|at| format!("cancel requested {at}")));
    details.extend(row.ended_at.map(|at| format!("ended {at}")));
    details.extend(row.attempt.map(|attempt| format!("attempt {attempt}")));
    details.extend(row.error.map(|error| match row.error_class {
        Some(class) => format!("{class}: {error}"),
        None => error,
    }));
    details
}

impl Row {
    fn of(backfill: &LoggedBackfill) -> Self {
        let at = |ms: i64| Timestamp::from_micros(ms.saturating_mul(1_000)).to_string();
        let state = backfill.state();
        let (ended, chunks) = match state {
            BackfillState::Ended(end) => (Some(end), None),
            BackfillState::Running(progress) => (None, Some((progress.done, progress.total))),
            BackfillState::Requested => (None, None),
        };
        let outcome = ended.map(|end| &end.outcome);
        Self {
            backfill_id: backfill.id.to_string(),
            symbol: backfill.symbol.clone(),
            state: state.as_str(),
            requested_at: backfill.request.is_some().then(|| at(backfill.requested_at_ms)),
            cancel_requested_at: backfill.cancel_at_ms.map(at),
            ended_at: ended.map(|end| at(end.at_ms)),
            attempt: ended.map(|end| end.attempt),
            chunks,
            request: backfill.request.clone(),
            error_class: outcome.and_then(|outcome| Some(outcome.class()?.as_str())),
            error: outcome.and_then(|outcome| outcome.error().map(str::to_owned)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_is_a_symbol_or_an_id() {
        let id = "6c0c61cf-20f1-5f2b-8f6a-0a4f2c6f1f10";
        assert_eq!(Target::parse(id).unwrap(), Target::Backfill(id.parse().unwrap()));
        assert_eq!(Target::parse("BRK.B").unwrap(), Target::Symbol(Symbol::parse("BRK.B").unwrap()));
        let error = Target::parse("aapl").unwrap_err();
        assert_eq!(error.exit(), chassis::Exit::Usage);
        assert!(error.to_string().contains("\"aapl\""), "{error}");
    }
}
