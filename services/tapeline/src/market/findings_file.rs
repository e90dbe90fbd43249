//! A file of findings (NDJSON), posted in the order of their event times.

use std::collections::VecDeque;
use std::path::Path;

use domain::Timestamp;
use serde_json::Value;

use crate::exit::Failure;

/// The lines of the file that are not posted yet.
///
/// Lines are posted unchanged, invalid ones too: the edge reports what is invalid.
#[derive(Debug, Default)]
pub struct Findings {
    dated: VecDeque<(Timestamp, String)>,
    undated: Vec<String>,
}

impl Findings {
    /// Reads the file without its blank lines.
    ///
    /// # Errors
    /// The error of the file system, with the path.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, error))?;
        Ok(Self::from_text(&text))
    }

    fn from_text(text: &str) -> Self {
        let mut findings = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            match occurred_at(line) {
                Some(at) => findings.dated.push_back((at, line.to_owned())),
                None => findings.undated.push(line.to_owned()),
            }
        }
        findings.dated.make_contiguous().sort_by_key(|(at, _)| *at);
        findings
    }

    /// Takes the lines that occurred at or before `at`, the oldest first.
    pub fn take_until(&mut self, at: Timestamp) -> Vec<String> {
        let due = self.dated.partition_point(|(occurred_at, _)| *occurred_at <= at);
        self.dated.drain(..due).map(|(_, line)| line).collect()
    }

    /// Takes all remaining lines: first those with a time, then those without, which occur when they are posted.
    pub fn take_all(&mut self) -> Vec<String> {
        let mut lines: Vec<String> = self.dated.drain(..).map(|(_, line)| line).collect();
        lines.append(&mut self.undated);
        lines
    }
}

fn occurred_at(line: &str) -> Option<Timestamp> {
    let value: Value = serde_json::from_str(line).ok()?;
    Timestamp::parse(value.get("occurred_at")?.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_by_time_and_undated_ones_last() {
        let text = "{oops\n{\"n\":1,\"occurred_at\":\"2005-03-01T21:00:00Z\"}\n\n{\"n\":2}\n\
                    {\"n\":3,\"occurred_at\":\"2005-02-01T21:00:00Z\"}\n";
        let mut findings = Findings::from_text(text);
        let first = findings.take_until(Timestamp::parse("2005-02-01T21:00:00Z").unwrap());
        assert_eq!(first, ["{\"n\":3,\"occurred_at\":\"2005-02-01T21:00:00Z\"}"]);
        let others = findings.take_all();
        assert_eq!(others.len(), 3);
        assert!(others[0].contains("\"n\":1") && others[1] == "{oops" && others[2] == "{\"n\":2}");
        assert!(findings.take_all().is_empty());
    }

    #[test]
    fn missing_file_is_an_error_with_its_path() {
        let error = Findings::read(Path::new("no/such.ndjson")).unwrap_err().chain();
        assert!(error.starts_with("failed to read no/such.ndjson: "), "{error}");
    }
}
