//! Content of a file, read as a whole: the seam between files and their rows.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

use domain::Timestamp;
use flate2::read::MultiGzDecoder;
use kit::SaturatingFrom;

use super::error::{CsvError, MissingEnd, WRITING};

/// The maximum size of a file of day bars. A larger file is none: a century of them has less than 2 MiB.
pub(in crate::sources) const FILE_BYTES_MAX: u64 = 8 << 20;

/// The maximum size of a file of any records, compressed and not: bars of a minute of two years.
pub(in crate::sources) const LARGE_FILE_BYTES_MAX: u64 = 2 * FILE_BYTES_MAX;

/// Limits of a file.
#[derive(Debug, Clone, Copy)]
pub(in crate::sources) struct Limits {
    /// The maximum size of the file, and of its decompressed content.
    pub(in crate::sources) bytes_max: u64,
    /// The end of a name decides about the format: `.gz` is decompressed, `.parquet` is Parquet. Otherwise all files are CSV.
    pub(in crate::sources) has_formats: bool,
}

impl Default for Limits {
    /// Those of a file of day bars.
    fn default() -> Self {
        Self { bytes_max: FILE_BYTES_MAX, has_formats: false }
    }
}

impl Limits {
    /// Returns `true` if the name of the file ends in `.` and this extension, and that decides about its format.
    pub(super) fn is_of_format(self, path: &Path, extension: &str) -> bool {
        self.has_formats && path.extension() == Some(OsStr::new(extension))
    }
}

/// The content of a file.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sources) struct Content {
    pub(super) bytes: Vec<u8>,
    /// The end of [`WRITING`]. `None` if it has passed: the content is what it is meant to be.
    pub(super) written_until: Option<Timestamp>,
}

/// Reads a file as a whole, so that an error of the device is no error of the content. Without a time, no file is being written.
pub(in crate::sources) fn read(
    path: &Path,
    limits: Limits,
    now: Option<Timestamp>,
) -> Result<Content, CsvError> {
    let unreadable = |cause: std::io::Error| CsvError::Unreadable { path: path.to_path_buf(), cause };
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(CsvError::NotAFile { path: path.to_path_buf() });
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let len = file.metadata().map_err(unreadable)?.len();
    let bytes = bounded(path, &file, len, limits.bytes_max)?.map_err(unreadable)?;
    // After the content: a change while it was read counts.
    let changed = file.metadata().and_then(|metadata| metadata.modified()).map_err(unreadable)?;
    let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    of_bytes(path, bytes, limits, (Timestamp::from_micros(i64::saturating_from(changed)), now))
}

/// Returns the content of a file of these bytes, with the time of its last change. Without a current time, no file is being written.
pub(in crate::sources) fn of_bytes(
    path: &Path,
    bytes: Vec<u8>,
    limits: Limits,
    (changed, now): (Timestamp, Option<Timestamp>),
) -> Result<Content, CsvError> {
    let written_until = now.and_then(|now| end_of_writing(changed, now));
    if !limits.is_of_format(path, "gz") {
        return Ok(Content { bytes, written_until });
    }
    let path = || path.to_path_buf();
    match (decompressed(&path(), &bytes, limits.bytes_max)?, written_until) {
        (Ok(bytes), _) => Ok(Content { bytes, written_until }),
        (Err(_), Some(until)) => {
            Err(CsvError::BeingWritten { path: path(), missing: MissingEnd::Compressed, until })
        }
        (Err(cause), None) => Err(CsvError::InvalidCompression { path: path(), cause }),
    }
}

/// Reads up to the maximum. `len` is the expected size: a file may grow while it is read.
fn bounded(
    path: &Path,
    content: impl Read,
    len: u64,
    max: u64,
) -> Result<Result<Vec<u8>, std::io::Error>, CsvError> {
    let too_large = |bytes| CsvError::TooLarge { path: path.to_path_buf(), bytes, max };
    if len > max {
        return Err(too_large(len));
    }
    let mut bytes = Vec::with_capacity(usize::saturating_from(len));
    if let Err(cause) = content.take(max + 1).read_to_end(&mut bytes) {
        return Ok(Err(cause));
    }
    let read = u64::saturating_from(bytes.len());
    if read > max { Err(too_large(read)) } else { Ok(Ok(bytes)) }
}

/// Decompresses the members of a gzip file, up to the maximum.
fn decompressed(path: &Path, bytes: &[u8], max: u64) -> Result<Result<Vec<u8>, std::io::Error>, CsvError> {
    // The last four bytes are the size of the last member. Allocated at once: growing would need twice the memory.
    let size = bytes.last_chunk().map_or(0, |size| u32::from_le_bytes(*size));
    bounded(path, MultiGzDecoder::new(bytes), u64::from(size).min(max), max)
}

/// Returns the end of [`WRITING`] if the change is less than that ago. The clock of a file server may be ahead.
fn end_of_writing(changed: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let is_recent = u128::from(now.micros_since(changed).unsigned_abs()) < WRITING.as_micros();
    is_recent.then(|| changed.saturating_add_micros(i64::saturating_from(WRITING.as_micros())))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn file_that_grows_above_the_maximum_is_too_large() {
        let path = Path::new("AAPL.csv");
        let grown = std::io::repeat(b'1');
        let error = bounded(path, grown, 10, FILE_BYTES_MAX).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("AAPL.csv: {} bytes, at most {FILE_BYTES_MAX} are allowed", FILE_BYTES_MAX + 1)
        );
        let full = bounded(path, std::io::repeat(b'1').take(FILE_BYTES_MAX), 10, FILE_BYTES_MAX);
        let full = full.unwrap().unwrap();
        assert_eq!(u64::saturating_from(full.len()), FILE_BYTES_MAX);
        let large =
            bounded(path, std::io::empty(), FILE_BYTES_MAX + 2, FILE_BYTES_MAX).unwrap_err().to_string();
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
            let Content { bytes, written_until } = read(&path, Limits::default(), now).unwrap();
            assert_eq!(bytes, b"2023-12-29,10");
            written_until
        };
        for (seconds, is_recent) in [(-10, false), (-9, true), (0, true), (9, true), (10, false)] {
            assert_eq!(until(Some(at(seconds))), is_recent.then(|| at(10)), "{seconds} s");
        }
        assert_eq!(until(None), None);
    }

    #[test]
    fn compressed_content_is_bounded_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("AAPL.csv.gz");
        let limits = Limits { bytes_max: 4_096, has_formats: true };
        let compressed = |text: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            std::io::Write::write_all(&mut encoder, text).unwrap();
            encoder.finish().unwrap()
        };
        let read_now = || read(&path, limits, Some(Timestamp::from_micros(i64::MAX / 2)));
        let members = [compressed(b"date,"), compressed(b"open\n")].concat();
        std::fs::write(&path, &members).unwrap();
        assert_eq!(read_now().unwrap().bytes, b"date,open\n");
        std::fs::write(&path, compressed(&[b'1'; 1 << 20])).unwrap();
        let error = read_now().unwrap_err().to_string();
        assert!(error.ends_with("AAPL.csv.gz: 4097 bytes, at most 4096 are allowed"), "{error}");
        std::fs::write(&path, &members[..members.len() - 1]).unwrap();
        let error = read_now().unwrap_err();
        assert!(matches!(error, CsvError::InvalidCompression { .. }) && !error.is_temporary(), "{error:?}");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        let error = read(&path, limits, Some(Timestamp::from_micros(i64::saturating_from(now)))).unwrap_err();
        assert!(matches!(error, CsvError::BeingWritten { missing: MissingEnd::Compressed, .. }), "{error:?}");
    }
}
