//! The batches of an input, read on a thread of its own: a pipe without data does not keep the command from ending at a signal.

use std::io::Read;

use tokio::sync::mpsc;

use crate::finding_lines::{FindingLine, FindingReader, InputError};
use crate::market::{BATCH_BYTES_MAX, BATCH_ITEMS_MAX};

/// Lines that are published together.
#[derive(Debug, Default)]
pub(super) struct LineBatch {
    pub(super) lines: Vec<FindingLine>,
    /// Bytes of the input up to its end.
    pub(super) bytes_read: u64,
}

/// Starts to read the input. At most three batches are in memory: the one that is published, the next one, and the one that the thread
/// reads. A batch is bounded in lines and bytes; it also ends where a pipe has no further line yet, so that the lines of a slow writer are
/// published as they come.
pub(super) fn read(
    input: Box<dyn Read + Send>,
    is_file: bool,
) -> mpsc::Receiver<Result<LineBatch, InputError>> {
    let (sender, receiver) = mpsc::channel(1);
    let reading = move || {
        let mut batches = Batches { lines: FindingReader::new(input), is_file, next: None, error: None };
        loop {
            let batch = batches.next_batch();
            let is_last = batch.as_ref().map_or(true, |batch| batch.lines.is_empty());
            if sender.blocking_send(batch).is_err() || is_last {
                break;
            }
        }
    };
    // The batches end with an empty one or an error. A thread that still waits for its input ends with the process.
    drop(tokio::task::spawn_blocking(reading));
    receiver
}

struct Batches<R> {
    lines: FindingReader<R>,
    is_file: bool,
    /// A line that the last batch had no room for.
    next: Option<FindingLine>,
    /// The error after the lines of the last batch.
    error: Option<InputError>,
}

impl<R: Read> Batches<R> {
    /// Returns the next batch, an empty one at the end.
    fn next_batch(&mut self) -> Result<LineBatch, InputError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let mut lines: Vec<FindingLine> = self.next.take().into_iter().collect();
        let mut bytes: usize = lines.iter().map(size).sum();
        while lines.len() < BATCH_ITEMS_MAX {
            let is_waiting = !self.is_file && self.lines.may_block() && !lines.is_empty();
            if is_waiting {
                break;
            }
            match self.lines.next_line() {
                Ok(None) => break,
                Ok(Some(line)) => {
                    bytes += size(&line);
                    if bytes > BATCH_BYTES_MAX && !lines.is_empty() {
                        self.next = Some(line);
                        break;
                    }
                    lines.push(line);
                }
                Err(error) if lines.is_empty() => return Err(error),
                Err(error) => {
                    self.error = Some(error);
                    break;
                }
            }
        }
        Ok(LineBatch { lines, bytes_read: self.lines.bytes() })
    }
}

/// The size of a line in a request, with its end.
fn size(line: &FindingLine) -> usize {
    line.text.as_ref().map_or(0, |text| text.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(input: &[u8]) -> Vec<Vec<u64>> {
        let mut batches =
            Batches { lines: FindingReader::new(input), is_file: true, next: None, error: None };
        let next = || batches.next_batch().map(|batch| batch.lines).ok().filter(|lines| !lines.is_empty());
        std::iter::from_fn(next).map(|lines| lines.iter().map(|line| line.number).collect()).collect()
    }

    #[test]
    fn batch_is_bounded_in_lines_and_bytes() {
        let sizes: Vec<usize> = batches("{}\n".repeat(1_001).as_bytes()).iter().map(Vec::len).collect();
        assert_eq!(sizes, [500, 500, 1]);
        // 13.9 MB of valid findings, as Python's json.dumps writes Chinese.
        let line = format!("{{\"message\":\"{}\"}}\n", "\\u4e2d".repeat(4_600));
        let found = batches(line.repeat(500).as_bytes());
        assert!(found.iter().all(|numbers| numbers.len() * line.len() <= BATCH_BYTES_MAX), "{found:?}");
        assert_eq!(found.concat(), (1..=500).collect::<Vec<u64>>(), "each line once, in order");
    }

    #[test]
    fn long_line_is_a_batch_of_its_own() {
        let long = format!("{{\"message\":\"{}\"}}\n", "x".repeat(5 << 20));
        assert_eq!(batches(format!("{{}}\n{long}{{}}\n").as_bytes()), [[1], [2], [3]]);
    }

    #[test]
    fn lines_of_a_slow_pipe_are_published_as_they_come() {
        struct Parts(Vec<&'static [u8]>);

        impl Read for Parts {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let part = self.0.pop().unwrap_or_default();
                buffer[..part.len()].copy_from_slice(part);
                Ok(part.len())
            }
        }

        let input = Parts(vec![b"{}\n", b"{}\n{}\n"]);
        let mut batches =
            Batches { lines: FindingReader::new(input), is_file: false, next: None, error: None };
        let sizes = [0; 3].map(|_| batches.next_batch().unwrap().lines.len());
        assert_eq!(sizes, [2, 1, 0]);
    }
}
