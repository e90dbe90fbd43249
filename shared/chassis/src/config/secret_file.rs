//! Files that hold a secret.

use std::io;

/// A file that holds no usable secret. The text completes "secret file NAME ".
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretFileError {
    #[error("can't be read: {0}")]
    Read(#[from] io::Error),
    #[error("is empty")]
    Empty,
    #[error("begins with a byte order mark: save it without")]
    ByteOrderMark,
    #[error("has several lines: it must hold the secret alone")]
    Lines,
}

/// Reads the secret in a file of one line, without the line end.
pub(crate) fn read(file: &str) -> Result<String, SecretFileError> {
    let text = std::fs::read_to_string(file)?;
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.starts_with('\u{feff}') {
        return Err(SecretFileError::ByteOrderMark);
    }
    if secret.is_empty() {
        return Err(SecretFileError::Empty);
    }
    if secret.contains(['\n', '\r']) {
        return Err(SecretFileError::Lines);
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
        let files: [(&[u8], &str); 6] = [
            (b"", "is empty"),
            (b"\n", "is empty"),
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
