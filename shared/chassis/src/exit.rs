//! Exit codes of all processes. Described for operators in `docs/errors/exit-codes.md`.

use std::process::ExitCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[must_use]
pub enum Exit {
    /// 0: the work is complete, or the process drained after a signal.
    Ok = 0,
    /// 1: the run failed, or its report is not ok.
    Failed = 1,
    /// 2: invalid arguments or configuration; nothing was started.
    Usage = 2,
    /// 3: a broker, the registry or another dependency was unreachable at start.
    Unreachable = 3,
    /// 4: drain timeout exceeded.
    DrainTimedOut = 4,
    /// 5: fenced: another process owns the transactional identity of this one.
    Fenced = 5,
    /// 6: the committed offset of a partition is missing or no longer in the log.
    MissingOffset = 6,
    /// 7: access denied by the cluster or the registry.
    Refused = 7,
    /// 8: several Kafka clients hang in calls that do not return.
    ClientsAbandoned = 8,
    /// 9: the requested work was served in part, and nothing of it failed.
    Partial = 9,
    /// 130: a second signal arrived while draining.
    SecondSignal = 130,
}

// === impl Exit ===

impl Exit {
    pub const ALL: [Self; 11] = [
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::Unreachable,
        Self::DrainTimedOut,
        Self::Fenced,
        Self::MissingOffset,
        Self::Refused,
        Self::ClientsAbandoned,
        Self::Partial,
        Self::SecondSignal,
    ];

    /// Returns the exit status for the operating system.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_documented() {
        let page = include_str!("../../../docs/errors/exit-codes.md");
        for exit in Exit::ALL {
            let row = format!("| {} | `{exit:?}` |", exit.code());
            assert!(page.contains(&row), "docs/errors/exit-codes.md has no row that starts with {row}");
        }
    }
}
