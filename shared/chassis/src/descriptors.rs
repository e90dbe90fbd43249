//! File descriptors: the sum that the configuration needs, compared with the limit of the process, and the number that is open.
//!
//! Without a free descriptor a process can neither accept nor open a connection, and its probes fail. So the limit is checked at start.

use std::fmt;
use std::io;

use kit::SaturatingFrom;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::serve::{ConnectionLimits, SPARE_DESCRIPTORS};

/// Descriptors of a process apart from its servers: connections to brokers and to the registry, files, the runtime. `tapeline dev`, which
/// has the most, uses 241.
const PROCESS: u64 = 256;

/// Descriptors of a process without servers: a command of `tapeline`. A replay has most, some 50 with one broker.
const COMMAND: u64 = 128;

/// The maximum number of descriptors of one part of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The part and its setting, for the error message.
    pub name: String,
    pub count: u64,
}

/// The change of the soft limit, which is made before the log has started.
#[derive(Debug)]
#[must_use = "it has to be logged"]
pub enum SoftLimit {
    Unchanged,
    Raised { soft: Option<u64>, hard: Option<u64> },
    NotRaised { soft: Option<u64>, hard: Option<u64>, error: io::Error },
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "configuration needs {sum} file descriptors, the hard limit is {limit}: {parts}; lower connections_max or raise the limit (ulimit -n)"
)]
pub struct DescriptorsError {
    sum: u64,
    limit: u64,
    /// The parts, largest first.
    parts: String,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the command needs {COMMAND} file descriptors, the hard limit is {limit}; raise the limit (ulimit -n)"
)]
pub struct CommandDescriptorsError {
    limit: u64,
}

impl Part {
    /// The descriptors of a server with these limits; `setting` limits its connections.
    #[must_use]
    pub fn of_server(setting: &str, limits: &ConnectionLimits) -> Self {
        let connections = u64::saturating_from(limits.connections_max);
        Self { name: setting.to_owned(), count: connections.saturating_add(SPARE_DESCRIPTORS) }
    }
}

/// Compares the sum of these parts and of the process itself with the hard limit, and raises the soft limit to it if the sum exceeds
/// that. To be called before anything that needs descriptors, such as an async runtime.
///
/// # Errors
/// The sum exceeds the hard limit.
pub fn require(mut parts: Vec<Part>) -> Result<SoftLimit, DescriptorsError> {
    parts.push(Part { name: "process".to_owned(), count: PROCESS });
    let limit = getrlimit(Resource::Nofile);
    Ok(if check(parts, &limit)? { raise(&limit) } else { SoftLimit::Unchanged })
}

/// The same for a command: compares what it needs with the hard limit, and raises the soft limit to it if necessary.
///
/// # Errors
/// It needs more than the hard limit.
pub fn require_for_command() -> Result<(), CommandDescriptorsError> {
    let limit = getrlimit(Resource::Nofile);
    if is_above_soft_limit_of_command(&limit)? {
        // A soft limit that is not raised is an error at the first descriptor above it.
        let _unlogged = raise(&limit);
    }
    Ok(())
}

fn is_above_soft_limit_of_command(limit: &Rlimit) -> Result<bool, CommandDescriptorsError> {
    match limit.maximum.filter(|limit| *limit < COMMAND) {
        Some(limit) => Err(CommandDescriptorsError { limit }),
        None => Ok(limit.current.is_some_and(|limit| limit < COMMAND)),
    }
}

/// Returns the number of open descriptors of the process. `None` if the system does not report it.
#[must_use]
pub fn open() -> Option<u64> {
    match std::fs::read_dir("/proc/self/fd") {
        // One of them is that of this directory.
        Ok(entries) => Some(u64::saturating_from(entries.count()).saturating_sub(1)),
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => limit(),
        Err(_) => None,
    }
}

/// Returns the limit that is in force, the soft one. `None` if there is none.
#[must_use]
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Returns `true` if the sum exceeds the soft limit and fits in the hard one.
fn check(mut parts: Vec<Part>, limit: &Rlimit) -> Result<bool, DescriptorsError> {
    let exceeds = |sum: u64, limit: Option<u64>| limit.filter(|limit| sum > *limit);
    let sum = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.count));
    if let Some(limit) = exceeds(sum, limit.maximum) {
        parts.sort_by_key(|part| std::cmp::Reverse(part.count));
        let parts = parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Err(DescriptorsError { sum, limit, parts });
    }
    Ok(exceeds(sum, limit.current).is_some())
}

fn raise(limit: &Rlimit) -> SoftLimit {
    let (soft, hard) = (limit.current, limit.maximum);
    match setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard }) {
        Ok(()) => SoftLimit::Raised { soft, hard },
        Err(error) => SoftLimit::NotRaised { soft, hard, error: error.into() },
    }
}

impl SoftLimit {
    /// Logs a change, or its failure.
    pub fn log(&self) {
        match self {
            Self::Unchanged => {}
            Self::Raised { soft, hard } => tracing::info!(soft, hard, "limit of file descriptors raised"),
            Self::NotRaised { soft, hard, error } => {
                tracing::warn!(soft, hard, %error, "failed to raise the limit of file descriptors");
            }
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, count: u64) -> Part {
        Part { name: name.to_owned(), count }
    }

    #[test]
    fn sum_above_the_hard_limit_is_an_error_with_its_parts() {
        let limit = |current, maximum| Rlimit { current: Some(current), maximum: Some(maximum) };
        let parts = || vec![part("process", 256), part("edge: connections_max", 1_024)];
        assert_eq!(check(parts(), &limit(1_280, 1_280)), Ok(false));
        assert_eq!(check(parts(), &limit(1_024, 1_280)), Ok(true));
        assert_eq!(check(parts(), &Rlimit { current: None, maximum: None }), Ok(false));
        assert_eq!(
            check(parts(), &limit(500, 500)).unwrap_err().to_string(),
            "configuration needs 1280 file descriptors, the hard limit is 500: edge: connections_max 1024, process 256; lower \
             connections_max or raise the limit (ulimit -n)"
        );
    }

    #[test]
    fn hard_limit_below_the_need_of_a_command_is_an_error() {
        let limit = |current, maximum| Rlimit { current, maximum };
        assert_eq!(is_above_soft_limit_of_command(&limit(Some(128), Some(128))), Ok(false));
        assert_eq!(is_above_soft_limit_of_command(&limit(Some(127), Some(128))), Ok(true));
        assert_eq!(is_above_soft_limit_of_command(&limit(Some(20), None)), Ok(true));
        assert_eq!(is_above_soft_limit_of_command(&limit(None, None)), Ok(false));
        assert_eq!(
            is_above_soft_limit_of_command(&limit(Some(6), Some(127))).unwrap_err().to_string(),
            "the command needs 128 file descriptors, the hard limit is 127; raise the limit (ulimit -n)"
        );
    }

    #[test]
    fn open_descriptors_are_counted() {
        let before = open().unwrap();
        let files: Vec<_> = (0..50).map(|_| std::fs::File::open("/proc/self/status").unwrap()).collect();
        // Other tests of this process open and close descriptors too.
        assert!(open().unwrap() >= before.saturating_sub(20) + 50, "{before}");
        drop(files);
        assert!(limit().is_none_or(|limit| limit >= before));
    }
}
