//! The limit of open files. Without this check, a limit that is too low shows as services that never become ready.

use crate::exit::Failure;

/// Files and sockets that a run opens: about 240 at rest, and more while clients reconnect or an edge has many callers.
const DESCRIPTORS_MIN: u64 = 400;

/// The limits of this process, on Linux. Elsewhere there is no such file, and the limit is not checked.
const LIMITS: &str = "/proc/self/limits";

/// Checks the soft limit of open files.
///
/// # Errors
/// [`Failure::Usage`] if it is too low.
pub(super) fn check() -> Result<(), Failure> {
    let limits = std::fs::read_to_string(LIMITS).unwrap_or_default();
    match soft_limit(&limits) {
        Some(limit) if limit < DESCRIPTORS_MIN => Err(Failure::usage(format!(
            "too few open files are allowed: the limit is {limit}, at least {DESCRIPTORS_MIN} are needed (ulimit -n {DESCRIPTORS_MIN})"
        ))),
        _ => Ok(()),
    }
}

/// Returns the soft limit of open files. `None` if it is unlimited or unknown.
fn soft_limit(limits: &str) -> Option<u64> {
    let row = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    row.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_limit_is_the_first_column() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             7823                 7823                 processes \n\
                      Max open files            256                  524288               files     \n";
        assert_eq!(soft_limit(limits), Some(256));
        assert_eq!(
            soft_limit("Max open files            unlimited            unlimited            files"),
            None
        );
        assert_eq!(soft_limit(""), None);
    }
}
