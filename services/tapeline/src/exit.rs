//! How the command ends when it doesn't end well.

use chassis::Exit;
use kafka_io::MaybeAccessDenied;

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
    /// The cluster answers, but doesn't let us in, or not do what must be done.
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    /// A question to the cluster that came to nothing: nobody answers, or we are turned away.
    pub fn of(error: impl MaybeAccessDenied) -> Self {
        Self::of_cause(&error, kafka_io::ErrorChain(&error).to_string())
    }

    /// The same, in these words.
    pub fn of_cause(error: &impl MaybeAccessDenied, text: String) -> Self {
        if error.is_access_denied() { Self::Refused(text) } else { Self::Unreachable(text) }
    }

    /// The same, with what was seen beside it.
    #[must_use]
    pub fn with_cause(self, cause: &str) -> Self {
        match self {
            Self::NotOk(text) => Self::NotOk(format!("{text}; {cause}")),
            Self::Usage(text) => Self::Usage(format!("{text}; {cause}")),
            Self::Unreachable(text) => Self::Unreachable(format!("{text}; {cause}")),
            Self::Refused(text) => Self::Refused(format!("{text}; {cause}")),
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NotOk(_) => Exit::Failed,
            Self::Usage(_) => Exit::Usage,
            Self::Unreachable(_) => Exit::Unreachable,
            Self::Refused(_) => Exit::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no answer")]
    struct Said(bool);

    impl MaybeAccessDenied for Said {
        fn is_access_denied(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn a_cluster_that_turns_us_away_is_told_from_one_that_is_away() {
        assert_eq!(Failure::of(Said(true)).exit(), Exit::Refused);
        assert_eq!(Failure::of(Said(false)).exit(), Exit::Unreachable);
        assert_eq!(Failure::of(Said(true)).with_cause("why").to_string(), "no answer; why");
    }
}
