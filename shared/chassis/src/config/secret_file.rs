//! Files that hold a secret.

use std::fs::File;
use std::io::{self, Read};

/// A larger file is not a secret: a key or a certificate has its own setting.
const BYTES_MAX: u64 = 64 << 10;

/// A file that holds no usable secret. The text completes "secret file NAME ".
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretFileError {
    #[error("can't be read: {0}")]
    Read(#[from] io::Error),
    #[error("is empty")]
    Empty,
    #[error("is larger than {} KiB", BYTES_MAX >> 10)]
    TooLarge,
    #[error("contains a control character")]
    Control,
    #[error("begins with a byte order mark: save it without")]
    ByteOrderMark,
    #[error("has several lines: it must hold the secret alone")]
    Lines,
}

/// Reads the secret in a file of one line, without the line end.
pub(crate) fn read(file: &str) -> Result<String, SecretFileError> {
    let mut text = String::new();
    File::open(file)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(SecretFileError::TooLarge);
    }
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.starts_with('\u{feff}') {
        return Err(SecretFileError::ByteOrderMark);
    }
    if secret.trim().is_empty() {
        return Err(SecretFileError::Empty);
    }
    if secret.contains(['\n', '\r']) {
        return Err(SecretFileError::Lines);
    }
    if secret.contains(char::is_control) {
        return Err(SecretFileError::Control);
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(bytes: &[u8]) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(file.path().to_str().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn secret_is_the_line_without_its_end() {
        for text in ["hunter2", "hunter2\n", "hunter2\r\n"] {
            assert_eq!(read_of(text.as_bytes()).unwrap(), "hunter2", "{text:?}");
        }
        // A blank may be part of a password.
        assert_eq!(read_of(b"hunter2 \n").unwrap(), "hunter2 ");
    }

    #[test]
    fn file_without_exactly_one_line_is_rejected() {
        let large = [b'x'; 70_000];
        let files: [(&[u8], &str); 9] = [
            (b"", "is empty"),
            (b"\n", "is empty"),
            (b" \t\n", "is empty"),
            (b"a\0b\n", "control character"),
            (&large, "larger than 64 KiB"),
            ("\u{feff}hunter2\n".as_bytes(), "byte order mark"),
            (b"hun\nter2\n", "several lines"),
            (b"hun\rter2", "several lines"),
            (b"caf\xe9", "can't be read"),
        ];
        for (bytes, cause) in files {
            let error = read_of(bytes).unwrap_err();
            assert!(error.contains(cause) && !error.contains("hun"), "{error}");
        }
    }
}
