//! How a process ended, as a number that a supervisor can act on. The page for people: `docs/errors/exit-codes.md`.

use std::process::ExitCode;

/// The exit codes of every Tapeline process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[must_use]
pub enum Exit {
    /// 0: the work ended, or a signal asked for the end and everything drained.
    Ok = 0,
    /// 1: the run failed, or its report is not ok.
    Failed = 1,
    /// 2: wrong arguments or configuration; nothing was started.
    Usage = 2,
    /// 3: a broker, registry or other dependency could not be reached at start.
    Unreachable = 3,
    /// 4: the drain budget was spent before everything had ended.
    DrainTimedOut = 4,
    /// 5: another process owns this one's transactional identity.
    Fenced = 5,
    /// 6: a partition's committed offset is missing or no longer in the log.
    MissingOffset = 6,
    /// 7: the cluster doesn't let this process in, or not do what it must.
    Refused = 7,
    /// 130: a second signal arrived while draining.
    SecondSignal = 130,
}

// === impl Exit ===

impl Exit {
    /// Every exit code.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::Unreachable,
        Self::DrainTimedOut,
        Self::Fenced,
        Self::MissingOffset,
        Self::Refused,
        Self::SecondSignal,
    ];

    /// The number that the operating system sees.
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
    fn every_exit_code_has_its_row_on_the_page() {
        let page = include_str!("../../../docs/errors/exit-codes.md");
        for exit in Exit::ALL {
            let row = format!("| {} | `{exit:?}` |", exit.code());
            assert!(page.contains(&row), "docs/errors/exit-codes.md has no row that starts with {row}");
        }
    }
}
