//! Logging to stderr, as JSON or text, through a non-blocking writer.
//!
//! The lines pass through a bounded queue. If stderr is not read fast enough, new lines are dropped and counted by the metric
//! [`DROPPED`], so that lost lines are visible.

use std::io::{self, Write};

use kit::SaturatingFrom;
use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::printable::{escaped, printable_json};
use crate::telemetry::catalogue::Metric;

pub const DROPPED: Metric = Metric::counter(
    "chassis_log_dropped_lines_total",
    "lines",
    "Log lines dropped because the log queue was full.",
);

/// Format of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// Plain text.
    Text,
}

/// The section `logs` of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogSettings {
    /// Format of the lines: `json` or `text`.
    pub format: Format,
    /// Levels by target, in the syntax of `tracing_subscriber::EnvFilter` (`info,kafka_io=debug`).
    pub filter: String,
    /// Capacity of the queue to the writer, lines.
    pub queue_lines: usize,
}

/// Keeps the writer running. Dropping it flushes the queue, for at most a little more than a second.
#[derive(Debug)]
pub struct Logs {
    dropped: ErrorCounter,
    _writer: WorkerGuard,
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("invalid log filter {0:?}")]
    Filter(String, #[source] ParseError),
    #[error("a log subscriber is already installed")]
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
    /// The filter is invalid, or the process already has a subscriber.
    pub fn start(settings: &LogSettings) -> Result<Self, LogError> {
        let (subscriber, logs) = Self::onto(settings, std::io::stderr())?;
        tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Installed)?;
        Ok(logs)
    }

    /// Creates a subscriber that logs to `writer`, without installing it.
    ///
    /// # Errors
    /// The filter is invalid.
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
            .finish(PrintableLines { writer, format: settings.format });
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

    /// Returns a function that returns the number of dropped lines. It works after the logs have been dropped.
    pub fn dropped_lines(&self) -> impl Fn() -> u64 + Send + use<> {
        let dropped = self.dropped.clone();
        move || u64::saturating_from(dropped.dropped_lines())
    }
}

/// Escapes the control characters of each line: values may be what others wrote. The queue writes a line at once.
struct PrintableLines<W> {
    writer: W,
    format: Format,
}

impl<W: Write> Write for PrintableLines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        match self.format {
            Format::Json => self.writer.write_all(printable_json(&text).as_bytes())?,
            // A line break inside a line would start another one.
            Format::Text => {
                let text = text.strip_suffix('\n').unwrap_or(&text);
                self.writer.write_all(format!("{}\n", escaped(text, usize::MAX)).as_bytes())?;
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Logs panics through the queue. The default hook writes to stderr and would block a panicking thread if stderr is not read.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, panic = crate::panics::message(panic.payload()), "thread panicked");
    }));
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn blocked_log_pipe_drops_and_counts_lines_without_blocking() {
        const LINES: u64 = 50_000;
        let (reader, writer) = std::io::pipe().unwrap();
        let settings = LogSettings { queue_lines: 100, ..LogSettings::default() };
        let (subscriber, logs) = Logs::onto(&settings, writer).unwrap();
        let (done, finished) = sync_channel(1);
        std::thread::spawn(move || {
            tracing::subscriber::with_default(subscriber, || {
                for line in 0..LINES {
                    tracing::info!(line, "working");
                }
            });
            done.send(()).unwrap();
        });
        finished.recv_timeout(Duration::from_secs(120)).expect("logging blocked on a pipe that is not read");
        // A pipe buffers 64 KiB and a line is longer than 64 bytes: at most 1,024 lines were written, and 100 are queued.
        let dropped = logs.dropped_lines()();
        assert!(dropped >= LINES - 1_024 - 101, "only {dropped} of {LINES} lines were counted as dropped");
        drop(reader);
    }

    /// Sends the name of each thread that writes.
    struct WritingThreads(std::sync::mpsc::SyncSender<Option<String>>);

    impl Write for WritingThreads {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            drop(self.0.send(std::thread::current().name().map(str::to_owned)));
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn line_is_written_by_the_writer_thread() {
        let (written, writers) = sync_channel(10);
        let (subscriber, logs) = Logs::onto(&LogSettings::default(), WritingThreads(written)).unwrap();
        tracing::subscriber::with_default(subscriber, || tracing::info!("working"));
        drop(logs);
        assert_eq!(writers.iter().collect::<Vec<_>>(), [Some("log-writer".to_owned())]);
    }

    #[test]
    fn json_line_contains_fields_and_span() {
        let (mut written, pipe) = std::io::pipe().unwrap();
        let (subscriber, logs) = Logs::onto(&LogSettings::default(), pipe).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!("task", service = "feature")
                .in_scope(|| tracing::warn!(partition = 3, "lag increased"));
        });
        drop(logs);
        let mut text = String::new();
        written.read_to_string(&mut text).unwrap();
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "lag increased");
        assert_eq!(line["partition"], 3);
        assert_eq!(line["span"]["service"], "feature");
    }

    #[test]
    fn control_characters_of_values_are_escaped_in_both_formats() {
        for (format, expected) in
            [(Format::Json, r"A\u009b2J\u202eL\nB"), (Format::Text, r"A\u{9b}2J\u{202e}L\nB")]
        {
            let (mut written, pipe) = std::io::pipe().unwrap();
            let settings = LogSettings { format, ..LogSettings::default() };
            let (subscriber, logs) = Logs::onto(&settings, pipe).unwrap();
            tracing::subscriber::with_default(subscriber, || {
                let error = "A\u{9b}2J\u{202e}L\nB";
                tracing::warn!(%error, "failed");
            });
            drop(logs);
            let mut text = String::new();
            written.read_to_string(&mut text).unwrap();
            assert!(text.contains(expected), "{text:?}");
            assert_eq!((text.lines().count(), text.ends_with('\n')), (1, true), "{text:?}");
        }
    }

    #[test]
    fn invalid_filter_is_an_error_with_its_text() {
        let settings = LogSettings { filter: "info,=,".to_owned(), ..LogSettings::default() };
        let error = Logs::onto(&settings, std::io::sink()).err().expect("an error");
        assert!(error.to_string().contains("info,=,"));
    }
}
