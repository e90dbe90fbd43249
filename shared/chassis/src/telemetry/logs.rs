//! Log lines, as JSON or text, on stderr, through a writer that never makes the work wait.
//!
//! Lines wait in a queue with a bound; when nobody takes them, new ones are dropped and counted. The count is a
//! metric ([`DROPPED`]), so that a silent log is visible elsewhere.

use std::io::Write;

use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::telemetry::catalogue::{Kind, Metric};

/// Lines that were dropped because the queue was full.
pub const DROPPED: Metric = Metric {
    name: "chassis_log_dropped_lines_total",
    kind: Kind::Counter,
    unit: "lines",
    labels: &[],
    help: "Log lines dropped because nobody read them fast enough.",
};

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object a line, for machines.
    Json,
    /// One line of text, for people.
    Text,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogSettings {
    /// JSON or text.
    pub format: Format,
    /// Levels by target, in the syntax of `tracing_subscriber::EnvFilter` (`info,kafka_io=debug`).
    pub filter: String,
    /// The bound of the queue, lines.
    pub queue_lines: usize,
}

/// Keeps the writer alive; dropping it flushes, for a little over a second at most.
#[derive(Debug)]
pub struct Logs {
    dropped: ErrorCounter,
    _writer: WorkerGuard,
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is none.
    #[error("log filter {0:?} can't be read")]
    Filter(String, #[source] ParseError),
    /// The process has a subscriber already.
    #[error("a log subscriber is installed already")]
    Installed,
}

// === impl LogSettings ===

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: Format::Json, filter: "info".to_owned(), queue_lines: 16_384 }
    }
}

// === impl Logs ===

impl Logs {
    /// Starts logging to stderr for the whole process.
    ///
    /// # Errors
    ///
    /// When the filter can't be read, or the process logs already.
    pub fn start(settings: &LogSettings) -> Result<Self, LogError> {
        let (subscriber, logs) = Self::onto(settings, std::io::stderr())?;
        tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Installed)?;
        Ok(logs)
    }

    /// A subscriber that logs onto `writer`, not yet anybody's.
    ///
    /// # Errors
    ///
    /// When the filter can't be read.
    pub fn onto(
        settings: &LogSettings,
        writer: impl Write + Send + 'static,
    ) -> Result<(Box<dyn Subscriber + Send + Sync>, Self), LogError> {
        let filter = EnvFilter::try_new(&settings.filter)
            .map_err(|error| LogError::Filter(settings.filter.clone(), error))?;
        let (writer, guard) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(settings.queue_lines)
            .thread_name("log-writer")
            .finish(writer);
        let logs = Self { dropped: writer.error_counter(), _writer: guard };
        let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
        let subscriber: Box<dyn Subscriber + Send + Sync> = match settings.format {
            Format::Json => Box::new(
                lines.json().flatten_event(true).with_current_span(true).with_span_list(false).finish(),
            ),
            Format::Text => Box::new(lines.finish()),
        };
        Ok((subscriber, logs))
    }

    /// Counts the lines dropped so far; keeps working after the logs have ended.
    pub fn dropped_lines(&self) -> impl Fn() -> u64 + Send + use<> {
        let dropped = self.dropped.clone();
        move || u64::try_from(dropped.dropped_lines()).unwrap_or(u64::MAX)
    }
}

/// Sends the process's panics to the log, for a stderr that nobody reads would hold a panicking thread.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, panic = crate::panics::message(panic.payload()), "panicked");
    }));
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn logging_to_a_stuck_pipe_never_blocks_the_work_and_counts_what_it_drops() {
        const LINES: u64 = 50_000;
        let (unread, stuck) = std::io::pipe().unwrap();
        let settings = LogSettings { queue_lines: 100, ..LogSettings::default() };
        let (subscriber, logs) = Logs::onto(&settings, stuck).unwrap();
        let (done, finished) = sync_channel(1);
        std::thread::spawn(move || {
            tracing::subscriber::with_default(subscriber, || {
                for line in 0..LINES {
                    tracing::info!(line, "work goes on");
                }
            });
            done.send(()).unwrap();
        });
        finished
            .recv_timeout(Duration::from_secs(120))
            .expect("the work waited for a pipe that nobody reads");
        // A pipe holds 64 KiB and a line is longer than 64 bytes: at most 1,024 lines left, and 100 wait.
        let dropped = logs.dropped_lines()();
        assert!(dropped >= LINES - 1_024 - 101, "only {dropped} of {LINES} lines are counted as dropped");
        drop(unread);
    }

    #[test]
    fn a_json_line_carries_its_fields_and_its_span() {
        let (mut written, pipe) = std::io::pipe().unwrap();
        let (subscriber, logs) = Logs::onto(&LogSettings::default(), pipe).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!("task", service = "feature")
                .in_scope(|| tracing::warn!(partition = 3, "lag grows"));
        });
        drop(logs);
        let mut text = String::new();
        written.read_to_string(&mut text).unwrap();
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "lag grows");
        assert_eq!(line["partition"], 3);
        assert_eq!(line["span"]["service"], "feature");
    }

    #[test]
    fn a_filter_that_is_none_is_refused_with_its_text() {
        let settings = LogSettings { filter: "info,=,".to_owned(), ..LogSettings::default() };
        let fault = Logs::onto(&settings, std::io::sink()).err().expect("refused");
        assert!(fault.to_string().contains("info,=,"));
    }
}
