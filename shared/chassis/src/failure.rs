//! An error that ends a process, with the exit code that it asks for.

use std::error::Error;
use std::fmt;

use crate::exit::Exit;

/// Why a task or a start failed. Any error becomes one by `?`, with [`Exit::Failed`]; [`Failure::with`] says otherwise.
///
/// It is no `std::error::Error` itself, so that the conversion from every error can exist.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    error: Box<dyn Error + Send + Sync>,
}

// === impl Failure ===

impl Failure {
    /// A failure that ends the process with `exit`.
    pub fn with(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, error: error.into() }
    }

    /// A failure known by its text alone, with [`Exit::Failed`].
    pub fn text(text: impl Into<String>) -> Self {
        Self::with(Exit::Failed, text.into())
    }

    /// The exit code that it asks for.
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
    /// The error and each of its sources, outermost first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        let mut source = self.error.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("reading bars of AAPL failed")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_failure_names_every_source_once() {
        let failure = Failure::from(Outer(std::io::Error::other("disk gone")));
        assert_eq!(failure.to_string(), "reading bars of AAPL failed: disk gone");
        assert_eq!(failure.exit(), Exit::Failed);
    }
}
