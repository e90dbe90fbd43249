//! Content of a bar file, read as a whole.

use std::io::Read;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use domain::Timestamp;
use kit::SaturatingFrom;

use super::error::{CsvError, WRITING};

/// The maximum size of a file. A larger file is no bar file: a century of day bars has less than 2 MiB.
pub(in crate::sources) const FILE_BYTES_MAX: u64 = 8 << 20;

/// The content of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// The end of [`WRITING`]. `None` if it has passed: the content is what it is meant to be.
    pub(super) written_until: Option<Timestamp>,
}

/// Reads a file as a whole, so that an error of the device is no error of the content. Without a time, no file is being written.
pub(super) fn read(path: &Path, now: Option<Timestamp>) -> Result<Content, CsvError> {
    let unreadable = |cause: std::io::Error| CsvError::Unreadable { path: path.to_path_buf(), cause };
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(CsvError::NotAFile { path: path.to_path_buf() });
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let bytes = bounded(path, &file, file.metadata().map_err(unreadable)?.len())?;
    let Some(now) = now else { return Ok(Content { bytes, written_until: None }) };
    // After the content: a change while it was read counts.
    let changed = file.metadata().and_then(|metadata| metadata.modified()).map_err(unreadable)?;
    Ok(Content { bytes, written_until: end_of_writing(changed, now) })
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

/// Returns the end of [`WRITING`] if the change is less than that ago. The clock of a file server may be ahead.
fn end_of_writing(changed: SystemTime, now: Timestamp) -> Option<Timestamp> {
    let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let changed = Timestamp::from_micros(i64::saturating_from(changed));
    let is_recent = u128::from(now.micros_since(changed).unsigned_abs()) < WRITING.as_micros();
    is_recent.then(|| changed.saturating_add_micros(i64::saturating_from(WRITING.as_micros())))
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
    fn changed_file_is_being_written_for_ten_seconds() {
        let changed = Timestamp::from_micros(1_700_000_000_000_000);
        let at = |seconds: i64| changed.saturating_add_micros(seconds * 1_000_000);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("AAPL.csv");
        std::fs::write(&path, "2023-12-29,10").unwrap();
        let file = std::fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000)).unwrap();
        let until = |now: Option<Timestamp>| {
            let Content { bytes, written_until } = read(&path, now).unwrap();
            assert_eq!(bytes, b"2023-12-29,10");
            written_until
        };
        for (seconds, is_recent) in [(-10, false), (-9, true), (0, true), (9, true), (10, false)] {
            assert_eq!(until(Some(at(seconds))), is_recent.then(|| at(10)), "{seconds} s");
        }
        assert_eq!(until(None), None);
    }
}
