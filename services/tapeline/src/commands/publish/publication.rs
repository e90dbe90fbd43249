//! The publication of one input: each batch is posted until its findings have results, which are printed and counted.

use chassis::Shutdown;
use tokio::sync::mpsc::Receiver;

use super::batches::LineBatch;
use super::tally::Tally;
use crate::exit::{Cause, Failure};
use crate::finding_lines::{FindingLine, InputError};
use crate::market::{ItemResult, PostLines, Retries};
use crate::output::print;

/// Batches in succession without a final result after which the publication ends. The results of one batch may be lost with a connection;
/// each is posted for half a minute.
const STALLED_BATCHES_MAX: u32 = 3;

pub(super) struct Publication<D> {
    name: String,
    destination: D,
    tally: Tally,
    retries: Retries,
    shutdown: Shutdown,
    /// The first line without a result, if the destination failed.
    stopped_at: Option<u64>,
    /// Batches without a final result since the last one with any.
    stalled: u32,
    /// The outcome of the first finding of the last of them.
    stalled_cause: String,
}

impl<D: PostLines> Publication<D> {
    /// Returns the publication of the input with this name, which ends at the shutdown.
    pub(super) fn new(name: String, destination: D, tally: Tally, shutdown: Shutdown) -> Self {
        let retries = Retries::of_unwritten(shutdown.clone());
        let (stopped_at, stalled, stalled_cause) = (None, 0, String::new());
        Self { name, destination, tally, retries, shutdown, stopped_at, stalled, stalled_cause }
    }

    /// Publishes all batches, and prints the counts.
    ///
    /// # Errors
    /// What ended it early, with position and counts; [`Failure::NotOk`] if a finding was not accepted.
    pub(super) async fn run(
        mut self,
        batches: Receiver<Result<LineBatch, InputError>>,
    ) -> Result<(), Failure> {
        let result = self.publish_all(batches).await;
        let tally = &self.tally;
        tally.finish();
        let printed = print(&format!("{tally}\n"));
        if let Err(failure) = result {
            let position = match (self.stopped_at, tally.line()) {
                (Some(line), _) => format!("at line {line}"),
                (None, 0) => "before the first line".to_owned(),
                (None, line) => format!("after line {line}"),
            };
            return Err(stopped(failure, &position, &self.name, tally));
        }
        printed.map_err(|failure| failure.context(&format!("all of {} published: {tally}", self.name)))?;
        if tally.line() == 0 {
            chassis::output::note(&format!("warning: {} has no findings", self.name));
        }
        match tally.not_accepted() {
            0 => Ok(()),
            count => Err(Failure::not_ok(format!("{count} findings not accepted"))),
        }
    }

    async fn publish_all(
        &mut self,
        mut batches: Receiver<Result<LineBatch, InputError>>,
    ) -> Result<(), Failure> {
        loop {
            let batch = tokio::select! {
                biased;
                () = self.shutdown.begun() => return Err(interrupted()),
                batch = batches.recv() => batch,
            };
            match batch.transpose().map_err(|error| self.unreadable(error))? {
                Some(batch) if batch.lines.is_empty() => return self.end(),
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
            let lines: Vec<&str> = texts.iter().map(String::as_str).collect();
            let posted = self.retries.post(&self.destination, &lines).await;
            self.tally.count_in_doubt(posted.in_doubt);
            self.stopped_at = numbers.get(posted.results.len()).copied();
            failure = match posted.error {
                Some(error) => Some(error.failure()),
                None => self.without_progress(&posted.results),
            };
            results.extend(numbers.into_iter().zip(posted.results));
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

    /// Returns a failure if no finding of some batches in succession has a final result: the next one would wait as long for the same.
    fn without_progress(&mut self, results: &[ItemResult]) -> Option<Failure> {
        let first = results.first()?;
        if self.shutdown.is_begun() || results.iter().any(ItemResult::is_final) {
            self.stalled = 0;
            return None;
        }
        self.stalled += 1;
        self.stalled_cause = format!("{}: {}", first.outcome, first.reason());
        (self.stalled == STALLED_BATCHES_MAX).then(|| self.stalled())
    }

    /// Returns the result at the end of the input: a failure if the last batches had no final result.
    fn end(&self) -> Result<(), Failure> {
        if self.stalled == 0 { Ok(()) } else { Err(self.stalled()) }
    }

    fn stalled(&self) -> Failure {
        let batches = match self.stalled {
            1 => "a batch".to_owned(),
            count => format!("{count} batches in succession"),
        };
        Failure::unreachable(format!("no finding of {batches} was accepted: {}", self.stalled_cause))
    }

    /// Returns the failure to read the input: nothing was processed, or a part of it.
    fn unreadable(&self, error: InputError) -> Failure {
        let cause = Cause::new(format!("failed to read {}", self.name), error);
        if self.tally.line() > 0 { Failure::NotOk(cause) } else { Failure::Usage(cause) }
    }
}

fn interrupted() -> Failure {
    Failure::not_ok("interrupted by a signal")
}

/// Prints the counts of a publication that a signal ended before its input or its destination was open.
///
/// # Errors
/// Always, with position and counts.
pub(super) fn interrupted_before(name: &str) -> Result<(), Failure> {
    let tally = Tally::new(None);
    tally.finish();
    // The interruption is reported, whether the counts can be printed or not.
    drop(print(&format!("{tally}\n")));
    Err(stopped(interrupted(), "before the first line", name, &tally))
}

fn stopped(failure: Failure, position: &str, name: &str, tally: &Tally) -> Failure {
    failure.context(&format!("publishing stopped {position} of {name}: {tally}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::local_edge::LocalEdge;
    use super::*;
    use crate::finding_lines::LineError;
    use crate::market::{EdgeClient, Posted, ScriptedEdge, result};
    use chassis::telemetry::{Catalogue, Metrics};
    use chassis::{Exit, SystemClock};
    use contracts::Topic;
    use kafka_io::{OutRecord, ProduceError};
    use publisher::edge::{
        Acknowledgements, Edge, EdgeCounts, EdgeLimits, EdgeMetrics, EdgeServer, Produce, serve,
    };
    use testkit::stage_bench::wire;
    use tokio::sync::mpsc;

    const ALERT: &str = r#"{"event":"scanner.alert.raised","symbol":"AAPL","alert_type":"volume_spike","score":0.5,"message":"m","source_scanner":"s","metadata":{}}"#;

    /// Publishes batches of two lines, until the input ends with this error, or without one.
    async fn publish(
        destination: &(impl PostLines + Sync),
        batches: usize,
        error: Option<InputError>,
    ) -> Result<(), Failure> {
        let line = |number| FindingLine { number, text: Ok(ALERT.to_owned()) };
        let batches =
            (1..).step_by(2).take(batches).map(|first| vec![line(first), line(first + 1)]).collect();
        publish_lines(destination, batches, error).await
    }

    async fn publish_lines(
        destination: &(impl PostLines + Sync),
        batches: Vec<Vec<FindingLine>>,
        error: Option<InputError>,
    ) -> Result<(), Failure> {
        let (sender, receiver) = mpsc::channel(100);
        for lines in batches {
            let batch = LineBatch { lines, bytes_read: 0 };
            sender.send(Ok(batch)).await.unwrap();
        }
        sender.send(error.map_or_else(|| Ok(LineBatch::default()), Err)).await.unwrap();
        let shutdown = Shutdown::new();
        let mut publication =
            Publication::new("f.ndjson".to_owned(), destination, Tally::new(None), shutdown);
        publication.retries = publication.retries.without_wait();
        publication.run(receiver).await
    }

    fn posted(outcomes: [&str; 2]) -> Posted {
        Posted { results: outcomes.map(result).into(), ..Posted::default() }
    }

    fn disk_failed() -> Option<InputError> {
        Some(std::io::Error::other("disk failed").into())
    }

    #[tokio::test]
    async fn three_batches_without_a_final_result_end_with_3() {
        let stalled = || posted(["unknown", "unknown"]);
        let progress = || posted(["unknown", "accepted"]);
        let responses = vec![stalled(), stalled(), progress(), stalled(), stalled(), stalled()];
        let edge = ScriptedEdge::new(responses);
        let failure = publish(&edge, 9, None).await.unwrap_err();
        assert_eq!((failure.exit(), edge.requests().len()), (Exit::Unreachable, 6), "no unknown is repeated");
        let text = failure.chain();
        assert!(
            text.starts_with("publishing stopped after line 12 of f.ndjson: 1 accepted, 11 not"),
            "{text}"
        );
        let cause = "no finding of 3 batches in succession was accepted: unknown: cause of unknown";
        assert!(text.ends_with(cause), "{text}");
    }

    #[tokio::test]
    async fn end_of_the_input_without_a_final_result_ends_with_3() {
        let failure = publish(&ScriptedEdge::new(Vec::new()), 1, None).await.unwrap_err();
        assert_eq!(failure.exit(), Exit::Unreachable);
        let text = failure.chain();
        assert!(text.contains("0 accepted, 2 not accepted (0 rejected, 2 failed"), "{text}");
        assert!(text.ends_with("no finding of a batch was accepted: failed: cause of failed"), "{text}");

        let edge = ScriptedEdge::new(vec![posted(["unknown", "unknown"]), posted(["accepted", "accepted"])]);
        let failure = publish(&edge, 2, None).await.unwrap_err();
        assert_eq!((failure.exit(), failure.chain().as_str()), (Exit::Failed, "2 findings not accepted"));
    }

    #[tokio::test]
    async fn failed_finding_is_repeated_and_invalid_ones_are_progress() {
        let again = Posted { results: vec![result("accepted")], ..Posted::default() };
        let edge =
            ScriptedEdge::new(vec![posted(["failed", "accepted"]), again, posted(["invalid", "invalid"])]);
        let failure = publish(&edge, 2, None).await.unwrap_err();
        assert_eq!((failure.exit(), failure.chain().as_str()), (Exit::Failed, "2 findings not accepted"));
        assert_eq!(edge.requests().len(), 3);
    }

    #[tokio::test]
    async fn read_error_exits_with_1_once_a_line_was_processed() {
        let accepting = || ScriptedEdge::new(vec![posted(["accepted", "accepted"])]);
        let failure = publish(&accepting(), 1, disk_failed()).await.unwrap_err();
        let expected = "publishing stopped after line 2 of f.ndjson: 2 accepted, 0 not accepted: failed to read f.ndjson: disk failed";
        assert_eq!((failure.exit(), failure.chain().as_str()), (Exit::Failed, expected));
        assert_eq!(publish(&accepting(), 0, disk_failed()).await.unwrap_err().exit(), Exit::Usage);
        let broken = vec![FindingLine { number: 7, text: Err(LineError::NotUtf8(3)) }];
        let failure = publish_lines(&accepting(), vec![broken], disk_failed()).await.unwrap_err();
        assert_eq!(failure.exit(), Exit::Failed, "a broken line has a result");
    }

    /// Kafka denies the permission to write. Clones share the number of batches.
    #[derive(Clone, Default)]
    struct Denying(Arc<AtomicUsize>);

    impl Produce for Denying {
        fn produce(&self, records: Vec<OutRecord>) -> Acknowledgements {
            self.0.fetch_add(1, Ordering::Relaxed);
            let denied = ProduceError::Denied { cause: "Broker: Topic authorization failed".to_owned() };
            Box::pin(async move { vec![Err(denied); records.len()] })
        }
    }

    fn assert_denied(failure: &Failure, writer: &str, batches: &Denying) {
        assert_eq!((failure.exit(), batches.0.load(Ordering::Relaxed)), (Exit::Refused, 1));
        let text = failure.chain();
        let counts = "after line 2 of f.ndjson: 0 accepted, 2 not accepted (0 rejected, 2 failed, 0 unknown)";
        let cause = format!(
            "{counts}: Kafka denied access to {writer}: not written: not authorized: Broker: Topic authorization failed"
        );
        assert!(text.ends_with(&cause), "{text}");
    }

    #[tokio::test]
    async fn denied_permission_ends_with_7_at_once() {
        let (wire, denying) = (wire("publisher", Topic::PublisherDeadLetter), Denying::default());
        let failure = publish(&LocalEdge::new(wire, denying.clone()), 9, None).await.unwrap_err();
        assert_denied(&failure, "this process", &denying);
    }

    #[tokio::test]
    async fn denied_permission_of_an_edge_ends_with_7_at_once() {
        let (wire, denying) = (wire("publisher", Topic::PublisherDeadLetter), Denying::default());
        let metrics = Metrics::new(&Catalogue::new().with(publisher::metric_names::METRICS)).unwrap();
        let scope = metrics.process_scope();
        let settings = publisher::config::EdgeSection::default();
        let clock = Arc::new(SystemClock::new());
        let limits = EdgeLimits { body_max_bytes: 1 << 20, items_max: 100 };
        let edge = Edge::new(wire, denying.clone(), limits, EdgeCounts::new(&scope), clock);
        let server = EdgeServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let client = EdgeClient::new(server.address()).unwrap();
        let writer = format!("edge http://{}", server.address());
        let metrics = EdgeMetrics::new(&scope);
        let serving = serve(
            server,
            Arc::new(edge),
            publisher::service::serve_limits(&settings),
            metrics,
            Shutdown::new(),
        );
        let failure = tokio::select! {
            result = publish(&client, 9, None) => result.unwrap_err(),
            () = serving => panic!("the edge ended"),
        };
        assert_denied(&failure, &writer, &denying);
    }
}
