//! How the command ends when it doesn't end well.

use chassis::Exit;

/// Why; each kind has an exit code (docs/errors/exit-codes.md).
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The run came to its end and something is not in order.
    #[error("{0}")]
    NotOk(String),
    /// What was asked can't be done as asked: a wrong flag, file or event name.
    #[error("{0}")]
    Usage(String),
    /// A broker, registry or edge that is needed can't be reached.
    #[error("{0}")]
    Unreachable(String),
}

impl Failure {
    /// The same, with what was seen beside it.
    #[must_use]
    pub fn with_cause(self, cause: &str) -> Self {
        match self {
            Self::NotOk(text) => Self::NotOk(format!("{text}; {cause}")),
            Self::Usage(text) => Self::Usage(format!("{text}; {cause}")),
            Self::Unreachable(text) => Self::Unreachable(format!("{text}; {cause}")),
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NotOk(_) => Exit::Failed,
            Self::Usage(_) => Exit::Usage,
            Self::Unreachable(_) => Exit::Unreachable,
        }
    }
}
