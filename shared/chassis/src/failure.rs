//! Error that ends a process with a certain exit code.

use std::error::Error;
use std::fmt;

use crate::exit::Exit;

/// The error of a task or a start. Any error converts into it by `?`, with [`Exit::Failed`]; [`Failure::with`] sets another exit code.
///
/// It does not implement `std::error::Error`, because the conversion from every error would overlap with the reflexive one.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    error: Box<dyn Error + Send + Sync>,
}

// === impl Failure ===

impl Failure {
    /// Creates a failure that ends the process with `exit`.
    pub fn with(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, error: error.into() }
    }

    /// Creates a failure from a text, with [`Exit::Failed`].
    pub fn text(text: impl Into<String>) -> Self {
        Self::with(Exit::Failed, text.into())
    }

    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::with(Exit::Failed, error)
    }
}

impl fmt::Display for Failure {
    /// Writes the error and its chain of sources, outermost first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        kit::ErrorChain(self.error.as_ref()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to read bars of AAPL")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn failure_displays_every_source_once() {
        let failure = Failure::from(Outer(std::io::Error::other("disk failed")));
        assert_eq!(failure.to_string(), "failed to read bars of AAPL: disk failed");
        assert_eq!(failure.exit(), Exit::Failed);
    }
}
