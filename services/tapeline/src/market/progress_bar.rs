//! Progress of a run over the dates of its replay.

use std::sync::Arc;
use std::time::Instant;

use indicatif::ProgressBar;
use jiff::civil::Date;

use crate::output::{ProgressLines, bar_style};

/// Progress over the dates of a replay, on standard error: a bar on a terminal, otherwise a line every few seconds.
#[derive(Debug, Clone)]
pub struct DateProgress {
    bar: ProgressBar,
    /// The bar that the terminal shows: this one, or the status of a run without a known end.
    shown: ProgressBar,
    /// `None` for a run without a known end, which has its own status line.
    lines: Option<Arc<ProgressLines>>,
}

impl DateProgress {
    /// Returns a progress bar that has not started.
    #[must_use]
    pub fn visible() -> Self {
        let bar = ProgressBar::no_length();
        let lines = bar.is_hidden().then(|| Arc::new(ProgressLines::new(Instant::now())));
        Self { shown: bar.clone(), bar, lines }
    }

    /// Returns a hidden progress for a run without a known end, of which `status` is shown.
    #[must_use]
    pub fn hidden(status: ProgressBar) -> Self {
        Self { bar: ProgressBar::hidden(), shown: status, lines: None }
    }

    pub(super) fn start(&self, dates: usize) {
        self.bar.set_style(bar_style("{msg} {wide_bar} {pos}/{len} dates, {rate}, {eta} left"));
        self.bar.set_length(dates as u64);
        self.bar.reset();
    }

    pub(super) fn complete(&self, date: Date) {
        self.bar.set_message(date.to_string());
        self.bar.inc(1);
        if self.lines.as_ref().is_some_and(|lines| lines.is_due(Instant::now())) {
            let (done, total) = self.dates();
            let left = self.bar.eta().as_secs();
            let rate = self.bar.per_sec();
            chassis::output::note(&format!("{date}: {done}/{total} dates, {rate:.1}/s, {left} s left"));
        }
    }

    /// Returns the number of completed dates and of all dates.
    #[must_use]
    pub fn dates(&self) -> (u64, u64) {
        (self.bar.position(), self.bar.length().unwrap_or(0))
    }

    /// Prints a line to standard error, above what the terminal shows.
    pub fn print(&self, text: &str) {
        self.shown.suspend(|| chassis::output::note(text));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use indicatif::{ProgressDrawTarget, ProgressStyle, TermLike};

    use super::*;

    /// A terminal that records what is written and cleared.
    #[derive(Debug, Clone, Default)]
    struct Terminal(Arc<Mutex<Vec<String>>>);

    impl Terminal {
        fn record(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push(text.to_owned());
            Ok(())
        }
    }

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            80
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.record(text)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            if text.trim().is_empty() { Ok(()) } else { self.record(text) }
        }

        fn clear_line(&self) -> io::Result<()> {
            self.record("clear")
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn message_is_printed_while_the_status_is_cleared() {
        let terminal = Terminal::default();
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let status = ProgressBar::with_draw_target(None, target);
        status.set_style(ProgressStyle::with_template("{msg}").unwrap());
        status.set_message("status");
        status.tick();
        let before = terminal.0.lock().unwrap().len();
        DateProgress::hidden(status.clone()).print("a message of a test");
        let during = terminal.0.lock().unwrap()[before..].to_vec();
        assert_eq!(during, ["clear", "status"], "the status is drawn again below the message");
    }
}
