//! A file of findings (NDJSON), to be posted in the order of the times that they speak of.

use std::collections::VecDeque;
use std::path::Path;

use domain::Timestamp;
use serde_json::Value;

use crate::exit::Failure;

/// The lines of the file that haven't been posted yet.
///
/// A line is posted as it stands, broken ones too: the edge says what is wrong with it.
#[derive(Debug, Default)]
pub struct Findings {
    dated: VecDeque<(Timestamp, String)>,
    undated: Vec<String>,
}

impl Findings {
    /// Reads the file; blank lines are passed over.
    ///
    /// # Errors
    /// What the system said, with the path.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text =
            std::fs::read_to_string(path).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?;
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

    /// Takes the lines that occurred at or before `at`, oldest first.
    pub fn take_until(&mut self, at: Timestamp) -> Vec<String> {
        let due = self.dated.partition_point(|(occurred_at, _)| *occurred_at <= at);
        self.dated.drain(..due).map(|(_, line)| line).collect()
    }

    /// Takes all that is left: first what has a time, then what has none and so occurs when it is posted.
    pub fn take_rest(&mut self) -> Vec<String> {
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
    fn lines_come_in_the_order_of_their_times_and_broken_ones_last() {
        let text = "{oops\n{\"n\":1,\"occurred_at\":\"2005-03-01T21:00:00Z\"}\n\n{\"n\":2}\n\
                    {\"n\":3,\"occurred_at\":\"2005-02-01T21:00:00Z\"}\n";
        let mut findings = Findings::from_text(text);
        let first = findings.take_until(Timestamp::parse("2005-02-01T21:00:00Z").unwrap());
        assert_eq!(first, ["{\"n\":3,\"occurred_at\":\"2005-02-01T21:00:00Z\"}"]);
        let rest = findings.take_rest();
        assert_eq!(rest.len(), 3);
        assert!(rest[0].contains("\"n\":1") && rest[1] == "{oops" && rest[2] == "{\"n\":2}");
        assert!(findings.take_rest().is_empty());
    }

    #[test]
    fn a_missing_file_is_named() {
        let fault = Findings::read(Path::new("no/such.ndjson")).unwrap_err().to_string();
        assert!(fault.starts_with("no/such.ndjson: "), "{fault}");
    }
}
