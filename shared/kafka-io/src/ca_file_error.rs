//! The error of a file of certificate authorities.

use std::io;

/// The file of certificate authorities can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CaFileError {
    /// The build has no encryption.
    #[error("this build lacks the feature `security`")]
    NoSecurity,
    /// The file can't be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// The file is not in PEM format.
    #[error(transparent)]
    Parse(#[from] reqwest::Error),
    /// The file contains no certificate.
    #[error("no certificate in the file")]
    Empty,
}
