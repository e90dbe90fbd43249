//! A file of findings (NDJSON), posted in the order of their event times.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use domain::Timestamp;
use serde_json::Value;

use super::finding_poster::FindingText;
use crate::exit::{Cause, Failure};
use crate::finding_lines::{FindingReader, LineError};

/// The lines of the file that are not posted yet.
///
/// Lines are posted unchanged, invalid findings too: the edge reports what is invalid.
#[derive(Debug, Default)]
pub struct Findings {
    dated: VecDeque<(Timestamp, FindingText)>,
    undated: Vec<FindingText>,
    /// Lines that are no JSON objects, with their numbers. They cannot be posted.
    pub broken: Vec<(u64, LineError)>,
}

impl Findings {
    /// Reads the file without its blank lines.
    ///
    /// # Errors
    /// The error of the file system, with the path; a file that is no text.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| Failure::file("read", path, error))?;
        Self::of(FindingReader::new(file), path)
    }

    fn of<R: Read>(mut lines: FindingReader<R>, path: &Path) -> Result<Self, Failure> {
        let mut findings = Self::default();
        let unreadable =
            |error| Failure::Usage(Cause::new(format!("failed to read {}", path.display()), error));
        while let Some(line) = lines.next_line().map_err(unreadable)? {
            let text = match line.text {
                Ok(text) => text,
                Err(error) => {
                    findings.broken.push((line.number, error));
                    continue;
                }
            };
            let at = occurred_at(&text);
            let finding = FindingText { line: Some(line.number), text };
            match at {
                Some(at) => findings.dated.push_back((at, finding)),
                None => findings.undated.push(finding),
            }
        }
        findings.dated.make_contiguous().sort_by_key(|(at, _)| *at);
        Ok(findings)
    }

    /// `true` if the file has no line that is not blank.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dated.is_empty() && self.undated.is_empty() && self.broken.is_empty()
    }

    /// Takes the lines that occurred at or before `at`, the oldest first.
    pub fn take_until(&mut self, at: Timestamp) -> Vec<FindingText> {
        let due = self.dated.partition_point(|(occurred_at, _)| *occurred_at <= at);
        self.dated.drain(..due).map(|(_, finding)| finding).collect()
    }

    /// Takes all remaining lines: first those with a time, then those without, which occur when they are posted.
    pub fn take_all(&mut self) -> Vec<FindingText> {
        let mut findings: Vec<FindingText> = self.dated.drain(..).map(|(_, finding)| finding).collect();
        findings.append(&mut self.undated);
        findings
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
        let text = b"\xef\xbb\xbf{\"n\":1,\"occurred_at\":\"2005-03-01T21:00:00Z\"}\n{oops\n\n{\"n\":2}\n{\"n\":\"\xe9\"}\n\
                    {\"n\":3,\"occurred_at\":\"2005-02-01T21:00:00Z\"}\n";
        let mut findings = Findings::of(FindingReader::new(&text[..]), Path::new("f")).unwrap();
        let texts = |findings: Vec<FindingText>| -> Vec<(u64, String)> {
            findings.into_iter().map(|finding| (finding.line.unwrap(), finding.text)).collect()
        };
        let first = findings.take_until(Timestamp::parse("2005-02-01T21:00:00Z").unwrap());
        assert_eq!(texts(first), [(6, "{\"n\":3,\"occurred_at\":\"2005-02-01T21:00:00Z\"}".to_owned())]);
        let others = texts(findings.take_all());
        assert_eq!(others.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(findings.take_all(), []);
        assert_eq!(findings.broken.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 5]);
    }

    #[test]
    fn file_of_another_format_is_named() {
        let of =
            |content: &[u8]| Findings::of(FindingReader::new(content), Path::new("f")).unwrap_err().chain();
        assert_eq!(
            of(b"\x1f\x8b"),
            "failed to read f: file is compressed (gzip), expected lines of JSON in UTF-8"
        );
    }

    #[test]
    fn missing_file_is_an_error_with_its_path() {
        let error = Findings::read(Path::new("no/such.ndjson")).unwrap_err().chain();
        assert!(error.starts_with("failed to read no/such.ndjson: "), "{error}");
    }
}
