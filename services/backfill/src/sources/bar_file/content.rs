//! Content of a bar file, read as a whole.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::Timestamp;
use kit::SaturatingFrom;

use super::error::CsvError;

/// The maximum size of a file. A larger file is no bar file: a century of day bars has less than 2 MiB.
pub(in crate::sources) const FILE_BYTES_MAX: u64 = 8 << 20;

/// The time after the last change in which a file without a line end at its end counts as being written. Longer than a program waits
/// between the parts of a row, short compared with the time to the next request.
const WRITING: Duration = Duration::from_secs(10);

/// Reads a file as a whole, so that an error of the device is no error of the content. With a time, a file that is being written then is an
/// error.
pub(super) fn read(path: &Path, now: Option<Timestamp>) -> Result<Vec<u8>, CsvError> {
    let unreadable = |cause: std::io::Error| CsvError::Unreadable { path: path.to_path_buf(), cause };
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(CsvError::NotAFile { path: path.to_path_buf() });
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let content = bounded(path, &file, file.metadata().map_err(unreadable)?.len())?;
    let has_line_end = matches!(content.last(), None | Some(b'\n' | b'\r'));
    if let Some(now) = now.filter(|_| !has_line_end) {
        // After the content: a change while it was read counts.
        let changed = file.metadata().and_then(|metadata| metadata.modified()).map_err(unreadable)?;
        if is_recent(changed, now) {
            return Err(CsvError::BeingWritten { path: path.to_path_buf(), seconds: WRITING.as_secs() });
        }
    }
    Ok(content)
}

/// Reads up to the maximum. `len` is the size of the file so far: it may grow while it is read.
fn bounded(path: &Path, file: impl Read, len: u64) -> Result<Vec<u8>, CsvError> {
    let too_large = |bytes| CsvError::TooLarge { path: path.to_path_buf(), bytes, max: FILE_BYTES_MAX };
    if len > FILE_BYTES_MAX {
        return Err(too_large(len));
    }
    let mut content = Vec::with_capacity(usize::saturating_from(len));
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut content)
        .map_err(|cause| CsvError::Unreadable { path: path.to_path_buf(), cause })?;
    let bytes = u64::saturating_from(content.len());
    if bytes > FILE_BYTES_MAX { Err(too_large(bytes)) } else { Ok(content) }
}

/// Returns `true` if the change is less than [`WRITING`] ago. The clock of a file server may be ahead.
fn is_recent(changed: SystemTime, now: Timestamp) -> bool {
    let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let since = now.micros_since(Timestamp::from_micros(i64::saturating_from(changed)));
    u128::from(since.unsigned_abs()) < WRITING.as_micros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_that_grows_above_the_maximum_is_too_large() {
        let path = Path::new("AAPL.csv");
        let grown = std::io::repeat(b'1');
        let error = bounded(path, grown, 10).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("AAPL.csv: {} bytes, at most {FILE_BYTES_MAX} are allowed", FILE_BYTES_MAX + 1)
        );
        let full = bounded(path, std::io::repeat(b'1').take(FILE_BYTES_MAX), 10).unwrap();
        assert_eq!(u64::saturating_from(full.len()), FILE_BYTES_MAX);
        let large = bounded(path, std::io::empty(), FILE_BYTES_MAX + 2).unwrap_err().to_string();
        assert_eq!(
            large,
            format!("AAPL.csv: {} bytes, at most {FILE_BYTES_MAX} are allowed", FILE_BYTES_MAX + 2)
        );
    }

    #[test]
    fn last_line_without_an_end_is_read_in_an_unchanged_file() {
        let changed = Timestamp::from_micros(1_700_000_000_000_000);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("AAPL.csv");
        let is_written = |text: &str, seconds: i64| {
            std::fs::write(&path, text).unwrap();
            let file = std::fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
            match read(&path, Some(changed.saturating_add_micros(seconds * 1_000_000))) {
                Ok(content) => {
                    assert_eq!(content, text.as_bytes());
                    false
                }
                Err(error) => {
                    assert!(
                        matches!(error, CsvError::BeingWritten { .. }) && error.is_temporary(),
                        "{error:?}"
                    );
                    true
                }
            }
        };
        for (seconds, is_recent) in [(-10, false), (-9, true), (0, true), (9, true), (10, false)] {
            assert_eq!(is_written("2023-12-29,10", seconds), is_recent, "{seconds} s");
        }
        assert!(!is_written("2023-12-29,10\n", 0) && !is_written("2023-12-29,10\r", 0) && !is_written("", 0));
        std::fs::write(&path, "2023-12-29,10").unwrap();
        assert_eq!(read(&path, None).unwrap(), b"2023-12-29,10", "no time");
    }
}
